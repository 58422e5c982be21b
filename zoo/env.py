"""Tells what the machine and the environment have: cores, memory, folders, switches, versions."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

REPORTED_PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "numpy",
    "openvino",
    "safetensors",
    "huggingface_hub",
    "tokenizers",
    "sentencepiece",
    "filelock",
    "rich",
    "torch",
    "transformers",
)
OFFLINE_VARIABLES = ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
# paddle 3.3.1 brings MKL of 2019, which takes its slowest path unless the processor is Intel's: on AMD's Zen 4 that
# is a third of the speed of a product. Until 2020 MKL read this variable: a path, and what the processor must do.
MKL_PATH_VARIABLE = "MKL_DEBUG_CPU_TYPE"
MKL_PATHS = {
    "7": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd", "fma"},
    "5": {"avx2", "fma"},
}
THREADS_VARIABLE = "ZOO_THREADS"  # where OMP_NUM_THREADS is somebody else's, as in a worker of Ray
TRUE_TEXTS = {"1", "true", "yes", "on"}


def flag(name: str) -> bool:
    """Tells whether an environment variable is on ("1", "true", "yes", "on")."""
    return os.environ.get(name, "").strip().lower() in TRUE_TEXTS


def offline() -> bool:
    """Tells whether nothing may be downloaded: ZOO_OFFLINE, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(map(flag, OFFLINE_VARIABLES))


def home() -> Path:
    """Gives the folder where the zoo keeps its files: $ZOO_HOME, else ~/.cache/zoo."""
    return Path(os.path.expanduser(os.environ.get("ZOO_HOME") or "~/.cache/zoo"))


def hub_cache() -> Path:
    """Gives the folder of the Hugging Face cache, by the same variables that huggingface_hub reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if path := os.environ.get(name):
            return Path(os.path.expanduser(path))
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(os.environ.get("HF_HOME") or f"{cache}/huggingface")) / "hub"


def hub_endpoint() -> str:
    """Gives the address of the Hugging Face Hub, or of the mirror that $HF_ENDPOINT names."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def modelscope_endpoint() -> str:
    """Gives the address of ModelScope, or what $MODELSCOPE_ENDPOINT or $MODELSCOPE_DOMAIN names."""
    named = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN") or "www.modelscope.cn"
    return (named if "://" in named else f"https://{named}").rstrip("/")


def versions(*more: str) -> dict[str, str]:
    """Gives the versions of Python, of the packages that matter here and of `more`, from their metadata.

    Imports nothing; what is not installed is left out.
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in (*REPORTED_PACKAGES, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Gives the cores this process may use: its affinity, and the CPU share that a container gives it."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, quota) if quota else count)


def _cgroup_quota() -> int:
    """Gives the whole cores of a cgroup limit (version 2, then 1); 0 when there is none."""
    base = Path("/sys/fs/cgroup")
    try:
        quota, period = (base / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (base / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (base / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return 0
    if not quota.isdigit() or not int(period):
        return 0
    return max(1, -(-int(quota) // int(period)))


def cpu() -> str:
    """Gives the processor's name."""
    return _cpuinfo("model name") or platform.processor() or "unknown"


def cpu_vendor() -> str:
    """Gives the processor's maker ("GenuineIntel", "AuthenticAMD"); "" when the system does not say."""
    return _cpuinfo("vendor_id")


def cpu_flags() -> frozenset[str]:
    """Gives what the processor can do, as Linux names it ("avx512_bf16"); empty when the system does not say."""
    return frozenset(_cpuinfo("flags").split())


@lru_cache(maxsize=8)
def _cpuinfo(name: str) -> str:
    """Gives a line of /proc/cpuinfo without its name; "" when there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def computes_bf16() -> bool:
    """Tells whether the processor multiplies in bfloat16, so that it is faster than float32."""
    return not cpu_flags().isdisjoint(BF16_CPU_FLAGS)


def mkl_path() -> str:
    """Gives the value of MKL_PATHS that MKL would not choose by itself; "" on Intel's and unknown processors."""
    if cpu_vendor() in ("GenuineIntel", ""):
        return ""
    return next((path for path, needed in MKL_PATHS.items() if needed <= cpu_flags()), "")


def memory() -> int:
    """Gives the bytes of memory that are free to use, 0 when the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, max(0, limit - used))


def peak_memory(process: int = 0) -> int:
    """Gives the most bytes that a process has held at once, 0 where the system does not say.

    Args:
        process: its number; 0 for this one. Another one's is said on Linux alone, while it runs.
    """
    with suppress(OSError):  # Linux; its ru_maxrss begins with what the parent had
        lines = Path(f"/proc/{process or 'self'}/status").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    if process:
        return 0
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def threads() -> int:
    """Gives the number of threads that a network computes with: ZOO_THREADS, OMP_NUM_THREADS, else its cores."""
    return _wanted_threads() or _own_cores()


def _own_cores() -> int:
    """Gives every core, or its share of them to each process that paddle's launcher has started on this host."""
    host = os.environ.get("PADDLE_CURRENT_ENDPOINT", "").rpartition(":")[0]
    every = os.environ.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")
    return max(1, cores() // max(1, sum(host == each.rpartition(":")[0] for each in every)))


@lru_cache(maxsize=1)
def use_all_cores() -> int:
    """Lets paddle compute on every core (it starts with one) and with all that a core can do.

    ZOO_THREADS, OMP_NUM_THREADS and MKL_DEBUG_CPU_TYPE have the last word. Called where a network is made and where
    one without layers is opened; importing the zoo changes nothing. Returns the number of threads.
    """
    if path := mkl_path():
        os.environ.setdefault(MKL_PATH_VARIABLE, path)
    wanted = _wanted_threads()
    from paddle.base import core

    from zoo import signals

    signals.reclaim()  # paddle takes SIGTERM when it is imported
    core.set_num_threads(wanted or _own_cores())
    if not wanted:
        # Paddle has written its 1 there on import, and child processes and torch would obey it.
        os.environ.pop("OMP_NUM_THREADS", None)
    return wanted or _own_cores()


def _wanted_threads() -> int:
    """Gives the user's ZOO_THREADS or OMP_NUM_THREADS, 0 when there is none."""
    own = os.environ.get(THREADS_VARIABLE, "")
    if own.isdecimal() and int(own):
        return int(own)
    text = os.environ.get("OMP_NUM_THREADS", "")
    launched = "PADDLE_TRAINER_ID" in os.environ
    if text == "1" and (launched or "paddle" in sys.modules):
        # Paddle's 1, or the user's? What this process was started with knows it. Paddle's launcher hands its own 1
        # on, so below it the launcher's start counts.
        process = os.getppid() if launched else "self"
        try:
            start = dict(v.partition("=")[::2] for v in Path(f"/proc/{process}/environ").read_text().split("\0"))
        except OSError:
            return 0
        text = start.get("OMP_NUM_THREADS", "")
    first = text.split(",")[0].strip()
    return int(first) if first.isdigit() else 0

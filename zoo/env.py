"""The machine and the environment: cores, memory, folders, switches, versions. Standard library only."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from pathlib import Path

PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "numpy",
    "safetensors",
    "huggingface_hub",
    "tokenizers",
    "sentencepiece",
    "filelock",
    "rich",
    "torch",
    "transformers",
)
OFFLINE = ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
BF16 = {"avx512_bf16", "amx_bf16"}
# paddle 3.3.1 brings MKL of 2019, which takes its slowest path unless the processor is Intel's: on AMD's Zen 4 that
# is a third of the speed of a product. Until 2020 MKL read this variable: a path, and what the processor must do.
KERNELS = "MKL_DEBUG_CPU_TYPE"
PATHS = {
    "7": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd", "fma"},
    "5": {"avx2", "fma"},
}
TRUE = {"1", "true", "yes", "on"}


def flag(name: str) -> bool:
    """An on/off environment variable."""
    return os.environ.get(name, "").strip().lower() in TRUE


def offline() -> bool:
    """True when nothing may be downloaded: ZOO_OFFLINE, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(map(flag, OFFLINE))


def home() -> Path:
    """Where the zoo keeps its files: $ZOO_HOME, else ~/.cache/zoo."""
    return Path(os.path.expanduser(os.environ.get("ZOO_HOME") or "~/.cache/zoo"))


def hub_cache() -> Path:
    """The Hugging Face cache, by the same variables that huggingface_hub reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if path := os.environ.get(name):
            return Path(os.path.expanduser(path))
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(os.environ.get("HF_HOME") or f"{cache}/huggingface")) / "hub"


def hub_endpoint() -> str:
    """The Hugging Face Hub or the mirror that $HF_ENDPOINT names."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def modelscope_endpoint() -> str:
    """ModelScope, or the address that $MODELSCOPE_ENDPOINT or $MODELSCOPE_DOMAIN names."""
    named = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN") or "www.modelscope.cn"
    return (named if "://" in named else f"https://{named}").rstrip("/")


def versions() -> dict[str, str]:
    """Python, and the installed packages that matter here; read from their metadata, nothing is imported."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Cores this process may use: its affinity, and the CPU share that a container gives it."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, quota) if quota else count)


def _cgroup_quota() -> int:
    """Whole cores of a cgroup limit (version 2, then 1); 0 when there is none."""
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
    """The processor's name."""
    return _cpuinfo("model name") or platform.processor() or "unknown"


def cpu_vendor() -> str:
    """Who made the processor ("GenuineIntel", "AuthenticAMD", "HygonGenuine"); "" when the system does not say."""
    return _cpuinfo("vendor_id")


def cpu_flags() -> frozenset[str]:
    """What the processor can do, as Linux names it ("avx512_bf16"); empty when the system does not say."""
    return frozenset(_cpuinfo("flags").split())


@lru_cache(maxsize=8)
def _cpuinfo(name: str) -> str:
    """A line of /proc/cpuinfo without its name; "" when there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def computes_bf16() -> bool:
    """True when the processor multiplies in bfloat16, so that it is faster than float32."""
    return not cpu_flags().isdisjoint(BF16)


def mkl_path() -> str:
    """The path that MKL is to take (see PATHS) where it would not find it; "" on Intel's and unknown processors."""
    if cpu_vendor() in ("GenuineIntel", ""):
        return ""
    return next((path for path, needed in PATHS.items() if needed <= cpu_flags()), "")


def memory() -> int:
    """Bytes of memory that are free to use, 0 when the system does not say."""
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


def threads() -> int:
    """Threads that a network computes with: OMP_NUM_THREADS, else every core."""
    return _wanted_threads() or cores()


@lru_cache(maxsize=1)
def use_all_cores() -> int:
    """Lets paddle compute on every core (it starts with one) and with all that a core can do.

    OMP_NUM_THREADS and MKL_DEBUG_CPU_TYPE have the last word. Called by the modules that import paddle first.
    Returns the number of threads.
    """
    if path := mkl_path():
        os.environ.setdefault(KERNELS, path)
    wanted = _wanted_threads()
    from paddle.base import core

    from zoo import signals

    signals.reclaim()  # paddle takes SIGTERM when it is imported
    core.set_num_threads(wanted or cores())
    if not wanted:
        # Paddle has written its 1 there on import, and child processes and torch would obey it.
        os.environ.pop("OMP_NUM_THREADS", None)
    return wanted or cores()


def _wanted_threads() -> int:
    """The user's OMP_NUM_THREADS, 0 when there is none."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    if "paddle" in sys.modules and text == "1":
        try:  # the variables as this process was started with
            start = dict(v.partition("=")[::2] for v in Path("/proc/self/environ").read_text().split("\0"))
        except OSError:
            return 0
        text = start.get("OMP_NUM_THREADS", "")
    first = text.split(",")[0].strip()
    return int(first) if first.isdigit() else 0

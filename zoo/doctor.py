"""`zoo doctor`: is this machine ready? Reads metadata and folders; imports no framework."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo import arguments, env, terminal
from zoo.inference import verdicts
from zoo.inference.kinds import ENGINES, missing, versions

ENVIRONMENT_VARIABLES = (
    "ZOO_HOME",
    "ZOO_OFFLINE",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "MODELSCOPE_ENDPOINT",
    "MODELSCOPE_DOMAIN",
    "OMP_NUM_THREADS",
    "ZOO_THREADS",
)
COMPILED_FOLDER = "compiled"  # folder of zoo/inference/cache.py
PROBE_SECONDS = 2.0
EPILOG = f"""\
examples:
  zoo doctor
  zoo doctor --online --json

exit codes:
  0    the report is printed; what is wrong stands in it, under Problems
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser(
        "doctor", "Is this machine ready: versions, engines, memory, disk, caches, hubs.", EPILOG
    )
    made.add_argument("--online", action="store_true", help="also ask the hubs whether they answer")
    made.add_argument("--verify", action="store_true", help="also read every cached weight file again")
    made.add_argument("--clear-compiled", action="store_true", help="first delete the compiled networks")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> None:
    if given.clear_compiled:
        clear_compiled()
    run(online=given.online, verify=given.verify, as_json=given.json)


def run(*, online: bool = False, verify: bool = False, as_json: bool = False) -> None:
    """Prints the report.

    Args:
        online: also connect to the hubs.
        verify: also compare cached weight files with their digests, which reads all of them.
        as_json: one JSON object instead of text.
    """
    report = {
        "versions": env.versions(),
        "engines": _engines(),
        "machine": _machine(),
        "switches": _switches(),
        "caches": [_cache(title, folder) for title, folder in _caches().items()],
        "hubs": _hubs(online),
        "problems": _problems(verify),
    }
    if as_json:
        terminal.print_json(report)
        return
    _print(report)


def clear_compiled() -> None:
    """Deletes the compiled networks; each is made again when it is next used."""
    shutil.rmtree(env.home() / COMPILED_FOLDER, ignore_errors=True)


def _caches() -> dict[str, Path]:
    return {
        "converted models": env.home() / "models",
        "compiled networks": env.home() / COMPILED_FOLDER,
        "downloads": env.home() / "downloads",
        "Hugging Face cache": env.hub_cache(),
    }


def _engines() -> list[dict[str, str]]:
    """What runs networks here: version or how to install it, and what is known of its bf16 on this processor."""
    known = list(verdicts.all_of(env.home() / COMPILED_FOLDER))
    found = []
    for name, kind in ENGINES.items():
        lacks = missing(name)
        state = f"not installed: pip install {' '.join(lacks)}" if lacks else versions(name)[kind.packages[0]]
        bf16 = _bf16([v for v in known if v.engine == name]) if "bf16" in kind.precisions and not lacks else ""
        found.append({"name": name, "title": kind.title, "state": state, "bf16": bf16})
    return found


def _bf16(known: list[verdicts.Verdict]) -> str:
    """Whether reduced precision is trusted: every network is compared with float32 when it is first compiled."""
    wrong = [v for v in known if not v.trusted]
    if wrong:
        return f"wrong for {len(wrong)} of {len(known)} networks, which compute in float32 ({wrong[0]})"
    if known:
        return f"trusted: right for {len(known)} network{'s' if len(known) > 1 else ''}"
    if not env.computes_bf16():
        return "not used: this processor does not multiply in it"
    return "not compared with float32 yet; the first network that is compiled is"


def _machine() -> dict[str, int | str]:
    home = _existing(env.home())
    usage = shutil.disk_usage(home)
    return {"cores": env.cores(), "memory free": env.memory(), "disk free": usage.free, "disk of": str(home)}


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _switches() -> dict[str, str]:
    return {name: os.environ[name] for name in ENVIRONMENT_VARIABLES if os.environ.get(name)}


def _cache(title: str, folder: Path) -> dict[str, object]:
    """What lies in a cache folder: how many models, how many bytes (links counted once)."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    names = [p.name for p in inside if not p.name.startswith(".")]
    size = sum(_bytes(p) for p in inside)
    return {"what": title, "folder": str(folder), "models": len(names), "bytes": size, "names": names}


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _hubs(online: bool) -> dict[str, str]:
    """Whether each hub answers; without `online` nothing is asked."""
    places = [env.hub_endpoint(), env.modelscope_endpoint()]
    if env.offline():
        return dict.fromkeys(places, "offline by request")
    if not online:
        return dict.fromkeys(places, "not asked; --online asks")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(places)) as pool:
        return dict(zip(places, pool.map(_answers, places), strict=True))


def _answers(url: str) -> str:
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS):
            return "answers"
    except OSError as error:
        return f"does not answer: {error}"


def _problems(verify: bool) -> list[str]:
    """Interrupted downloads and damaged files, with what to do."""
    found = []
    downloads, hub = env.home() / "downloads", env.hub_cache()
    for part in sorted(downloads.rglob(".*.part")) if downloads.is_dir() else []:
        found.append(f"{part} is an interrupted download; loading the model again finishes it.")
    for part in sorted(hub.glob("models--*/blobs/*.incomplete")) if hub.is_dir() else []:
        found.append(f"{part} is an interrupted download; loading the model again finishes it.")
    if verify:
        found += _damaged(hub)
    return found


def _damaged(hub: Path) -> list[str]:
    """Files of the Hugging Face cache are named by their sha256, the small ones as git names them."""
    from zoo.hub.files import digest_like
    from zoo.hub.names import DIGEST_PATTERN

    blobs = [b for b in hub.glob("models--*/blobs/*") if DIGEST_PATTERN.fullmatch(b.name) and b.is_file()]
    return [
        f"{b} is damaged: delete it and load the model again." for b in blobs if digest_like(b, b.name) != b.name
    ]


def _print(report: dict) -> None:
    machine = report["machine"]
    print("Versions")
    terminal.fields(list(report["versions"].items()))
    print("\nEngines")
    lines = [
        (e["title"], "; ".join([e["state"], *([f"bf16: {e['bf16']}"] if e["bf16"] else [])]))
        for e in report["engines"]
    ]
    terminal.fields(lines)
    print("\nMachine")
    free = machine["memory free"]
    terminal.fields(
        [
            ("cores", str(machine["cores"])),
            ("memory free", terminal.size(free) if free else "not known"),
            ("disk free", f"{terminal.size(machine['disk free'])} at {machine['disk of']}"),
        ]
    )
    print("\nCaches")
    terminal.fields(
        [
            (c["what"], f"{c['models']} models, {terminal.size(c['bytes'])} in {c['folder']}")
            for c in report["caches"]
        ]
    )
    print("\nHubs")
    terminal.fields(list(report["hubs"].items()))
    if report["switches"]:
        print("\nEnvironment variables that count here")
        terminal.fields(list(report["switches"].items()))
    print("\nProblems")
    print("\n".join(f"  {p}" for p in report["problems"]) or "  none found")


if __name__ == "__main__":
    sys.exit(main())

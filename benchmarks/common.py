"""What every benchmark shares: a stamp of the machine, interleaved timing, and one way to write results."""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from zoo import env

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SHARED = ROOT.parent / "shared"
Row = Mapping[str, object]
LOOK_SECONDS = 0.02  # between two looks at the memory of a process
COMPARED = ("onnxruntime", "nncf", "ray", "pyarrow", "sentence-transformers", "peft")  # beside the core's


def stamp() -> dict[str, object]:
    """When and on what a number was measured. No names of machines or users."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": env.cpu(),
        "cores": env.cores(),
        "versions": env.versions(*COMPARED),
    }


@dataclass(frozen=True)
class Timing:
    """Seconds of each round of one candidate."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


def interleave(
    candidates: Mapping[str, Callable[[], object]], rounds: int = 5, warmup: int = 1
) -> dict[str, Timing]:
    """Times the candidates in turn, round by round, so that a busy machine slows all of them alike.

    Every other round runs in reverse order: no candidate always profits from what ran before it.
    """
    for _ in range(warmup):
        for run in candidates.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for n in range(rounds):
        order = list(candidates) if n % 2 == 0 else list(candidates)[::-1]
        for name in order:
            start = time.perf_counter()
            candidates[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


@dataclass(frozen=True)
class Process:
    """What a command took: wall seconds, peak memory of the process in bytes (0 but on Linux), what it printed."""

    seconds: float
    peak: int
    output: str


@contextmanager
def highest(look: Callable[[], int], every: float = LOOK_SECONDS) -> Iterator[list[int]]:
    """Looks at a number again and again while the block runs; gives what it was, with 0 before the first look."""
    found, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(every):
            found.append(look())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


def run_process(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Process:
    """Runs a command to its end, in the checkout.

    Raises:
        RuntimeError: it failed; the message ends with what it printed.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, **(environ or {})}
        )
        with highest(lambda: env.peak_memory(child.pid)) as peak:
            child.wait()
            seconds = time.perf_counter() - start
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{output[-2000:]}")
    return Process(seconds, max(peak), output)


def compare(label: str, ours: float, reference: float, unit: str = "") -> str:
    """Prints and returns the line in which every benchmark ends: ours, the reference, their ratio."""
    ratio = f"{ours / reference:.4g}" if reference else "-"
    line = f"{label}: ours {ours:.6g}{unit}, reference {reference:.6g}{unit}, ratio {ratio}"
    print(line, flush=True)
    return line


def parser(command: str, about: str | None, rounds: int) -> argparse.ArgumentParser:
    """Gives the options that a benchmark of speed has: --rounds and --save."""
    made = argparse.ArgumentParser(prog=command, description=(about or "").partition("\n")[0])
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--save", action="store_true", help="write the results")
    return made


def write(name: str, command: str, rows: Sequence[Row], folder: Path = RESULTS, key: str = "") -> Path:
    """Writes <name>.json (stamp, command, rows) and <name>.csv (the same rows, each with its stamp).

    Args:
        name: of the files.
        command: that made the rows.
        rows: what was measured.
        folder: where the files go.
        key: a column: rows of the earlier file stay whose value in it is not among the new ones, for what is
            measured in parts. They must come from the same machine and versions.

    Returns:
        The path of the JSON file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = stamp()
    if key and (folder / f"{name}.json").is_file():
        earlier = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if {**earlier["stamp"], "date": ""} != {**where, "date": ""}:
            raise SystemExit(f"{name}.json comes from another machine or other versions: measure all of it.")
        renewed = {row[key] for row in rows}
        rows = [*(row for row in earlier["rows"] if row[key] not in renewed), *rows]
    document = {"name": name, "command": command, "stamp": where, "rows": [dict(r) for r in rows]}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    versions = where.pop("versions")
    assert isinstance(versions, dict)
    tail = {**where, "versions": " ".join(f"{k}={v}" for k, v in versions.items()), "command": command}
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, *tail])
        writer.writeheader()
        writer.writerows({**row, **tail} for row in rows)
    return path

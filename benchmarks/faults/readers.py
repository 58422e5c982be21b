"""Trials inside a process: hostile files, changed files, misbehaving hubs; each reader in a process of its own."""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.common import ROOT

KINDS = ("hostile", "mutations", "hubs")
HOURS = 3600 * 2
HANG_SECONDS = 70  # of a file in native code, which no alarm interrupts; then its process is ended
GOOD = {"ok", "refused", "recovered", "sentence"}


def rows(kind: str, tree: Path, label: str, mutations: int, share: float) -> list[dict[str, object]]:
    """Gives a row for each reader or kind of hub: tried, right, and a column for what else came of it.

    Args:
        kind: of KINDS.
        tree: the checkout that is tried.
        label: what the rows call it.
        mutations: changed files over all readers.
        share: of the hostile files and hubs; 0.2 is each fifth.
    """
    if kind == "hubs":
        names: list[str] = ["all"]
    else:
        from benchmarks.faults.files_of_strangers import READERS

        names = list(READERS)
        whole = sum(reader.share for reader in READERS.values())
    counts = {n: round(mutations * READERS[n].share / whole) for n in names} if kind == "mutations" else {}

    def tried(name: str) -> dict[str, dict[str, int]]:
        if kind == "hostile":
            return _hostile(name, share, tree)
        return _apart(kind, name, counts.get(name, 0), share, tree)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(tried, names)
        return [_row(kind, what, label, counted) for counts_of in found for what, counted in counts_of.items()]


def _row(kind: str, what: str, label: str, counts: dict[str, int]) -> dict[str, object]:
    right = sum(number for name, number in counts.items() if name in GOOD)
    others = {name: number for name, number in sorted(counts.items()) if name not in GOOD}
    return {"kind": kind, "what": what, "tree": label, "tried": sum(counts.values()), "right": right, **others}


def _process(tree: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Runs this module in a process in which `zoo` is the checkout's."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "zoo").symlink_to(tree / "zoo")
        environ = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.faults.readers", *map(str, words)]
        return subprocess.run(command, env=environ, cwd=place, capture_output=True, text=True, timeout=HOURS)


def _hostile(name: str, share: float, tree: Path) -> dict[str, dict[str, int]]:
    """Tries the hostile files of a reader, and goes on behind one that ended its process or never gave it back."""
    found: Counter[str] = Counter()
    while True:
        done = _process(tree, "hostile", name, found.total(), share)
        for line in done.stdout.splitlines():
            if line.startswith("["):
                outcome, what, why = json.loads(line)
                found[outcome] += 1
                if outcome not in GOOD:
                    print(f"{what}: {outcome}: {why}", flush=True)
        if not done.returncode:
            return {name: found} if found else {}
        hangs = "Timeout (" in done.stderr
        if done.returncode == 1 and not hangs:
            raise RuntimeError(f"hostile {name}: {done.stderr[-1000:]}")
        found["slow" if hangs else "process died"] += 1
        print(
            f"hostile {name}, file {found.total()}: ended with {done.returncode}: {done.stderr[-300:]}", flush=True
        )


def _apart(kind: str, name: str, count: int, share: float, tree: Path) -> dict[str, dict[str, int]]:
    """Runs `_inside` in a process of its own."""
    done = _process(tree, kind, name, count, share)
    lines = done.stdout.splitlines()
    for line in lines[:-1]:
        print(line, flush=True)
    try:
        found: dict[str, dict[str, int]] = json.loads(lines[-1])
    except (IndexError, ValueError):
        print(f"{kind} {name}: the process ended with {done.returncode}: {done.stderr[-500:]}", flush=True)
        return {name: {"process died": 1}}
    return found


def _inside(kind: str, name: str, count: int, share: float) -> dict[str, Counter[str]]:
    if kind == "hubs":
        return _hubs(share)
    from benchmarks.faults.mutations import mutations

    found = mutations(name, count)
    for line in found.wrong[:40]:
        print(line, flush=True)
    return {name: found.counts} if found.counts else {}


def _print_hostile(name: str, first: int, share: float) -> None:
    """Prints a line for each hostile file."""
    from benchmarks.faults.mutations import hostile

    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    for tried in hostile(name, share, first):
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(tried), flush=True)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    faulthandler.cancel_dump_traceback_later()


def _hubs(share: float) -> dict[str, Counter[str]]:
    from tests.hub.cases import run
    from tests.hub.table import CASES

    found: dict[str, Counter[str]] = {}
    for case in CASES[:: max(1, round(1 / share))]:
        outcome = run(case)
        found.setdefault(case.kind, Counter())[outcome.kind] += 1
        if outcome.kind not in GOOD:
            print(f"{case.kind}: {case.name}: {outcome.kind}: {outcome.said}", flush=True)
    return found


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted[0] == "hostile":
        _print_hostile(wanted[1], int(wanted[2]), float(wanted[3]))
    else:
        print(json.dumps(_inside(wanted[0], wanted[1], int(wanted[2]), float(wanted[3]))))

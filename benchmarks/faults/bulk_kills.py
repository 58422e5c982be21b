"""Kills the driver, a worker and a node of `zoo map` at random moments, and counts rows that are lost or doubled.

    python -m benchmarks.faults.bulk_kills --kills 2
    python -m benchmarks.faults.bulk_kills --kills 20 --save --ray-python OTHER     with Ray in another environment

A trial is one job of some hundred rows. What is killed: the one process of a job without Ray, or of a job on two
nodes of this machine its driver, one worker, or a node. Behind a killed driver the same command is given again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import common
from benchmarks.faults.subjects import Subjects, environment, prepare
from benchmarks.faults.trials import Trial
from benchmarks.two_nodes import LOCAL, TwoNodes, missing
from zoo.processes import descendants

COMMAND = "python -m benchmarks.faults.bulk_kills"
KINDS = ("alone", "driver", "worker", "node")
ROWS, PART_ROWS = 600, 6
WORKER = b"ray::MapWorker"  # what Ray calls the process of a worker
LONGEST = 300.0  # seconds of a run


def trial(subjects: Subjects, kind: str, share: float, python: str, place: Path) -> Trial:
    """Runs a job, kills something when `share` of its parts are done, and counts the rows in the end."""
    place.mkdir(parents=True)
    out, file = place / "out", place / "rows.txt"
    file.write_text("".join(f"a good film {n % 7} {n}\n" for n in range(ROWS)))
    words = ["-m", "zoo.map", subjects.model, file, "--out", out, "--task", "embeddings", "--engine", "eager"]
    command = [python, *map(str, [*words, "--part-rows", PART_ROWS])]
    parts = -(-ROWS // PART_ROWS)
    with _cluster(kind, python, environment(subjects.tree, place / "home")) as (environ, nodes):
        command += ["--ray"] if nodes else []
        process = _start(command, environ, place)
        while len(list(out.glob("done/*.json"))) < share * parts and process.poll() is None:
            time.sleep(0.005)
        alive = process.poll() is None
        if kind in ("alone", "driver"):
            process.kill()
        elif kind == "worker":
            os.kill(random.choice(_workers()), signal.SIGKILL)
        elif nodes:
            nodes.remove()
        code = _end(process)
        if kind in ("alone", "driver"):
            code = _end(_start(command, environ, place))
    detail = f"after {share:.0%} of the parts"
    rows = Counter(_rows(out))
    lost, twice = ROWS - len(rows), sum(count > 1 for count in rows.values())
    outcome = "lost" if lost else "twice" if twice else "wrong exit" if code else "right"
    about = f"{lost} lost, {twice} twice, exit code {code}: {(place / 'log').read_text()[-300:]}"
    return Trial("bulk", kind, detail, outcome if alive else "late", about)


@contextmanager
def _cluster(kind: str, python: str, environ: dict[str, str]) -> Iterator[tuple[dict[str, str], TwoNodes | None]]:
    """Gives the variables of a job's process, and its cluster; none for a job without Ray."""
    if kind == "alone":
        yield environ, None
        return
    with TwoNodes(python, environ) as nodes:
        yield {**environ, **LOCAL, "RAY_ADDRESS": nodes.address}, nodes


def _start(command: Sequence[str], environ: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    log = folder / "log"
    with log.open("w") as stream:
        return subprocess.Popen(command, env=environ, cwd=folder, text=True, stdout=stream, stderr=stream)


def _end(process: subprocess.Popen[str]) -> int:
    try:
        code = process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    return code


def _workers() -> list[int]:
    """The workers of the cluster, which this process has started."""
    found = []
    for pid in descendants():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(WORKER):
                found.append(pid)
    return found


def _rows(out: Path) -> Iterator[int]:
    """The row number of every answer."""
    for file in out.glob("part-*.jsonl.gz"):
        for line in gzip.decompress(file.read_bytes()).splitlines():
            yield json.loads(line)["row"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the trials; returns 1 when a row was lost or there twice."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=5, help="of each kind (5)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this; may be repeated")
    parser.add_argument(
        "--ray-python", default=sys.executable, help="an interpreter with Ray and the zoo's packages"
    )
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/bulk_kills.csv and .json")
    given = parser.parse_args(argv)
    without = missing(given.ray_python)
    draw, rows = random.Random(1), []
    with tempfile.TemporaryDirectory() as work:
        subjects = prepare(Path(work, "subjects"), common.ROOT)
        for kind in given.kind or KINDS:
            if kind != "alone" and without:
                print(f"{kind}: left out: {without}", flush=True)
                continue
            python = sys.executable if kind == "alone" else given.ray_python
            found: Counter[str] = Counter()
            for n in range(given.kills):
                done = trial(subjects, kind, draw.uniform(0.02, 0.9), python, Path(work, f"{kind}-{n}"))
                found[done.outcome] += 1
                if done.outcome != "right":
                    print(f"{kind}, {done.detail}: {done.outcome}: {done.about}", flush=True)
            counts = {name: found[name] for name in ("right", "lost", "twice", "wrong exit", "late")}
            rows.append({"killed": kind, "tried": given.kills, **counts, "rows of a job": ROWS})
            print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
            if given.save:
                key = "killed" if given.kind else ""
                common.write("bulk_kills", f"{COMMAND} --kills {given.kills} --save", rows, key=key)
    return int(any(row["right"] != row["tried"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

"""Runs the fault trials and prints a table of kinds: tried, right, and what else came of them.

    python -m benchmarks.faults                       every kind; about an hour on two cores
    python -m benchmarks.faults signals disks         some of them
    python -m benchmarks.faults mistakes              what users mistype: a row for each, with what they are told
    python -m benchmarks.faults --save                writes benchmarks/results/faults_KIND.csv and .json
    python -m benchmarks.faults --tree ../old --label before     another checkout of the zoo, for comparison

Needs the extra 'verify' (transformers makes the tiny model); disks need the right to mount (root).
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks import common
from benchmarks.faults import mistakes, readers, trials
from benchmarks.faults.subjects import COMMANDS, READS, Subjects, prepare
from benchmarks.faults.trials import Trial

STOPPED = ("convert", "finetune", "evaluate", "predict", "export", "bench")
KILLED = {"convert": 35, "finetune": 35, "export": 30}
WRITES = [name for name in COMMANDS if name not in READS]
TOGETHER = ("save", "convert", "finetune", "export")


@dataclass(frozen=True)
class Plan:
    """How much is tried.

    Attributes:
        moments: of a signal, per command and signal.
        kills: share of KILLED.
        sizes: of disks, kB.
        processes: on one target at once.
        mutations: of files, over all readers.
        workers: trials at a time.
    """

    moments: int = 10
    kills: float = 1.0
    sizes: Sequence[int] = trials.DISK_SIZES
    processes: int = 8
    mutations: int = 500_000
    workers: int = 2


Job = Callable[[Path], Trial]


def signals(subjects: Subjects, plan: Plan, folder: Path) -> Iterator[Job]:
    """Every command, stopped at moments spread over its undisturbed time."""
    for command in STOPPED:
        whole = trials.seconds_of(subjects, command, folder)
        for n in range(plan.moments):
            delay = whole * (n + 0.5) / plan.moments
            for number in (2, 15):
                yield lambda place, c=command, s=number, d=delay: trials.stop(subjects, c, s, d, place)  # type: ignore[misc]


def kills(subjects: Subjects, plan: Plan, folder: Path) -> Iterator[Job]:
    """The commands that write for long, killed at random moments and started again."""
    draw = random.Random(1)
    for command, times in KILLED.items():
        whole = trials.seconds_of(subjects, command, folder)
        for _ in range(max(1, round(times * plan.kills))):
            delay = whole * draw.uniform(0.3, 1.05)  # before, paddle is being imported
            yield lambda place, c=command, d=delay: trials.kill(subjects, c, d, place)  # type: ignore[misc]


def disks(subjects: Subjects, plan: Plan, folder: Path) -> Iterator[Job]:
    """Every command on disks that are too small, and just large enough."""
    for command in [*WRITES, "pipeline"]:
        for size in plan.sizes:
            yield lambda place, c=command, s=size: trials.full(subjects, c, s, place)  # type: ignore[misc]


def forbidden(subjects: Subjects, plan: Plan, folder: Path) -> Iterator[Job]:
    """Every writing command where it may not write, or must not."""
    for command in WRITES:
        for where in trials.FORBIDDEN:
            yield lambda place, c=command, w=where: trials.forbidden(subjects, c, w, place)  # type: ignore[misc]


def processes(subjects: Subjects, plan: Plan, folder: Path) -> Iterator[Job]:
    """Several processes on one target."""
    for command in TOGETHER:
        yield lambda place, c=command: trials.together(subjects, c, plan.processes, place)  # type: ignore[misc]


KINDS = {"signals": signals, "kills": kills, "disks": disks, "forbidden": forbidden, "processes": processes}


def run(jobs: Iterable[Job], plan: Plan, folder: Path) -> Iterator[Trial]:
    """The trials' outcomes, `plan.workers` at a time."""
    numbers = count()
    with ThreadPoolExecutor(plan.workers) as pool:
        yield from pool.map(lambda job: job(folder / f"trial-{next(numbers) % 1000}"), list(jobs))


def rows_of(kind: str, label: str, found: Sequence[Trial]) -> list[dict[str, object]]:
    """A row per command: tried, right, and a column for what else came of it."""
    rows = []
    for command in dict.fromkeys(t.command for t in found):
        seen = Counter(t.outcome for t in found if t.command == command)
        others = {name: seen[name] for name in trials.OUTCOMES[1:]}
        rows.append(
            {"kind": kind, "what": command, "tree": label, "tried": seen.total(), "right": seen["right"], **others}
        )
    return rows


def save(kind: str, label: str, rows: Sequence[dict[str, object]]) -> None:
    """Writes a kind's rows beside those of other checkouts that are there already."""
    file = common.RESULTS / f"faults_{kind}.csv"
    kept: list[dict[str, object]] = []
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as stream:
            names = [n for n in csv.DictReader(stream).fieldnames or () if n not in common.stamp()]
            stream.seek(0)
            drop = {"command", "versions"}
            kept = [
                {n: int(v) if v.isdigit() else v for n, v in row.items() if n in names and n not in drop}
                for row in csv.DictReader(stream)
                if row["tree"] != label
            ]
    common.write(f"faults_{kind}", f"python -m benchmarks.faults {kind} --save", [*kept, *rows])


def mistyped(subjects: Subjects, label: str, keep: bool) -> int:
    """Makes every mistake and prints those that are not answered well; gives how many."""
    rows = list(mistakes.rows(subjects, label))
    wrong = [row for row in rows if row["outcome"] != "right"]
    for row in wrong:
        print(f"mistakes: {row['typed']}: {row['outcome']}: {row['said']}", flush=True)
    print(f"kind=mistakes tree={label} tried={len(rows)} right={len(rows) - len(wrong)}", flush=True)
    if keep:
        common.write("faults_mistakes", "python -m benchmarks.faults mistakes --save", rows)
    return len(wrong)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the trials; returns 1 when one went wrong."""
    known = (*KINDS, *readers.KINDS, "mistakes")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"some of {', '.join(known)}")
    parser.add_argument("--tree", type=Path, default=common.ROOT, metavar="DIR", help="the checkout that is tried")
    parser.add_argument("--label", default="now", help="what the rows call it")
    parser.add_argument("--save", action="store_true", help="write the results")
    parser.add_argument("--share", type=float, default=1.0, help="of the trials (1)")
    arguments = parser.parse_args(argv)
    if unknown := [k for k in arguments.kinds if k not in known]:
        parser.error(f"there is no kind {unknown[0]}; one of {', '.join(known)}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs would inherit its absence
    share = arguments.share
    plan = Plan(
        moments=max(1, round(10 * share)),
        kills=share,
        sizes=trials.DISK_SIZES[:: max(1, round(1 / share))],
        mutations=round(500_000 * share),
        workers=os.cpu_count() or 1,
    )
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        subjects = None
        for kind in arguments.kinds or known:
            if kind in (*KINDS, "mistakes"):
                subjects = subjects or prepare(Path(work) / "subjects", arguments.tree.resolve())
            if kind == "mistakes":
                assert subjects is not None
                wrong += mistyped(subjects, arguments.label, arguments.save)
                continue
            if kind in KINDS:
                assert subjects is not None
                found = []
                for trial in run(KINDS[kind](subjects, plan, Path(work)), plan, Path(work)):
                    found.append(trial)
                    if trial.outcome != "right":
                        print(
                            f"{kind}: {trial.command}, {trial.detail}: {trial.outcome}: {trial.about}", flush=True
                        )
                rows = rows_of(kind, arguments.label, found)
            else:
                rows = readers.rows(kind, arguments.tree.resolve(), arguments.label, plan.mutations, share)
            for row in rows:
                print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)
                wrong += int(row["tried"]) - int(row["right"])  # type: ignore[call-overload]
            if arguments.save:
                save(kind, arguments.label, rows)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

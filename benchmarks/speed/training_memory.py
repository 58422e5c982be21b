"""Peak memory and seconds of an update with and without --recompute, and memory of a process with --sharding.

Every cell is `zoo finetune` as a user starts it, on generated rows of full length, with random weights at base
size and its defaults otherwise (float32, dropout 0.1, AdamW). It is stopped after some updates: the memory is the
largest that a process had until then (VmHWM), the time the median of the updates but for the first. Several
processes share one host's cores and each has its own batch, so their time says nothing about several hosts.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks import common
from benchmarks.speed.train_references import model_folder
from zoo import env, terminal

COMMAND = "python -m benchmarks.speed.training_memory"
MB = 2**20
TRAINING_ROWS, HELD_ROWS = 64, 2
SPECIAL_TOKENS = 2


class Cell(NamedTuple):
    """One run: how it is started, and the size of a batch of one process."""

    processes: int
    rows: int
    length: int
    recompute: bool = False
    sharding: str = "none"


class Run:
    """`zoo finetune`, in one process or in several below paddle's launcher.

    Args:
        cell: what to run.
        model: its folder.
        folder: for data, logs and the run; empty.
    """

    def __init__(self, cell: Cell, model: Path, folder: Path) -> None:
        self.cell, self.folder = cell, folder
        text = " ".join(["word"] * (cell.length - SPECIAL_TOKENS))
        for split, count in (("train", TRAINING_ROWS), ("dev", HELD_ROWS)):
            lines = ["text,label", *(f"{text},{n % 2}" for n in range(count))]
            (folder / f"{split}.csv").write_text("\n".join(lines) + "\n", "utf-8")
        options = {
            "task": "classification",
            "model": model,
            "data": folder,
            "out": folder / "run",
            "max_length": cell.length,
            "batch_size": cell.rows,
            "max_steps": 10**6,
            "eval_every": 10**6,
            "recompute": str(cell.recompute).lower(),
            "sharding": cell.sharding,
        }
        launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(cell.processes), "--log_dir"]
        launcher += [str(folder / "log"), str(common.ROOT / "zoo/finetune/__main__.py")]
        start = launcher if cell.processes > 1 else ["-m", "zoo.finetune"]
        words = [sys.executable, *start, *(f"--{name}={value}" for name, value in options.items())]
        self.printed = (folder / "printed").open("w", encoding="utf-8")
        environ = {**os.environ, "PYTHONPATH": str(common.ROOT)}
        self.process = subprocess.Popen(words, stdout=self.printed, stderr=subprocess.STDOUT, env=environ)

    def measure(self, updates: int) -> dict[str, object]:
        """A row of the table.

        Raises:
            SystemExit: the command ended by itself.
        """
        while len(seconds := self._seconds()) <= updates:
            if self.process.poll() is not None:
                logs = "".join(log.read_text("utf-8")[-1000:] for log in (self.folder / "log").glob("workerlog.*"))
                raise SystemExit(f"{(self.folder / 'printed').read_text('utf-8')}\n{logs}\nThe command ended.")
            time.sleep(0.1)
        peaks = [env.peak_memory(process) / MB for process in self._workers()]
        return {
            **self.cell._asdict(),
            "largest peak in MB": round(max(peaks)),
            "least peak in MB": round(min(peaks)),
            "seconds of an update": round(statistics.median(seconds[1:]), 2),
            "updates": updates,
        }

    def _seconds(self) -> list[float]:
        from zoo.finetune.run_folder import read_metrics  # imports paddle

        lines = read_metrics(self.folder / "run/metrics.jsonl")
        return [line["seconds"] for line in lines if line["kind"] == "update"]

    def _workers(self) -> list[int]:
        """The processes that train."""
        if self.cell.processes == 1:
            return [self.process.pid]
        return children(self.process.pid)

    def close(self) -> None:
        """Ends the processes: the launcher ends by itself when those that train have ended."""
        if self.process.poll() is None:
            for process in self._workers():
                os.kill(process, signal.SIGTERM)
        self.process.wait()
        self.printed.close()


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return sorted(int(word) for file in lists for word in file.read_text().split())


def cells(given: argparse.Namespace) -> list[Cell]:
    """All runs: with and without recompute, then with and without shares of the optimiser's states."""
    plain = Cell(1, given.rows, given.length)
    made = [plain, plain._replace(recompute=True)]
    for count in given.processes:
        cell = Cell(count, given.small_rows, given.small_length)
        made += [cell] if count == 1 else [cell, cell._replace(sharding="os")]
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="base", help="base, or minilm")
    parser.add_argument("--rows", type=int, default=8, help="of a batch, for recompute")
    parser.add_argument("--length", type=int, default=512, help="of a row in tokens, for recompute")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4], help="for sharding")
    parser.add_argument("--small-rows", type=int, default=1, help="of a batch of one process, for sharding")
    parser.add_argument("--small-length", type=int, default=32, help="of a row in tokens, for sharding")
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/training_memory.*")
    given = parser.parse_args()
    return terminal.run(lambda: _main(given))  # a signal ends the runs too


def _main(given: argparse.Namespace) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as work:
        model = model_folder(given.size, Path(work))
        for n, cell in enumerate(cells(given)):
            with ExitStack() as stack:
                (folder := Path(work) / str(n)).mkdir()
                run = Run(cell, model, folder)
                stack.callback(run.close)
                rows.append({"model": given.size, **run.measure(given.updates)})
                print(rows[-1], flush=True)
    plain, again = (int(str(row["largest peak in MB"])) for row in rows[:2])
    common.compare("peak memory of an update", again, plain, " MB")
    if given.save:
        changed = f" --size {given.size}" if given.size != "base" else ""
        print(common.write("training_memory", f"{COMMAND}{changed} --updates {given.updates} --save", rows))


if __name__ == "__main__":
    sys.exit(main())

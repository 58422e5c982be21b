"""Updates per second on a CPU: transformers' Trainer, a torch loop, plain paddle and ours, on the same real rows.

Ours is the command `zoo finetune`; the others are in train_references.py. Every candidate is a process
that holds its model; they train in turn, one update and then a few that count, so that a busy machine slows all of
them alike. float32, dropout 0.1, AdamW, clipping at 1, batches of 32 rows. The Trainer runs as its documented
example does (examples/pytorch/text-classification: padded to 128); the others have the same batches of rows of like
length, padded to the longest. The torch loop has the same settings of malloc as ours, PyTorch's fused AdamW and its
own attention. Plain paddle is our loop with neither zoo.finetune.cpu_speedups nor `env.mkl_path`.

Updates differ by 5 times in tokens, so what is compared is seconds per token, padding not counted.
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
from benchmarks.speed.train_references import BATCH, DATA, LR, WIDTH, model_folder
from zoo import env, terminal

COMMAND = "python -m benchmarks.speed.train"
CANDIDATES = ("trainer", "torch", "paddle", "zoo")
CELLS = "base/sst2,base/peoples-daily,minilm/sst2,minilm/peoples-daily"  # network / data


class Trained(NamedTuple):
    """Seconds and tokens (without padding) of some updates."""

    seconds: float
    tokens: float

    @property
    def each(self) -> float:
        """Milliseconds per token."""
        return 1000 * self.seconds / self.tokens


class Server:
    """A reference: a process of ours that trains when asked."""

    def __init__(self, name: str, size: str, data: str) -> None:
        # Plain paddle has MKL's own choice; on Intel's processors a 0 would take its slowest path instead.
        plain = name == "paddle" and env.mkl_path()
        variables = os.environ | ({env.MKL_PATH_VARIABLE: "0"} if plain else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.train_references", name, size, data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        )

    def train(self, updates: int) -> Trained:
        """So many updates, behind one that is not measured."""
        self._ask(1)
        return self._ask(updates)

    def _ask(self, updates: int) -> Trained:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{updates}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("done"):
                return Trained(*map(float, line.split()[1:]))
        raise SystemExit(f"The candidate died: {' '.join(map(str, self.process.args))}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Command:
    """`zoo finetune` as a user starts it; it stands still while the others train.

    Its seconds are those of its metrics.jsonl: from the end of one update to that of the next.
    """

    def __init__(self, size: str, data: str) -> None:
        self.work = tempfile.TemporaryDirectory()
        folder = Path(self.work.name)
        self.metrics = folder / "run" / "metrics.jsonl"
        (folder / "data").mkdir()
        DATA[data].write(folder / "data")
        options = {
            "task": data,
            "model": model_folder(size, folder),
            "data": folder / "data",
            "out": folder / "run",
            "max_length": WIDTH,
            "batch_size": BATCH,
            "lr": LR,
            "seed": 1,
            "max_steps": 10**6,
            "eval_every": 10**6,
        }
        command = [sys.executable, "-m", "zoo.finetune", *(f"--{name}={value}" for name, value in options.items())]
        self.printed = open(folder / "printed", "w+", encoding="utf-8")  # noqa: SIM115
        self.process = subprocess.Popen(command, stdout=self.printed, stderr=subprocess.STDOUT)
        self.seen = 0  # updates until it was stopped

    def train(self, updates: int) -> Trained:
        """So many updates, behind the one in which it was stopped."""
        self.process.send_signal(signal.SIGCONT)
        begin = self.seen + 1
        while len(done := self._updates()) < begin + updates:
            if self.process.poll() is not None:
                self.printed.seek(0)
                raise SystemExit(f"The command ended:\n{self.printed.read()}")
            time.sleep(0.05)
        self.process.send_signal(signal.SIGSTOP)
        self.seen = len(self._updates())
        measured = done[begin : begin + updates]
        return Trained(sum(each.seconds for each in measured), sum(each.tokens for each in measured))

    def _updates(self) -> list[Trained]:
        from zoo.finetune.run_folder import read_metrics  # imports paddle

        lines = (line for line in read_metrics(self.metrics) if line["kind"] == "update")
        return [Trained(line["seconds"], line["seconds"] * line["tokens_per_second"]) for line in lines]

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGCONT)
        self.process.wait()
        self.printed.close()
        self.work.cleanup()


def measure(size: str, data: str, names: tuple[str, ...], rounds: int, updates: int) -> list[dict[str, object]]:
    """Rows of the table for one model and data set."""
    runs: dict[str, list[Trained]] = {name: [] for name in names}
    loads = []
    with ExitStack() as stack:
        candidates: dict[str, Command | Server] = {}
        for name in names:
            candidates[name] = Command(size, data) if name == "zoo" else Server(name, size, data)
            stack.callback(candidates[name].close)
        for candidate in candidates.values():
            candidate.train(1)
        for n in range(rounds):
            loads.append(os.getloadavg()[0])
            for name in names if n % 2 == 0 else names[::-1]:
                runs[name].append(candidates[name].train(updates))
    ours = statistics.median(run.each for run in runs["zoo"])
    made = []
    for name, each in runs.items():
        middle = statistics.median(run.each for run in each)
        ratios = [a.each / b.each for a, b in zip(each, runs["zoo"], strict=True)]
        common.compare(f"{size} {data} {name}: ms per token", ours, middle)
        made.append(
            {
                "model": size,
                "data": data,
                "candidate": name,
                "ms per token": round(middle, 4),
                "least": round(min(run.each for run in each), 4),
                "ours is faster by": round(statistics.median(ratios), 3),
                "tokens": round(sum(run.tokens for run in each)),
                "rounds": rounds,
                "updates": updates,
                "load": round(statistics.median(loads), 1),
            }
        )
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default=CELLS, help=f"of {CELLS}")
    parser.add_argument("--candidates", default=",".join(CANDIDATES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/train_speed.*")
    given = parser.parse_args()
    return terminal.run(lambda: _main(given))  # a signal ends the candidates too


def _main(given: argparse.Namespace) -> None:
    rows = []
    for cell in given.cells.split(","):
        size, _, data = cell.partition("/")
        rows += measure(size, data, tuple(given.candidates.split(",")), given.rounds, given.updates)
    if given.save:
        cells = "" if given.cells == CELLS else f" --cells {given.cells}"
        command = f"{COMMAND}{cells} --rounds {given.rounds} --updates {given.updates} --save"
        print(common.write("train_speed", command, rows))


if __name__ == "__main__":
    sys.exit(main())

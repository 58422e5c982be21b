"""From a configuration to what a run needs: task, data, model, optimiser, objective. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.optimizer import Optimizer

from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.finetune import parallel
from zoo.finetune.adversarial import Smart
from zoo.finetune.child_tuning import ChildTuningAdamW, fisher_mask
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.evaluation import Split, has_gold
from zoo.finetune.folder import data_files, sha256
from zoo.finetune.loop import LoopSettings, freeze_body, updates_of
from zoo.finetune.objective import Objective, objective_of
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.finetune.regularisers import FGM, RDrop
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.models.common.losses import IGNORED
from zoo.models.common.padding import padding_of
from zoo.tasks import Example, Task
from zoo.tasks.own import KINDS, own
from zoo.tasks.running import features_of

SAVES = 20  # checkpoints of a run, at least
HELD_OUT = 20  # of the training rows of a data set without a development set, every so many-th


@dataclass
class Data:
    """Examples of every split that is there, and the files they came from.

    Attributes:
        splits: train, dev and, if it has gold answers, test.
        files: split -> path -> sha256.
        notes: what a reader of the scores must know.
    """

    splits: dict[str, list[Example]]
    files: dict[str, dict[str, str]]
    notes: list[str] = field(default_factory=list)


def task_of(config: FinetuneConfig) -> Task:
    """The task, with the options of the configuration that are the task's."""
    task = _own(config) if config.task in KINDS else tasks.find(config.task)
    known = {f.name for f in fields(task)}
    wanted = {"stride": config.doc_stride if task.head == "qa" else None, "max_length": config.max_length}
    wanted["target_length"] = config.target_length
    changed: dict[str, Any] = {name: value for name, value in wanted.items() if value and name in known}
    return replace(task, **changed)


def _own(config: FinetuneConfig) -> Task:
    """The task of a user's own files.

    Raises:
        UsageError: no folder is named.
    """
    if not config.data:
        raise UsageError(f"--task {config.task} learns from your own files: say where with --data.")
    return own(config.task, config.data, name=config.task)


def source_of_path(data: str) -> str | Path:
    """A folder or file of data, or "hub" for none.

    Raises:
        UsageError: there is no such folder or file.
    """
    if not data:
        return "hub"
    path = Path(data).expanduser()
    if not path.exists():
        raise UsageError(f"--data: there is no '{data}'.", "Give a folder or a file, or leave it out for the Hub.")
    return path


def read_data(task: Task, source: str | Path, config: FinetuneConfig) -> Data:
    """Reads every split. Selection looks at the languages of the training data only.

    Raises:
        InputError: a file that is missing or malformed; names file and line.
    """
    data = Data({}, {})
    for split in ("test",) if task.head == "embedding" else ("train", "dev", "test"):
        languages = _languages(task, split, config)
        if split == "dev" and split not in _there(task, source):
            _hold_out(data)
            continue
        if split == "test" and task.head != "embedding" and not _is_there(task, source, split, languages):
            continue
        examples = list(task.read(source, split, languages))
        if split == "test" and not has_gold(examples):
            data.notes.append(
                "the test split has no gold answers; `python -m zoo.predict` writes a submission for it"
            )
            continue
        if split == "train" and 0 < config.train_rows < len(examples):
            random = np.random.Generator(np.random.PCG64(config.seed))
            chosen = np.sort(random.permutation(len(examples))[: config.train_rows])
            data.notes.append(
                f"trained on {config.train_rows} of {len(examples)} rows, drawn by seed {config.seed}"
            )
            examples = [examples[n] for n in chosen]
        data.splits[split] = examples
        data.files[split] = {str(f): sha256(f) for f in data_files(task, source, split, languages)}
    return data


def _languages(task: Task, split: str, config: FinetuneConfig) -> Sequence[str]:
    if not task.languages:
        return ()
    if split in ("train", "dev"):
        return task.train_languages or config.language_names
    return config.language_names or task.languages


def _there(task: Task, source: str | Path) -> Sequence[str]:
    return ("train", "dev", "test") if source == "hub" and not task.files else tuple(task.files)


def _is_there(task: Task, source: str | Path, split: str, languages: Sequence[str]) -> bool:
    """Whether a split can be read at all: a data set need not come with its test files."""
    if split not in _there(task, source):
        return False
    try:
        return source == "hub" or bool(list(data_files(task, source, split, languages)))
    except InputError:
        return False


def _hold_out(data: Data) -> None:
    """Takes the development set from the training data when a data set has none."""
    rows = data.splits["train"]
    data.splits["dev"] = rows[::HELD_OUT]
    data.splits["train"] = [row for n, row in enumerate(rows) if n % HELD_OUT]
    data.files["dev"] = {}
    data.notes.append(f"the data set has no development set: every {HELD_OUT}th row of the training data is it")


def load_model(config: FinetuneConfig, task: Task, seed: int) -> Model:
    """The pretrained model with the head of a task; the head is drawn by the seed.

    Raises:
        UsageError: the model cannot have this head.
    """
    paddle.seed(seed)
    labels: Any = getattr(task, "labels", None)
    if task.head == "classification" and not labels:
        labels = 1  # a number
    model = load(
        config.model, task=task.head, labels=labels if task.head in ("classification", "tagging") else None
    )
    if config.dropout >= 0:
        for layer in model.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = config.dropout
    if config.technique == "feature-extraction":
        freeze_body(model)
    return model


def split_of(name: str, examples: list[Example], task: Task, model: Model, options: Mapping[str, Any]) -> Split:
    """Examples as token ids."""
    made = features_of(examples, task, model.tokenizer, model.config, options.get("max_length") or None)
    return Split(name, examples, made)


def loop_settings(config: FinetuneConfig, task: Task, rows: int, seed: int) -> LoopSettings:
    """How long and how to train."""
    updates = config.max_steps or updates_of(
        rows, config.batch_size * parallel.world(), config.accumulate, config.epochs
    )
    warmup = config.warmup if config.warmup >= 1 else config.warmup * updates
    best = config.best or task.metrics[0]
    if best != "loss" and best not in task.metrics:
        raise UsageError(f"--best: {task.name} has no metric '{best}'.", f"It has {', '.join(task.metrics)}, loss.")
    return LoopSettings(
        updates=updates,
        batch_size=config.batch_size * parallel.world(),
        accumulate=config.accumulate,
        lr=config.lr,
        schedule=config.schedule,
        warmup=round(warmup),
        clip=config.clip,
        precision=config.precision,
        seed=seed,
        eval_every=config.eval_every,
        save_every=0 if config.eval_every else min(-(-updates // SAVES), _epoch(config, rows)),
        best="-loss" if best == "loss" else best,
        patience=config.patience,
    )


def _epoch(config: FinetuneConfig, rows: int) -> int:
    """Updates of an epoch."""
    return updates_of(rows, config.batch_size * parallel.world(), config.accumulate, 1.0)


def optimiser_of(config: FinetuneConfig, model: Model, train: Split) -> Optimizer:
    """AdamW or Child-Tuning's, over what is trained; mode D looks at all training data first."""
    settings = OptimiserSettings(
        name=config.technique if config.technique.startswith("child-tuning") else "adamw",
        lr=config.lr,
        weight_decay=config.weight_decay,
        decay_all=config.decay_all,
        layer_decay=config.layer_decay,
        betas=(0.9, config.beta2),
        eps=config.epsilon,
        reserve_p=config.reserve_p,
    )
    made = make_optimiser(model, settings)
    if isinstance(made, ChildTuningAdamW) and config.technique.endswith("D"):
        loss: Any = objective_for(config, model).loss
        made.set_gradient_mask(
            fisher_mask(model, _batches(model, train, config.batch_size), loss, config.reserve_p)
        )
    return made


def _batches(model: Model, train: Split, size: int) -> Any:
    padding, lengths = padding_of(model), train.features.lengths
    for at in range(0, len(lengths), size):
        rows = np.arange(at, min(at + size, len(lengths)))
        batch = train.features.batch(rows, padding.width(int(lengths[rows].max())))
        yield {name: paddle.to_tensor(array) for name, array in batch.items()}


def objective_for(config: FinetuneConfig, model: Model) -> Objective:
    """The head's loss, or the one that the configuration asks for."""
    plain = objective_of(model)
    if config.adversarial != "none" and config.label_smoothing:
        raise UsageError("--adversarial and --label_smoothing do not go together.", "Leave one out.")
    if config.adversarial != "none":
        return replace(plain, loss=_second_loss(config.adversarial))
    if config.label_smoothing:
        return replace(plain, loss=smoothed(config.label_smoothing))
    return plain


def _second_loss(name: str) -> Callable[[Model, dict[str, Tensor]], Tensor]:
    made: Mapping[str, Any] = {"smart": Smart, "r-drop": RDrop, "fgm": FGM}
    return made[name]()


def smoothed(share: float) -> Callable[[Model, dict[str, Tensor]], Tensor]:
    """Cross entropy against a target of which `share` is spread evenly over all classes (Szegedy et al. 2016).

    For heads with `logits` [..., C] and whole numbers as labels [...]; -100 does not count.
    """

    def loss(model: Model, batch: dict[str, Tensor]) -> Tensor:
        labels = batch["labels"]
        output = model(**batch)
        if output.logits is None or labels.dtype not in (paddle.int32, paddle.int64):
            raise UsageError("--label_smoothing has no meaning for this head.", "It goes with classes.")
        logits = output.logits
        log_all = paddle.logsumexp(logits, axis=-1)  # [...]
        even = log_all - logits.mean(axis=-1)
        counts = (labels != IGNORED).astype(logits.dtype)
        gold = log_all - paddle.take_along_axis(logits, labels.clip(min=0).unsqueeze(-1), -1).squeeze(-1)
        whole = (1.0 - share) * gold + share * even
        return (whole * counts).sum() / counts.sum()

    return loss


def run_name(config: FinetuneConfig) -> str:
    """<task>-<model>, as a folder's name."""
    model = re.sub(r"[^\w.-]+", "-", config.model.strip("./")).rpartition("/")[2]
    return f"{config.task}-{model}"

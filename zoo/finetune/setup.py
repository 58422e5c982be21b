"""From a configuration to what a run needs: task, data, model, optimiser, objective. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.optimizer import Optimizer

from zoo import tasks
from zoo.batching import padding_of
from zoo.errors import UsageError, did_you_mean
from zoo.finetune import text_training
from zoo.finetune.batches import Rows, batches_of
from zoo.finetune.child_tuning import ChildTuningAdamW, fisher_mask
from zoo.finetune.config import FinetuneConfig, pairs
from zoo.finetune.data import existing
from zoo.finetune.freezing import freeze_body
from zoo.finetune.judgement import Split
from zoo.finetune.loop_settings import LoopSettings, updates_of
from zoo.finetune.lora import attach, lora_settings
from zoo.finetune.losses import COUNTS_PADDING, Objective, objective_of, smoothed
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.finetune.recompute import recomputed
from zoo.finetune.text_training import is_of_texts
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.models.common.generation import STANDARD_SEARCH, Options, search_of
from zoo.models.common.seq2seq import Seq2Seq
from zoo.tasks import Example, Task
from zoo.tasks.running import ends_of, features_of
from zoo.tasks.text_pairs import TextPairs
from zoo.tasks.user_files import SPLIT_NAMES, files_of
from zoo.tasks.user_tasks import TASK_KINDS, own

CHECKPOINTS_PER_RUN = 20  # checkpoints of a run, at least
QA_HEADS = ("qa", "qa-beam")
NETWORK_OPTIONS = {  # options of --network, and the heads they go with
    "head": ("qa",),
    "keep_decoder_layers": ("generation",),
    **dict.fromkeys(("layer", "pooling", "normalize"), ("embedding",)),
}
ONE_TEXT = {"num_return_sequences"}  # of generate: a task wants one answer


def task_of(config: FinetuneConfig) -> Task:
    """The task, with the options of the configuration that are the task's.

    Raises:
        UsageError: an option that this task has no use for.
        InputError: own files that are missing or malformed.
    """
    task = _own(config) if config.task in TASK_KINDS else tasks.find(config.task)
    if config.columns and config.task not in TASK_KINDS:
        raise UsageError(
            f"--columns is for your own files; {task.name} has those of its data set.",
            f"--task one of {', '.join(TASK_KINDS)}.",
        )
    if config.languages and not task.languages and config.task != "text2text":
        raise UsageError(f"--languages: {task.name} is of one language.", "Leave it out.")
    changed: dict[str, Any] = {"max_length": config.max_length or task.max_length}
    if task.head == "qa":
        changed |= {"stride": config.doc_stride}
        changed |= {"max_answer": config.target_length} if config.target_length else {}
    if task.head == "generation":
        changed |= {"target_length": config.target_length} if config.target_length else {}
        changed |= {"label_pad": COUNTS_PADDING[config.loss]} if config.loss in COUNTS_PADDING else {}
    return replace(task, **changed)


def _own(config: FinetuneConfig) -> Task:
    """The task of a user's own files.

    Raises:
        UsageError: no folder or file is named.
    """
    named = {split: existing(file, f"{split}_file") for split, file in config.split_files.items()}
    given = {**(files_of(config.data) if config.data else {}), **named}
    files = {split: given[split] for split in SPLIT_NAMES if split in given}
    sides = config.language_names
    if sides and config.task != "text2text":
        raise UsageError(f"--languages: {config.task} is of one language.", "Leave it out.")
    if config.task == "text2text" and sides and len(sides) != 2:
        raise UsageError(f"--languages {config.languages}: text2text goes from one to another.", "Such as en,de.")
    known: dict[str, Any] = dict(zip(("source_language", "target_language"), sides, strict=True)) if sides else {}
    columns = pairs(config.columns, "columns")
    return own(config.task, files, columns=columns, name=config.task, **known)


def load_model(config: FinetuneConfig, task: Task, seed: int) -> Model:
    """The pretrained model with the head of a task; the head is drawn by the seed.

    Raises:
        UsageError: the model cannot have this head, or does not take these options.
    """
    paddle.seed(seed)
    labels: Any = getattr(task, "labels", None)
    if task.head == "classification" and not labels:
        labels = 1  # a number
    options = network_options(config, task)
    head = options.pop("head", task.head)
    labelled = task.head in ("classification", "tagging")
    model = load(config.model, task=head, labels=labels if labelled else None, **options)
    if labels == 1:  # else transformers would read the number as a probability; of a reranker it is one
        model.config.problem_type = "multi_label_classification" if is_of_texts(task) else "regression"
    if config.dropout >= 0:
        for layer in model.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = config.dropout
    if config.technique == "feature-extraction":
        freeze_body(model)
    if config.lora:
        attach(model, lora_settings(config.lora))
    return model


def network_options(config: FinetuneConfig, task: Task) -> dict[str, Any]:
    """`config.network`, divided: the head, and arguments of `zoo.load`.

    Raises:
        UsageError: an option that goes with another head.
    """
    found = pairs(config.network, "network")
    for name, value in found.items():
        if task.head not in NETWORK_OPTIONS.get(name, ()):
            usual = [option for option, heads in NETWORK_OPTIONS.items() if task.head in heads]
            hint = did_you_mean(name, tuple(NETWORK_OPTIONS)) or f"It has {', '.join(usual) or 'none'}."
            raise UsageError(f"--network: the head {task.head} of {task.name} has no option '{name}'.", hint)
        if name == "head" and value not in QA_HEADS:
            raise UsageError(f"--network: head={value} does not fit {task.name}.", f"One of {', '.join(QA_HEADS)}.")
    return found


def search_options(config: FinetuneConfig, task: Task) -> dict[str, Any]:
    """Arguments of `model.generate` that do not depend on the model.

    Raises:
        UsageError: an option that does not exist, or a value that does not work.
    """
    if task.head != "generation":
        return {}
    asked = {"max_length": getattr(task, "target_length"), **pairs(config.generate, "generate")}  # noqa: B009
    known = {f.name for f in fields(Options)} - ONE_TEXT
    for name in asked:
        if name not in known:
            raise UsageError(f"--generate: there is no option '{name}'.", did_you_mean(name, tuple(known)))
    Options(**asked)
    return asked


def generate_options(config: FinetuneConfig, task: Task, model: Model) -> dict[str, Any]:
    """Arguments of `model.generate` for a task; raises UsageError as `search_options` does."""
    asked = search_options(config, task)
    if not asked:
        return {}
    if isinstance(model, Seq2Seq):
        search_of(model, asked.get("search", STANDARD_SEARCH))
    start, end = ends_of(task, model.tokenizer, model.config)
    return {**asked, **({"bos_token_id": start[0], "eos_token_id": end[-1]} if len(end) > 1 else {})}


def prepared(task: Task, model: Model) -> Task:
    """Gives the task with what it takes from the model: the prompts before texts that belong together."""
    return text_training.with_prompts(task, model) if isinstance(task, TextPairs) else task


def split_of(name: str, examples: list[Example], task: Task, model: Model, options: Mapping[str, Any]) -> Split:
    """Examples as token ids."""
    made = features_of(examples, task, model.tokenizer, model.config, options.get("max_length") or None)
    return Split(name, examples, made)


def loop_settings(
    config: FinetuneConfig, task: Task, rows: Rows | None, seed: int, processes: int = 1
) -> LoopSettings:
    """How long and how to train.

    Args:
        rows: what is trained on; None for nothing.
        processes: that start the run, not those that go on with it.
    """
    batch_size = config.batch_size * processes
    batches = batches_of(len(rows.lengths), batch_size, getattr(rows, "apart", None)) if rows is not None else 1
    updates = config.max_steps or updates_of(batches, 1, config.accumulate, config.epochs)
    of_epoch = updates_of(batches, 1, config.accumulate, 1.0)
    usual = 0 if config.eval_every else min(-(-updates // CHECKPOINTS_PER_RUN), of_epoch)
    warmup = config.warmup if config.warmup >= 1 else config.warmup * updates
    return LoopSettings(
        updates=updates,
        batch_size=batch_size,
        accumulate=config.accumulate,
        lr=config.lr,
        schedule=config.schedule,
        warmup=round(warmup),
        clip=config.clip,
        precision=config.precision,
        recompute=config.recompute,
        sharded=config.sharding == "os",
        shares=processes,
        seed=seed,
        eval_every=config.eval_every,
        save_every=config.save_every or usual,
        keep=config.keep_checkpoints,
        best=best_of(config, task),
        patience=config.patience,
    )


def best_of(config: FinetuneConfig, task: Task) -> str:
    """The score that picks the best model, as `LoopSettings` has it.

    Raises:
        UsageError: the task has no such metric.
    """
    best = config.best or task.metrics[0]
    if best == "loss" and task.head == "embedding":
        raise UsageError(
            f"--best loss: {task.name} has none for a whole split; it depends on which texts stand together.",
            f"One of {', '.join(task.metrics)}.",
        )
    if best != "loss" and best not in task.metrics:
        raise UsageError(f"--best: {task.name} has no metric '{best}'.", f"It has {', '.join(task.metrics)}, loss.")
    return "-loss" if best == "loss" else best


def training_of(config: FinetuneConfig, task: Task, split: Split, model: Model) -> tuple[Rows, Objective]:
    """Gives what is trained on, and what is minimised.

    Raises:
        UsageError: a loss that does not go with the head or the data.
    """
    if is_of_texts(task):
        return text_training.training_of(config, task, split, model)
    return split.features, objective_for(config, model)


def optimiser_of(config: FinetuneConfig, model: Model, train: Rows, objective: Objective) -> Optimizer:
    """AdamW or Child-Tuning's, over what is trained; mode D looks at all training data first."""
    beta1, beta2, epsilon = config.betas_and_epsilon
    settings = OptimiserSettings(
        name=config.technique if config.technique.startswith("child-tuning") else "adamw",
        lr=config.lr,
        weight_decay=config.weight_decay,
        decay_all=config.decay_all,
        layer_decay=config.layer_decay,
        betas=(beta1, beta2),
        eps=epsilon,
        reserve_p=config.reserve_p,
    )
    made = make_optimiser(model, settings)
    if isinstance(made, ChildTuningAdamW) and config.technique.endswith("D"):
        loss: Any = objective.loss
        batches = _batches(model, train, config.batch_size)
        with recomputed(model) if config.recompute else nullcontext():
            made.set_gradient_mask(fisher_mask(model, batches, loss, config.reserve_p))
    return made


def _batches(model: Model, train: Rows, size: int) -> Any:
    padding, lengths = padding_of(model), train.lengths
    for at in range(0, len(lengths), size):
        rows = np.arange(at, min(at + size, len(lengths)))
        batch = train.batch(rows, padding.width(int(lengths[rows].max())))
        yield {name: paddle.to_tensor(array) for name, array in batch.items()}


def objective_for(config: FinetuneConfig, model: Model) -> Objective:
    """The head's loss, or the one that the configuration asks for."""
    made = objective_of(model, config.loss or None)
    if config.label_smoothing:
        return replace(made, loss=smoothed(config.label_smoothing), summed=False)
    return made


def run_name(config: FinetuneConfig) -> str:
    """<task>-<model>, as a folder's name."""
    model = re.sub(r"[^\w.-]+", "-", config.model.strip("./")).rpartition("/")[2]
    return f"{config.task}-{model}"

"""The training loop: updates, evaluation, the best model, checkpoints; and what it tells of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from paddle import Tensor, nn
from paddle.optimizer import Optimizer

from zoo.finetune.batches import Padding, Row
from zoo.models.common.base import Model

Precision = Literal["float32", "bfloat16", "float16"]
Loss = Callable[[nn.Layer, dict[str, Tensor]], Tensor]
Scores = Mapping[str, float]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how to train.

    Attributes:
        updates: steps of the optimiser in all; `updates_of` computes it from epochs.
        batch_size: rows of a micro-batch, over all processes together.
        accumulate: micro-batches of an update. Every counted label of the update weighs the same: the loss of each
            micro-batch (a mean over its counted labels) is weighted by how many it counts.
        lr: at the top of the schedule.
        schedule, warmup: see `optimisation.lr_factor`; warm-up in updates.
        clip: largest norm of the gradient; 0 for no clipping.
        precision: "bfloat16" and "float16" (with loss scaling) on a GPU only.
        seed: of data order and dropout.
        grouped: batches of rows of like length.
        eval_every: updates between two evaluations; 0 for one at the end of each epoch. The last update has one.
        save_every: updates between two checkpoints; 0 for one at each evaluation.
        keep: checkpoints that stay on disk.
        best: the score that decides which model is best; "loss" and names with a leading "-" count downwards. Equal
            scores: the earlier one.
        patience: stop after this many evaluations in a row without a new best; 0 for never.
        fast: on a CPU, train with the tricks of `fast`.
    """

    updates: int
    batch_size: int = 32
    accumulate: int = 1
    lr: float = 2e-5
    schedule: str = "linear"
    warmup: int = 0
    clip: float = 1.0
    precision: Precision = "float32"
    seed: int = 42
    grouped: bool = True
    eval_every: int = 0
    save_every: int = 0
    keep: int = 2
    best: str = "accuracy"
    patience: int = 0
    fast: bool = True


@dataclass(frozen=True)
class Started:
    """A run begins, or goes on behind update `update`."""

    update: int
    updates: int
    trained: int  # parameters (numbers)
    frozen: int


@dataclass(frozen=True)
class Updated:
    """One update is done. `loss`: its mean over counted labels. `norm`: of the gradient before clipping."""

    update: int
    loss: float
    lr: float
    norm: float
    rows: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Evaluated:
    """The development set was evaluated behind update `update`."""

    update: int
    scores: Scores
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on disk."""

    update: int
    folder: Path


@dataclass(frozen=True)
class Finished:
    """The run is over: "updates" done or "patience" at its end."""

    update: int
    reason: str


Event = Started | Updated | Evaluated | Saved | Finished


@dataclass
class Progress:
    """What a checkpoint says of a run besides its tensors.

    Attributes:
        update: updates done.
        best_update, best_scores: of the best evaluation so far; None and empty before the first.
        waited: evaluations since then.
        scaler: state of the loss scaling.
    """

    update: int = 0
    best_update: int | None = None
    best_scores: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def updates_of(rows: int, batch_size: int, accumulate: int, epochs: float) -> int:
    """Updates of so many epochs: ceil(epochs x batches of an epoch / accumulate), at least 1.

    An update may join the end of one epoch with the start of the next.
    """
    raise NotImplementedError


def train(
    model: Model,
    rows: Sequence[Row],
    optimiser: Optimizer,
    settings: LoopSettings,
    *,
    padding: Padding | None = None,
    evaluate: Callable[[Model], Scores] | None = None,
    on_best: Callable[[Model, int, Scores], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    loss: Loss | None = None,
    folder: Path | None = None,
    resume: bool = False,
) -> Progress:
    """Trains a model to the end, or to where patience ends; the model then has its last weights, in eval mode.

    The result is a function of model, rows and settings: every update seeds python's, numpy's and paddle's random
    numbers from (seed, update), so a run that was killed and resumed ends in the same bytes.

    Args:
        model: from `zoo.load`; a frozen parameter (stop_gradient) is not trained, see `freeze_body`.
        rows: see `batches`.
        optimiser: from `optimisation.make_optimiser`.
        settings: how long and how.
        padding: None for `padding_of(model)`.
        evaluate: scores of the development set, called in eval mode, on every process.
        on_best: called on the first process when a new best was found, before the checkpoint of that update; after
            a kill it may be called again for the same update, with the same weights.
        on_event: called on the first process.
        loss: mean loss of a batch; None for `model(**batch).loss`. An adversarial loss goes here.
        folder: for checkpoints; None for none.
        resume: go on from the newest checkpoint of the folder; from the start when there is none.

    Returns:
        Where the run ended and which evaluation was best.

    Raises:
        UsageError: half precision on a CPU, or settings that do not fit the checkpoint.
        TrainingError: the loss or a gradient is not a number; names update, rows and layer.
        CheckpointError: a checkpoint could not be written or read.
    """
    raise NotImplementedError


def freeze_body(model: Model) -> None:
    """The technique feature-extraction: only the head and a pooler are trained; the encoder is in eval mode.

    Raises:
        UsageError: a model without a head.
    """
    raise NotImplementedError

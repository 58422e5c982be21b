"""How long and how the loop trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how to train.

    Attributes:
        updates: steps of the optimiser in all; `updates_of` computes it from epochs.
        batch_size: rows of a micro-batch, over all processes together.
        accumulate: micro-batches of an update; every counted label of the update weighs the same, see `Objective`.
        lr: at the top of the schedule.
        schedule, warmup: see `optimisation.lr_factor`; warm-up in updates.
        clip: largest norm of the gradient; 0 for no clipping.
        precision: "bfloat16" and "float16" (with loss scaling) on a GPU only.
        seed: of data order and dropout.
        grouped: batches of rows of like length.
        eval_every: updates between two evaluations; 0 for one at the end of each epoch. The last update has one.
        save_every: updates between two checkpoints; 0 for one at each evaluation.
        keep: newest checkpoints that stay on disk; one is enough to go on from.
        best: the score that decides which model is best: the highest, with a leading "-" the lowest ("-loss").
            Of equal scores the earlier one.
        patience: stop after this many evaluations in a row without a new best; 0 for never.
        recompute: compute each layer again in the backward pass instead of keeping what it computed.
        sharded: of several processes each keeps the optimiser's states of its share of the parameters.
        shares: parts of a micro-batch, each computed for itself with its own dropout; of more processes than that
            each computes one part. So the processes that started a run can be followed by fewer or by more.
        fast: on a CPU, train with `cpu_speedups.speed_up`; evaluations and what is saved never see it.
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
    keep: int = 1
    best: str = "accuracy"
    patience: int = 0
    fast: bool = True
    recompute: bool = False
    sharded: bool = False
    shares: int = 1


def updates_of(rows: int, batch_size: int, accumulate: int, epochs: float) -> int:
    """Updates of so many epochs: ceil(epochs x batches of an epoch / accumulate), at least 1.

    An update may join the end of one epoch with the start of the next.
    """
    return max(1, math.ceil(epochs * math.ceil(rows / batch_size) / accumulate - 1e-9))

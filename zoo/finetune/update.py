"""One update: its batches, their gradients, one step of the optimiser."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import paddle
from paddle.optimizer import Optimizer

from zoo.batching import Padding
from zoo.errors import TrainingError, UsageError
from zoo.finetune import nan_search, parallel
from zoo.finetune.batches import Batch, Rows, TrainBatches, share
from zoo.finetune.events import Updated
from zoo.finetune.loop_settings import LoopSettings, Precision
from zoo.finetune.losses import Objective, Tensors
from zoo.finetune.optimisation import clip, lr_factor
from zoo.finetune.seeding import OPTIMISER_STREAM, seed_update
from zoo.finetune.sharding import Owners
from zoo.models.common.base import Model

MAX_SKIPPED = 50  # updates in a row that loss scaling may throw away


@dataclass(frozen=True)
class Part:
    """A share of a micro-batch.

    Attributes:
        weight: 0 for a row that stands in for an empty share, else 1.
        count: of labels that count.
    """

    batch: Batch
    weight: float
    count: float


class Update:
    """Makes one update after the other; a function of model, rows, settings and the update's number.

    Args:
        model: in train mode when it is called.
        rows: the training data.
        optimiser: over the parameters that are trained.
        settings: how to train.
        padding: of a batch.
        objective: what is minimised.

    Attributes:
        batches: row numbers of every micro-batch.
        shares: parts of a micro-batch.
        own: the numbers of those that this process computes, one after the other.
        trained: parameters with a gradient.
        owners: who updates which of them.
        scaler: of float16's loss, else None.
    """

    def __init__(
        self,
        model: Model,
        rows: Rows,
        optimiser: Optimizer,
        settings: LoopSettings,
        padding: Padding,
        objective: Objective,
    ) -> None:
        self.shares = max(settings.shares, parallel.world())
        self.own = range(parallel.rank(), self.shares, parallel.world())
        self.model, self.rows, self.optimiser, self.settings = model, rows, optimiser, settings
        self.padding, self.objective = padding, objective
        apart = getattr(rows, "apart", None)
        self.batches = TrainBatches(rows.lengths, settings.batch_size, settings.seed, settings.grouped, apart)
        self.trained = [p for p in model.parameters() if not p.stop_gradient]
        self.owners = Owners(self.trained, settings.sharded)
        check_precision(settings.precision)
        self.scaler: Any = paddle.amp.GradScaler() if settings.precision == "float16" else None
        self.skipped = 0

    def __call__(self, update: int, since: float) -> Updated:
        """Makes the update behind `update` others; its seconds count from `since`, of `time.perf_counter`."""
        settings = self.settings
        chosen = [self.batches[update * settings.accumulate + n] for n in range(settings.accumulate)]
        parts = {number: [self._part(rows, number) for rows in chosen] for number in self.own}
        whole = max(parallel.total(sum(part.count for of_share in parts.values() for part in of_share)), 1.0)
        lr = settings.lr * lr_factor(settings.schedule, update, settings.warmup, settings.updates)
        self.optimiser.set_lr(lr)
        loss = 0.0
        for number, of_share in parts.items():
            seed_update(settings.seed, update, number)
            for part in of_share:
                loss += self._backward(part.batch, (part.weight if self.objective.summed else part.count) / whole)
        loss = parallel.total(loss)
        norm = self._step(update, loss, chosen, [part.batch for part in parts[self.own[0]]])
        rows = sum(map(len, chosen))
        tokens = int(sum(self.rows.lengths[numbers].sum() for numbers in chosen))
        return Updated(update + 1, loss, lr, norm, rows, tokens, time.perf_counter() - since)

    def _part(self, numbers: Any, number: int) -> Part:
        """One share of a micro-batch."""
        own = share(numbers, number, self.shares)
        width = self.padding.width(int(self.rows.lengths[numbers].max()))
        batch, weight = self.rows.batch(own if len(own) else numbers[:1], width), float(len(own) > 0)
        return Part(batch, weight, self.objective.count(batch) * weight)

    def _backward(self, batch: Batch, weight: float) -> float:
        """Adds a micro-batch's gradients; returns what it adds to the loss."""
        with _cast(self.settings.precision):
            loss = self.objective.loss(self.model, _tensors(batch)) * weight
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        return float(loss)

    def _step(self, update: int, loss: float, chosen: list[Any], parts: list[Batch]) -> float:
        """Clips the gradients and moves the weights. Returns the norm before clipping."""
        settings = self.settings
        self.owners.add_gradients()
        if self.scaler is not None:
            self.scaler.unscale_(self.optimiser)
        norm = self.owners.gradient_norm()
        scaled_away = self.scaler is not None and math.isfinite(loss) and not math.isfinite(norm)
        self.skipped = self.skipped + 1 if scaled_away else 0
        if not (math.isfinite(loss) and (math.isfinite(norm) or scaled_away)) or self.skipped > MAX_SKIPPED:
            self._stop(update, loss, norm, chosen, parts)
        if settings.clip and math.isfinite(norm):
            clip(self.trained, norm, settings.clip)
        seed_update(settings.seed, update, OPTIMISER_STREAM)
        if self.scaler is None:
            self.optimiser.step()
        else:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        self.optimiser.clear_grad(set_to_zero=False)
        self.owners.send_weights()
        return norm

    def _stop(self, update: int, loss: float, norm: float, chosen: list[Any], parts: list[Batch]) -> None:
        seed_update(self.settings.seed, update, self.own[0])
        place = nan_search.where(self.model, map(_tensors, parts), self.objective.loss)
        numbers = ", ".join(str(n) for batch in chosen for n in batch[:8])
        more = ", ..." if any(len(batch) > 8 for batch in chosen) else ""
        raise TrainingError(
            f"Update {update + 1} has the loss {loss:g} and the gradient norm {norm:g}. "
            f"The first value that is no number is {place}. "
            f"The batch has the rows {numbers}{more} of the training data.",
            "A lower --lr, a longer --warmup or a smaller --clip may help.",
        )


def _tensors(batch: Batch) -> Tensors:
    return {name: paddle.to_tensor(array) for name, array in batch.items()}


def check_precision(precision: Precision) -> None:
    """Looks whether the device computes in a precision.

    Raises:
        UsageError: half precision on a CPU, where paddle would compute in float32 without a word.
    """
    if precision != "float32" and paddle.get_device().startswith("cpu"):
        raise UsageError(
            f"{precision} needs a GPU: on a CPU paddle has no kernels for it.", "Leave --precision at float32."
        )


def _cast(precision: Precision) -> Any:
    return nullcontext() if precision == "float32" else paddle.amp.auto_cast(dtype=precision, level="O1")

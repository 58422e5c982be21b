"""What is minimised, and how many labels it counts: so that every label of an update weighs the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from zoo.errors import UsageError
from zoo.finetune.adversarial import Smart
from zoo.finetune.second_losses import FGM, RDrop
from zoo.models.common.base import Model
from zoo.models.common.losses import IGNORED_LABEL
from zoo.models.common.seq2seq import Seq2Seq

Tensors = dict[str, Tensor]
Loss = Callable[[Model, Tensors], Tensor]
SECOND_LOSSES: Mapping[str, Callable[[], Any]] = {"smart": Smart, "r-drop": RDrop, "fgm": FGM}
COUNTS_PADDING = {"mean-over-positions": 0}  # loss of an encoder-decoder -> the label that padding has in it


@dataclass(frozen=True)
class Objective:
    """A loss and its number of labels.

    An update over several micro-batches or processes minimises sum(loss x count) / sum(count), which is the loss of
    one large batch; a loss that is a sum already counts once: sum(loss) / sum(count).

    Attributes:
        loss: (model, batch) -> scalar. A second loss (adversarial, R-Drop) is added in here.
        count: how many labels of a batch the loss counts.
        summed: the loss is a sum over them; else their mean.
    """

    loss: Loss
    count: Callable[[Mapping[str, np.ndarray]], float]
    summed: bool = False


def counted(task: str | None, batch: Mapping[str, np.ndarray]) -> float:
    """How many labels of a batch the head of a task counts."""
    labels = batch["labels"]
    if task in ("qa", "qa-beam"):  # an answer outside of the window has a position beyond the text
        return float((labels < batch["input_ids"].shape[1]).mean(axis=1).sum())
    if labels.dtype.kind == "f":
        return float(len(labels))
    counts = labels != IGNORED_LABEL
    if task == "discriminator":
        counts &= batch["attention_mask"] != 0
    return float(counts.sum())


def objective_of(model: Model, loss: str | None = None) -> Objective:
    """The loss of a model's head.

    Args:
        model: with a head, or an encoder-decoder.
        loss: for an encoder-decoder a name of its LOSSES, for a head one of SECOND_LOSSES; None for its own.

    Raises:
        UsageError: a model without a head, or a loss it does not have.
    """
    task = model.task
    if isinstance(model, Seq2Seq):
        name = loss or next(iter(model.LOSSES))
        if name not in model.LOSSES:
            raise UsageError(f"There is no loss '{name}' of this network.", f"One of {', '.join(model.LOSSES)}.")
        return Objective(
            lambda m, batch: m(**batch, loss=name).loss, lambda batch: counted(task, batch), "sum" in name
        )
    if task == "embedding":
        raise UsageError("Vectors of texts learn from pairs of them.", "zoo finetune --task pairs, or triplets.")
    if task is None:
        raise UsageError("This model has no head that could be trained.", "Load it with task=...")
    if loss is not None and loss in SECOND_LOSSES:
        return Objective(SECOND_LOSSES[loss](), lambda batch: counted(task, batch))
    if loss is not None:
        raise UsageError(
            f"There is no loss '{loss}' for a {task} head.", f"Its own, or with it {', '.join(SECOND_LOSSES)}."
        )
    return Objective(lambda m, batch: m(**batch).loss, lambda batch: counted(task, batch))


def smoothed(share: float) -> Callable[[Model, Tensors], Tensor]:
    """Cross entropy against a target of which `share` is spread evenly over all classes (Szegedy et al. 2016).

    For heads with `logits` [..., C] and whole numbers as labels [...]; -100 does not count. Where no label
    counts the loss and its gradients are 0.
    """

    def loss(model: Model, batch: Tensors) -> Tensor:
        labels = batch["labels"]
        output = model(**batch)
        if output.logits is None or labels.dtype not in (paddle.int32, paddle.int64):
            raise UsageError("--label_smoothing has no meaning for this head.", "It goes with classes.")
        logits = output.logits
        log_all = paddle.logsumexp(logits, axis=-1)  # [...]
        even = log_all - logits.mean(axis=-1)
        counts = (labels != IGNORED_LABEL).astype(logits.dtype)
        gold = log_all - paddle.take_along_axis(logits, labels.clip(min=0).unsqueeze(-1), -1).squeeze(-1)
        whole = (1.0 - share) * gold + share * even
        return (whole * counts).sum() / counts.sum().clip(min=1.0)

    return loss

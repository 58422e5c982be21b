"""Two more second losses: R-Drop (arXiv 2106.14448) and FGM (arXiv 1605.07725), for heads with `logits`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import paddle
from paddle import Tensor

from zoo.errors import UsageError
from zoo.finetune.adversarial import slope_of, symmetric_divergence
from zoo.models.common.base import TaskModel
from zoo.models.common.losses import IGNORED_LABEL

HEADS_WITH_LOGITS = ("classification", "multiple-choice", "tagging")


@dataclass(frozen=True)
class RDrop:
    """Two passes with their own dropout must agree: the mean of both losses, plus `weight` times their divergence.

    The divergence is the mean of both directions, over rows (tagging: over labels that count).
    """

    weight: float = 1.0

    def __call__(self, model: TaskModel, batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of a batch; the plain one in eval mode and for regression. Raises UsageError for other heads."""
        _check(model, "r-drop")
        first = model(**batch)
        labels = batch["labels"]
        if not model.training or labels.dtype not in (paddle.int32, paddle.int64):
            return first.loss
        second = model(**batch)
        counts = (labels != IGNORED_LABEL) if first.logits.ndim == 3 else paddle.ones(labels.shape, "bool")
        # symmetric_divergence is a mean over classes too, and the sum of both directions
        apart = symmetric_divergence(first.logits, second.logits, counts) * first.logits.shape[-1] / 2
        return (first.loss + second.loss) / 2 + self.weight * apart


@dataclass(frozen=True)
class FGM:
    """The loss, and the loss again where the word embeddings of each text were moved by `epsilon` uphill."""

    epsilon: float = 1.0

    def __call__(self, model: TaskModel, batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of a batch; the plain one in eval mode. Raises UsageError for other heads."""
        _check(model, "fgm")
        if not model.training:
            return model(**batch).loss
        others = {name: value for name, value in batch.items() if name != "input_ids"}
        words = model.encoder.embeddings.word(batch["input_ids"])  # [B, T, D]
        words.stop_gradient = False  # also where the embeddings are frozen
        plain = model(inputs_embeds=words, **others).loss
        slope = slope_of(plain, words, model)
        length = slope.square().sum(axis=[-2, -1], keepdim=True).sqrt()  # [B, 1, 1]
        moved = words + self.epsilon * slope / (length + 1e-12)
        return plain + model(inputs_embeds=moved, **others).loss


def _check(model: TaskModel, name: str) -> None:
    if model.task not in HEADS_WITH_LOGITS:
        raise UsageError(
            f"--loss {name} has no meaning for the head '{model.task}'.", f"{', '.join(HEADS_WITH_LOGITS)}."
        )

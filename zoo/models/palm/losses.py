"""Losses of the two PALM networks, as they were published and as they should have been.

logits are [B, N, V], labels [B, N] integers; -100 never counts.
"""

from __future__ import annotations

import math

import paddle
from paddle import Tensor

from zoo.models.common.layers import check_ids
from zoo.models.common.losses import IGNORED_LABEL, cross_entropy


def mean_over_positions(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over all positions, padding (label 0) too: SOFA's loss, whose mask cancels out."""
    return cross_entropy(logits, labels)


def mean_over_tokens(logits: Tensor, labels: Tensor, padding: int = 0) -> Tensor:
    """Mean cross entropy over the positions whose label is not padding."""
    return cross_entropy(logits, _without(labels, padding))


def smoothed_sum(logits: Tensor, labels: Tensor, padding: int = 0, smoothing: float = 0.1) -> Tensor:
    """Kullback-Leibler divergence from smoothed labels, summed over the tokens: PALM 2.0's loss, not divided.

    The label has 1 - smoothing, and every other word but padding an equal share of the rest (Szegedy et al. 2016,
    section 7, without the label and without padding).
    """
    return _smoothed(logits, labels, padding, smoothing)[0]


def smoothed_mean(logits: Tensor, labels: Tensor, padding: int = 0, smoothing: float = 0.1) -> Tensor:
    """`smoothed_sum`, divided by the number of tokens."""
    total, tokens = _smoothed(logits, labels, padding, smoothing)
    return total / tokens.clip(min=1.0)


def _without(labels: Tensor, padding: int) -> Tensor:
    return paddle.where(labels == padding, paddle.full_like(labels, IGNORED_LABEL), labels)


def _smoothed(logits: Tensor, labels: Tensor, padding: int, smoothing: float) -> tuple[Tensor, Tensor]:
    """The sum over the tokens, and how many there are."""
    words = logits.shape[-1]
    logits, labels = logits.reshape([-1, words]), _without(labels.reshape([-1]), padding)
    counts = labels != IGNORED_LABEL
    target = paddle.where(counts, labels, paddle.zeros_like(labels)).unsqueeze(-1)
    check_ids("labels", target, words)
    share = smoothing / (words - 2)
    total = paddle.logsumexp(logits, axis=-1)  # log p = logit - total
    label = paddle.take_along_axis(logits, target, axis=-1).squeeze(-1)
    others = logits.sum(-1) - label - logits[:, padding]
    cross = total - (1 - smoothing) * label - share * others
    weight = counts.astype(cross.dtype)
    return ((cross - entropy(words, smoothing)) * weight).sum(), weight.sum()


def entropy(words: int, smoothing: float) -> float:
    """Of a smoothed label among `words` words, padding among them; 0 without smoothing."""
    if not smoothing:
        return 0.0
    return -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(smoothing / (words - 2))

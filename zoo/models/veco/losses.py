"""Losses of translation, by what they do. logits: [B, N, V]. labels: [B, N]; padding and -100 do not count."""

from __future__ import annotations

import paddle
from paddle import Tensor

from zoo.models.common.layers import check_ids
from zoo.models.common.losses import IGNORED_LABEL, cross_entropy
from zoo.models.veco.config import PAD

SMOOTHING = 0.2  # of the published recipe


def smoothed_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Label-smoothed cross entropy, summed over the tokens that count (fairseq, label_smoothed_cross_entropy).

    The target has 1 - 0.2 of the probability, and 0.2 is spread over the whole vocabulary, the target included
    (Szegedy et al. 2016, section 7). fairseq divides the gradient by the number of tokens of a whole update.

    Raises:
        InputError: a label without a class (on CPU).
    """
    counts = paddle.logical_and(labels != PAD, labels != IGNORED_LABEL)
    target = paddle.where(counts, labels, paddle.zeros_like(labels)).unsqueeze(-1)
    check_ids("labels", target, logits.shape[-1])
    total = paddle.logsumexp(logits, axis=-1)
    exact = total - paddle.take_along_axis(logits, target, axis=-1).squeeze(-1)
    spread = total - logits.mean(axis=-1)
    losses = (1 - SMOOTHING) * exact + SMOOTHING * spread  # [B, N]
    return (losses * counts.astype(losses.dtype)).sum()


def mean(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, the mean over the tokens that count.

    Raises:
        InputError: a label without a class (on CPU).
    """
    return cross_entropy(logits, paddle.where(labels == PAD, paddle.full_like(labels, IGNORED_LABEL), labels))

"""Computes losses that give torch's numbers."""

from __future__ import annotations

import paddle
from paddle import Tensor

from zoo.models.common.layers import check_ids

IGNORED_LABEL = -100


def cross_entropy(logits: Tensor, labels: Tensor, ignored: int = IGNORED_LABEL) -> Tensor:
    """Computes the mean cross entropy over the labels that count.

    paddle 3.3.1's own mean divides by all of them, ignored ones too (Paddle #47418), and cuts each loss off at 64;
    its log_softmax over a vocabulary takes seconds on CPU.

    If every label is ignored the loss and all its gradients are 0, where torch has nan (0 / 0): a batch of which no
    label counts, such as a window of a long sentence between others, changes no weight and spoils no mean. Every
    loss of the zoo does so.

    Args:
        logits: [..., C].
        labels: [...], integers; `ignored` does not count.

    Raises:
        InputError: a label without a class (on CPU).
    """
    logits, labels = logits.reshape([-1, logits.shape[-1]]), labels.reshape([-1])
    counts = labels != ignored
    target = paddle.where(counts, labels, paddle.zeros_like(labels)).unsqueeze(-1)
    check_ids("labels", target, logits.shape[-1])  # a negative one would count from the end
    losses = paddle.logsumexp(logits, axis=-1) - paddle.take_along_axis(logits, target, axis=-1).squeeze(-1)
    weight = counts.astype(losses.dtype)
    return (losses * weight).sum() / weight.sum().clip(min=1.0)

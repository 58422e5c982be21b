"""Losses that give torch's numbers."""

from __future__ import annotations

import paddle
from paddle import Tensor

IGNORED = -100


def cross_entropy(logits: Tensor, labels: Tensor, ignored: int = IGNORED) -> Tensor:
    """Mean cross entropy over the labels that count.

    paddle 3.3.1 divides by all of them, ignored ones too (Paddle #47418). Written with logsumexp because
    log_softmax over a vocabulary takes seconds on CPU. If every label is ignored the loss is 0 (torch: nan), so
    that a batch without labels changes nothing.

    Args:
        logits: [..., C].
        labels: [...], integers; `ignored` does not count.
    """
    logits, labels = logits.reshape([-1, logits.shape[-1]]), labels.reshape([-1])
    counts = labels != ignored
    target = paddle.where(counts, labels, paddle.zeros_like(labels)).unsqueeze(-1)
    losses = paddle.logsumexp(logits, axis=-1) - paddle.take_along_axis(logits, target, axis=-1).squeeze(-1)
    weight = counts.astype(losses.dtype)
    return (losses * weight).sum() / weight.sum().clip(min=1.0)

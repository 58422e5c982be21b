"""From the scores of every next token to a few candidates: rules, the best k, a draw.

Nothing here is as large as [rows, V] but what paddle computes: a log_softmax over a vocabulary takes seconds on
CPU, the best k and one logsumexp take milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from zoo.models.common.generation.options import Options

BANNED = -np.inf


@dataclass(frozen=True)
class Candidates:
    """The best tokens of each row, the best first: ids [rows, k] and log-probabilities [rows, k]."""

    ids: np.ndarray
    values: np.ndarray


def logsumexp(logits: Tensor) -> np.ndarray:
    """[rows, V] -> [rows]. Twice as fast as paddle's."""
    top = logits.max(-1, keepdim=True)
    return (top[:, 0] + (logits - top).exp().sum(-1).log()).numpy()


def best(logits: Tensor, k: int, total: np.ndarray) -> Candidates:
    """The k best of each row. logits: [rows, V]. total: their logsumexp [rows]."""
    values, ids = paddle.topk(logits, min(k, logits.shape[1]))
    return Candidates(ids.numpy(), values.numpy() - total[:, None])


def apply_rules(
    logits: Tensor, history: np.ndarray, generated: int, eos: int, options: Options, total: np.ndarray
) -> Tensor:
    """Scores after the repetition penalty, n-gram blocking and the least length, in this order.

    Args:
        logits: [rows, V]; may be overwritten.
        history: [rows, start + generated] tokens so far, the start too.
        generated: how many of them are not the start.
        eos: the end token.
        options: the rules.
        total: [rows], taken off the scores before the penalty and put back: zeros for raw scores (greedy search
            and draws), the logsumexp for log-probabilities (beam search), as in transformers.
    """
    vocabulary = logits.shape[1]
    base = np.arange(len(history))[:, None] * vocabulary
    flat = logits.reshape([-1])
    if options.repetition_penalty != 1:
        places = np.unique(base + history)
        values = paddle.gather(flat, paddle.to_tensor(places)).numpy() - total[places // vocabulary]
        factor = options.repetition_penalty
        values = np.where(values < 0, values * factor, values / factor) + total[places // vocabulary]
        flat = paddle.scatter_(flat, paddle.to_tensor(places), paddle.to_tensor(values, dtype=flat.dtype))
    banned = [base + eos] if generated < options.min_length else []
    if options.no_repeat_ngram_size:
        rows, tokens = repeated(history, options.no_repeat_ngram_size)
        banned.append(rows * vocabulary + tokens)
    places = np.unique(np.concatenate([b.reshape(-1) for b in banned])) if banned else np.zeros(0, np.int64)
    if len(places):
        values = np.full(len(places), BANNED)
        flat = paddle.scatter_(flat, paddle.to_tensor(places), paddle.to_tensor(values, dtype=flat.dtype))
    return flat.reshape([-1, vocabulary])


def repeated(history: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and tokens that would make an n-gram of [rows, t] come again. Returns two arrays of equal length."""
    if history.shape[1] < size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    grams = np.lib.stride_tricks.sliding_window_view(history, size, axis=1)  # [rows, t - size + 1, size]
    tail = history[:, history.shape[1] - size + 1 :]  # the last size - 1 tokens; none for size 1
    rows, places = np.nonzero((grams[:, :, :-1] == tail[:, None]).all(-1))
    return rows, grams[rows, places, -1]


def draw(logits: np.ndarray, options: Options, number: float) -> int:
    """One token by a uniform number from [0, 1): temperature, then top-k, then top-p. logits: [V]."""
    order = np.argsort(-logits, kind="stable")
    if options.top_k:
        least = logits[order[min(options.top_k, len(order)) - 1]]  # equal ones stay, as in transformers
        order = order[: int((logits >= least).sum())]
    scores = logits[order].astype(np.float64) / options.temperature
    weights = np.exp(scores - scores[0])
    shares = np.cumsum(weights / weights.sum())
    if options.top_p < 1:
        keep = int(np.searchsorted(shares, options.top_p)) + 1
        order, shares = order[:keep], shares[:keep] / shares[min(keep, len(shares)) - 1]
    return int(order[min(int(np.searchsorted(shares, number, side="right")), len(order) - 1)])

"""Turns the scores of every next token into a few candidates: rules, the best k, a draw.

A log_softmax over a vocabulary takes paddle seconds on CPU, and its best k of 250,000 a millisecond a row. So there
is one logsumexp, and the best k are looked for where the maxima are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from zoo.models.common.generation.options import Options

BANNED_SCORE = -np.inf
BLOCK_TOKENS = 256  # scores of which one maximum is taken first


@dataclass(frozen=True)
class Candidates:
    """The best tokens of each row, the best first: ids [rows, k] and log-probabilities [rows, k]."""

    ids: np.ndarray
    values: np.ndarray


def array_of(logits: Tensor) -> np.ndarray:
    """Gives [rows, V] as an array: on CPU the tensor's own memory, not to be written to."""
    return np.from_dlpack(logits) if logits.place.is_cpu_place() else logits.numpy()


def logsumexp(logits: np.ndarray) -> np.ndarray:
    """Gives [rows] of [rows, V]; row by row, which keeps what is between in the processor's cache."""
    total, buffer = np.empty(len(logits), np.float32), np.empty(logits.shape[1], np.float32)
    for n, row in enumerate(logits):
        top = row.max()
        np.exp(np.subtract(row, top, out=buffer), out=buffer)
        total[n] = top + np.log(buffer.sum())
    return total


def best(logits: np.ndarray, k: int, total: np.ndarray) -> Candidates:
    """Gives the k best of each row: they are in the k blocks of the greatest maxima, or in what no block holds.

    logits: [rows, V]. total: their logsumexp [rows].
    """
    rows, vocabulary = logits.shape
    k = min(k, vocabulary)
    count = vocabulary // BLOCK_TOKENS
    blocks = logits[:, : count * BLOCK_TOKENS].reshape(rows, count, BLOCK_TOKENS)
    if count > k:
        tops = blocks.max(axis=2)
        chosen = np.argpartition(-tops, k - 1, axis=1)[:, :k]  # [rows, k]
    else:
        chosen = np.tile(np.arange(count), (rows, 1))
    ids = (chosen[:, :, None] * BLOCK_TOKENS + np.arange(BLOCK_TOKENS)).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(count * BLOCK_TOKENS, vocabulary), (rows, vocabulary - count * BLOCK_TOKENS))
    ids = np.concatenate([ids, rest], axis=1)
    values = np.take_along_axis(logits, ids, 1)
    order = np.argpartition(-values, k - 1, axis=1)[:, :k]
    ids, values = np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)
    order = np.lexsort((ids, -values), axis=1)
    return Candidates(np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1) - total[:, None])


def apply_rules(
    logits: Tensor, history: np.ndarray, generated: int, eos: int, options: Options, total: np.ndarray
) -> Tensor:
    """Gives scores after the repetition penalty, n-gram blocking and the least length, in this order.

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
        values = np.full(len(places), BANNED_SCORE)
        flat = paddle.scatter_(flat, paddle.to_tensor(places), paddle.to_tensor(values, dtype=flat.dtype))
    return flat.reshape([-1, vocabulary])


def repeated(history: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Gives two arrays, rows and tokens that would make an n-gram of [rows, t] come again."""
    if history.shape[1] < size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    grams = np.lib.stride_tricks.sliding_window_view(history, size, axis=1)  # [rows, t - size + 1, size]
    tail = history[:, history.shape[1] - size + 1 :]  # the last size - 1 tokens; none for size 1
    rows, places = np.nonzero((grams[:, :, :-1] == tail[:, None]).all(-1))
    return rows, grams[rows, places, -1]


def draw(logits: np.ndarray, options: Options, number: float) -> int:
    """Draws one token by a uniform number from [0, 1): temperature, then top-k, then top-p. logits: [V]."""
    order = np.argsort(-logits, kind="stable")
    if options.top_k:
        least = logits[order[min(options.top_k, len(order)) - 1]]  # equal ones stay, as in transformers
        order = order[: int((logits >= least).sum())]
    weights = np.exp((logits[order].astype(np.float64) - logits[order[0]]) / options.temperature)
    if options.top_p < 1:
        shares = np.cumsum(weights) / weights.sum()
        keep = int(np.searchsorted(shares, options.top_p)) + 1
        order, weights = order[:keep], weights[:keep]
    by_id = np.argsort(order)  # so that rounding, which swaps likely neighbours, does not change what is drawn
    shares = np.cumsum(weights[by_id]) / weights.sum()
    return int(order[by_id[min(int(np.searchsorted(shares, number, side="right")), len(order) - 1)]])

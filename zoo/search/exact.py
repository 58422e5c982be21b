"""Keeps the best rows of a corpus that comes in blocks: exact, in memory that does not grow with the corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from zoo.errors import InputError

QUERY_ROWS = 1024  # queries whose scores of a block are held at once
CROWD = 4  # times K candidates of a query in one block: more are cut before they are sorted


class Found(NamedTuple):
    """The rows that are nearest to each query, best first; of equal scores the lower row comes first.

    Attributes:
        rows: int64 [N, K], numbers of the corpus from 0.
        scores: float32 [N, K], the more alike the larger.
    """

    rows: np.ndarray
    scores: np.ndarray


class Best:
    """The best rows of some queries among the blocks that were added.

    Args:
        queries: how many there are.
        count: rows to keep for each.
    """

    def __init__(self, queries: int, count: int) -> None:
        self.count = count
        self.found = Found(np.zeros((queries, 0), np.int64), np.zeros((queries, 0), np.float32))

    def add(self, scores: np.ndarray, first: int) -> None:
        """Takes a block of scores.

        Args:
            scores: [N, B], of the rows first, first + 1, ..., which come after all that were added before.
            first: number of the block's first row.

        Raises:
            InputError: a score is not a finite number; names the row.
        """
        if not len(scores) or not scores.shape[1]:
            return
        if not np.isfinite(scores[0]).all():
            row = first + int(np.argmin(np.isfinite(scores[0])))
            raise InputError(f"Vector {row} of the corpus has a number that is not finite.", "Leave it out.")
        held, width = self.found, min(self.count, self.found.rows.shape[1] + scores.shape[1])
        queries, columns = np.nonzero(self._candidates(scores))
        if not queries.size:
            return
        of = np.concatenate([np.repeat(np.arange(len(scores)), held.rows.shape[1]), queries])
        rows = np.concatenate([held.rows.ravel(), columns + first])
        values = np.concatenate([held.scores.ravel(), scores[queries, columns]])
        order = np.lexsort((rows, -values, of))
        sizes = np.bincount(of, minlength=len(scores))
        places = np.arange(order.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        chosen = order[places < width]  # every query has at least `width` rows
        self.found = Found(rows[chosen].reshape(-1, width), values[chosen].reshape(-1, width))

    def _candidates(self, scores: np.ndarray) -> np.ndarray:
        """Gives which scores [N, B] may be among the best: all that are, and few others."""
        held = self.found.scores
        full = held.shape[1] == self.count
        hits = scores > held[:, -1:] if full else np.ones(scores.shape, bool)  # of equal scores the lower row stays
        if scores.shape[1] > self.count and np.count_nonzero(hits) > CROWD * self.count * len(scores):
            least = np.partition(scores, -self.count, axis=1)[:, -self.count, None]
            hits &= scores >= least
        return hits


def scan(
    queries: np.ndarray,
    blocks: Iterable[np.ndarray],
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    count: int,
) -> Found:
    """Finds the best rows of all blocks for each query.

    Args:
        queries: [N, D].
        blocks: [B, D] each; read once, and only one is held.
        score: queries and a block -> [N, B], the more alike the larger.
        count: rows for each query.

    Returns:
        K is `count`, or the number of rows where there are not so many.

    Raises:
        InputError: a score is not a finite number.
    """
    kept = {n: Best(len(queries[n : n + QUERY_ROWS]), count) for n in range(0, len(queries), QUERY_ROWS)}
    first = 0
    for block in blocks:
        for n, best in kept.items():
            best.add(score(queries[n : n + QUERY_ROWS], block), first)
        first += len(block)
    parts = [best.found for best in kept.values()] or [Best(0, count).found]
    return Found(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

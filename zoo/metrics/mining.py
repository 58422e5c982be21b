"""Mines translations among sentences of two languages, and scores what was mined, as XTREME does for BUCC."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from zoo.search.exact import Found
from zoo.search.semantic import nearest

NEIGHBOURS = 4  # of a sentence, in XTREME

Mined = Sequence[tuple[tuple[str, str], float]]  # pairs of ids with their margin, best first


def mined_pairs(a: np.ndarray, b: np.ndarray, neighbours: int = NEIGHBOURS) -> list[tuple[int, int, float]]:
    """Pairs sentences by their ratio margin: the cosine over the mean of both sentences' neighbourhoods.

    Each side proposes its best pair; pairs are taken from the best on, each sentence once (the paper "Margin-based
    Parallel Corpus Mining", section 3.2, retrieval "max").

    Args:
        a, b: [N, D] and [M, D].
        neighbours: sentences of a neighbourhood.

    Returns:
        Numbers of both sentences and the margin, best first.
    """
    there, back = nearest(a, b, neighbours), nearest(b, a, neighbours)
    proposed = [*_best(there, back), *((n, m, score) for m, n, score in _best(back, there))]
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for n, m, score in sorted(proposed, key=lambda pair: -pair[2]):
        if n not in taken[0] and m not in taken[1]:
            chosen.append((n, m, score))
            taken[0].add(n)
            taken[1].add(m)
    return chosen


def _best(side: Found, other: Found) -> list[tuple[int, int, float]]:
    """Gives for each sentence its neighbour of the largest margin."""
    means, other_means = side.scores.mean(axis=1), other.scores.mean(axis=1)
    margins = side.scores / ((means[:, None] + other_means[side.rows]) / 2)
    at = margins.argmax(axis=1)
    rows = np.arange(len(at))
    return list(zip(rows.tolist(), side.rows[rows, at].tolist(), margins[rows, at].tolist(), strict=True))


def best_margin(mined: Mined, gold: Collection[tuple[str, str]]) -> float:
    """Gives the threshold of the largest F1, in the middle of two neighbouring margins."""
    right, best, threshold = 0, 0.0, 0.0
    for n, (pair, score) in enumerate(mined, 1):
        right += pair in gold
        f1 = 2 * right / (n + len(gold))
        if f1 > best:
            after = mined[n][1] if n < len(mined) else score
            best, threshold = f1, (score + after) / 2
    return threshold


def mining_scores(mined: Mined, gold: Collection[tuple[str, str]], threshold: float) -> dict[str, float]:
    """Scores the pairs above a threshold: "f1", "precision" and "recall", in percent."""
    kept = [pair for pair, score in mined if score >= threshold]
    right = sum(pair in gold for pair in kept)
    precision, recall = right / max(len(kept), 1), right / max(len(gold), 1)
    f1 = 2 * right / max(len(kept) + len(gold), 1)
    return {"f1": 100 * f1, "precision": 100 * precision, "recall": 100 * recall}

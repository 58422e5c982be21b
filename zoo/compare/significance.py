"""Whether the difference of two runs can be chance: a paired bootstrap over the rows that both answered.

Rows are drawn with replacement, within each language, the same ones for both runs (Efron and Tibshirani 1993;
Koehn 2004 for scores of generated text).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo import metrics
from zoo.finetune.kept import Kept

RESAMPLES, SLOW_RESAMPLES = 2_000, 500  # the second where each draw is scored by a library
CHUNK = 4_000_000  # numbers that are drawn at once
LEVEL = 0.05  # below this p a difference is called one
CLOSE = 0.05  # percent points by which a recomputed score may differ from the recorded one
ENTITY_METRICS = {"f1-lenient": "f1", "f1": "f1", "precision": "precision", "recall": "recall"}
Score = Callable[[np.ndarray], np.ndarray]  # numbers of rows [R, n] -> scores [R]


@dataclass(frozen=True)
class Significance:
    """What the test of run B against run A found, in percent points.

    Attributes:
        tested: the number that was compared.
        a, b: that number of each run over the shared rows.
        difference: b - a.
        low, high: the 95 % interval of the difference.
        p: two-sided.
        rows: that both runs answered; `missing` have one only, or with another gold answer.
        note: what a reader must know; "" for nothing.
    """

    tested: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    rows: int
    missing: int
    resamples: int
    note: str = ""

    @property
    def verdict(self) -> str:
        """Gives what it means in a word or two."""
        if self.p >= LEVEL:
            return "can be chance"
        return "better" if self.difference > 0 else "worse"


def test(
    a: Sequence[Kept], b: Sequence[Kept], metric: str, labels: Sequence[str], seed: int = 0
) -> Significance | str:
    """Compares two runs' answers; gives a sentence where they cannot be compared.

    Args:
        a, b: answers to one split.
        metric: of the headline, or the nearest that the answers tell.
        labels: of the task, in order; the second of two is the positive class.
        seed: of the draws.
    """
    if not a or not b:
        return "no answers were kept of one of them (predictions.jsonl)"
    pairs, missing = _paired(a, b)
    if len(pairs) < 2:
        return "they have no rows in common"
    sides = [row[0] for row in pairs], [row[1] for row in pairs]
    tested, slow, scores = _scores(sides, metric, labels)
    languages: dict[str, list[int]] = {}
    for n, (row, _) in enumerate(pairs):
        languages.setdefault(row.language, []).append(n)
    strata = [np.array(at) for at in languages.values()]
    whole = [float(np.mean([score(at[None])[0] for at in strata])) for score in scores]
    count = SLOW_RESAMPLES if slow else RESAMPLES
    differences = _differences(scores, strata, count, seed)
    low, high = np.percentile(differences, (2.5, 97.5))
    below, above = (int(np.sum(side)) for side in (differences <= 0, differences >= 0))
    p = min(1.0, 2 * (min(below, above) + 1) / (count + 1))
    note = "" if tested == metric else f"tested on {tested}, as {metric} cannot be had from single answers"
    return Significance(
        tested,
        whole[0],
        whole[1],
        whole[1] - whole[0],
        float(low),
        float(high),
        p,
        len(pairs),
        missing,
        count,
        note,
    )


def _paired(a: Sequence[Kept], b: Sequence[Kept]) -> tuple[list[tuple[Kept, Kept]], int]:
    """Gives the rows that both have with one gold answer, in a's order, and how many only one has."""
    one, other = _by_key(a), _by_key(b)
    pairs = [(row, other[key]) for key, row in one.items() if key in other and other[key].gold == row.gold]
    return pairs, len(one.keys() | other.keys()) - len(pairs)


def _by_key(rows: Sequence[Kept]) -> dict[tuple[Any, ...], Kept]:
    """Gives rows by what tells them apart; ids that come several times (files of several parts) are counted."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for row in rows:
        found[(*row.key, seen[row.key])] = row
        seen[row.key] += 1
    return found


def _differences(scores: Sequence[Score], strata: Sequence[np.ndarray], count: int, seed: int) -> np.ndarray:
    """Gives the differences of the resamples, [count]: each language is drawn by itself, and their mean counts."""
    random = np.random.Generator(np.random.PCG64(seed))
    total = np.zeros(count)
    for at in strata:
        step = max(1, CHUNK // len(at))
        for begin in range(0, count, step):
            size = min(step, count - begin)
            drawn = at[random.integers(0, len(at), (size, len(at)))]
            total[begin : begin + size] += scores[1](drawn) - scores[0](drawn)
    return total / len(strata)


def _scores(
    sides: tuple[Sequence[Kept], Sequence[Kept]], metric: str, labels: Sequence[str]
) -> tuple[str, bool, list[Score]]:
    """Gives the name of the number that is tested, whether it is slow, and what computes it for each run."""
    first = sides[0][0]
    if metric in first.values:
        return metric, False, [_mean([row.values.get(metric, 0.0) for row in side]) for side in sides]
    if first.counts:
        name = ENTITY_METRICS.get(metric, "f1")
        tested = metric if metric in ENTITY_METRICS else "f1-lenient"
        return tested, False, [_entities([row.counts for row in side], name) for side in sides]
    if metric in metrics.TEXT_METRICS:
        return metric, True, [_library(side, metric, labels) for side in sides]
    return "rows that are right", False, [_mean([100.0 * row.right for row in side]) for side in sides]


def _mean(values: Sequence[float]) -> Score:
    held = np.array(values, np.float64)
    return lambda rows: np.asarray(held[rows].mean(axis=1))


def _entities(counts: Sequence[Sequence[int]], name: str) -> Score:
    held = np.array(counts, np.int64)  # [n, 3]: right, predicted, gold

    def score(rows: np.ndarray) -> np.ndarray:
        right, predicted, gold = (held[:, k][rows].sum(axis=1) for k in range(3))
        below = {"precision": predicted, "recall": gold, "f1": (predicted + gold) / 2}[name]
        return 100.0 * right / np.maximum(below, 1e-9)

    return score


def _library(side: Sequence[Kept], metric: str, labels: Sequence[str]) -> Score:
    gold = np.array([row.gold for row in side], object)
    said = np.array([row.answer for row in side], object)
    positive = labels[1] if len(labels) == 2 else None
    measure = metrics.TEXT_METRICS[metric]
    return lambda rows: np.array([measure(gold[at].tolist(), said[at].tolist(), positive) for at in rows])

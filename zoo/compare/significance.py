"""Whether the difference of two runs can be chance: a paired bootstrap over the rows that both answered.

Rows are drawn with replacement, within each language, the same ones for both runs (Efron and Tibshirani 1993;
Koehn 2004 for scores of generated text). Of a run with several seeds its seeds are drawn too, one fewer than there
are, as few draws of few values would understate how far they differ (Rao and Wu 1988); their mean is the score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.finetune.kept import Kept

RESAMPLES = 2_000
CHUNK = 4_000_000  # numbers that are drawn at once
LEVEL = 0.05  # below this p a difference is called one
ENTITY_METRICS = {"f1-lenient": "f1", "f1": "f1", "precision": "precision", "recall": "recall"}
Answers = Sequence[Kept]
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
        rows: that all seeds of both runs answered; `missing` have some only, or with another gold answer.
        seeds: of a and of b.
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
    seeds: tuple[int, int] = (1, 1)
    note: str = ""

    @property
    def verdict(self) -> str:
        """Gives what it means in a word or two."""
        if self.p >= LEVEL:
            return "can be chance"
        return "better" if self.difference > 0 else "worse"


def test(
    a: Sequence[Answers], b: Sequence[Answers], metric: str, labels: Sequence[str], seed: int = 0
) -> Significance | str:
    """Compares two runs' answers; gives a sentence where they cannot be compared.

    Args:
        a, b: answers to one split, of each seed.
        metric: of the headline, or the nearest that the answers tell.
        labels: of the task, in order; the second of two is the positive class.
        seed: of the draws.
    """
    if not all(a) or not all(b):
        return "no answers were kept of one of them (predictions.jsonl)"
    shared, missing = _shared([*a, *b])
    if len(shared[0]) < 2:
        return "they have no rows in common"
    tested, made = _scores(shared, metric, labels)
    scores = made[: len(a)], made[len(a) :]
    languages: dict[str, list[int]] = {}
    for n, row in enumerate(shared[0]):
        languages.setdefault(row.language, []).append(n)
    strata = [np.array(at) for at in languages.values()]
    whole = [float(np.mean([score(at[None])[0] for score in side for at in strata])) for side in scores]
    differences = _differences(scores, strata, seed)
    low, high = np.percentile(differences, (2.5, 97.5))
    below, above = (int(np.sum(side)) for side in (differences <= 0, differences >= 0))
    p = min(1.0, 2 * (min(below, above) + 1) / (RESAMPLES + 1))
    note = "" if tested == metric else f"tested on {tested}, as {metric} cannot be had from single answers"
    return Significance(
        tested,
        whole[0],
        whole[1],
        whole[1] - whole[0],
        float(low),
        float(high),
        p,
        len(shared[0]),
        missing,
        RESAMPLES,
        (len(a), len(b)),
        note,
    )


def _shared(sides: Sequence[Answers]) -> tuple[list[list[Kept]], int]:
    """Gives the rows that all have with one gold answer, in the order of the first, and how many only some have."""
    found = [_by_key(side) for side in sides]
    keys = [
        key
        for key, row in found[0].items()
        if all(key in other and other[key].gold == row.gold for other in found[1:])
    ]
    return [[side[key] for key in keys] for side in found], len(set().union(*found)) - len(keys)


def _by_key(rows: Sequence[Kept]) -> dict[tuple[Any, ...], Kept]:
    """Gives rows by what tells them apart; ids that come several times (files of several parts) are counted."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for row in rows:
        found[(*row.key, seen[row.key])] = row
        seen[row.key] += 1
    return found


def _differences(
    scores: tuple[Sequence[Score], Sequence[Score]], strata: Sequence[np.ndarray], seed: int
) -> np.ndarray:
    """Gives the differences of the resamples, [RESAMPLES]: each language drawn by itself, and their mean."""
    random = np.random.Generator(np.random.PCG64(seed))
    total = np.zeros(RESAMPLES)
    seeds = [_drawn_seeds(len(side), random) for side in scores]
    for at in strata:
        step = max(1, CHUNK // len(at))
        for begin in range(0, RESAMPLES, step):
            size = min(step, RESAMPLES - begin)
            drawn = at[random.integers(0, len(at), (size, len(at)))]
            a, b = (
                (np.stack([score(drawn) for score in side]) * share[:, begin : begin + size]).sum(axis=0)
                for side, share in zip(scores, seeds, strict=True)
            )
            total[begin : begin + size] += b - a
    return total / len(strata)


def _drawn_seeds(count: int, random: np.random.Generator) -> np.ndarray:
    """Gives the share of each seed in each resample, [count, RESAMPLES]; one seed alone has all."""
    size = max(1, count - 1)
    if count == 1:
        return np.ones((1, RESAMPLES))
    drawn = random.integers(0, count, (size, RESAMPLES))
    return (drawn[None] == np.arange(count)[:, None, None]).sum(axis=1) / size


def _scores(sides: Sequence[Answers], metric: str, labels: Sequence[str]) -> tuple[str, list[Score]]:
    """Gives the name of the number that is tested, and what computes it for each side."""
    first = sides[0][0]
    if metric in first.values:
        return metric, [_mean([row.values.get(metric, 0.0) for row in side]) for side in sides]
    if first.counts:
        name = ENTITY_METRICS.get(metric, "f1")
        tested = metric if metric in ENTITY_METRICS else "f1-lenient"
        return tested, [_entities([row.counts for row in side], name) for side in sides]
    if metric in ("pearson", "spearman"):
        return metric, [_correlation(side, metric == "spearman") for side in sides]
    if metric in ("accuracy", "f1", "macro-f1", "matthews"):
        positive = labels[1] if len(labels) == 2 else None
        return metric, [_classes(side, metric, positive) for side in sides]
    return "rows that are right", [_mean([100.0 * row.right for row in side]) for side in sides]


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


def _classes(side: Sequence[Kept], metric: str, positive: str | None) -> Score:
    """Gives f1, macro-f1, matthews or accuracy of classes, from how often each was taken for which."""
    names = sorted({str(value) for row in side for value in (row.gold, row.answer)} | {positive or ""})
    index, size = {name: n for n, name in enumerate(names)}, len(names)
    codes = np.array([index[str(row.gold)] * size + index[str(row.answer)] for row in side])

    def score(rows: np.ndarray) -> np.ndarray:
        places = codes[rows] + size * size * np.arange(len(rows))[:, None]
        counts = np.bincount(places.reshape(-1), minlength=len(rows) * size * size).reshape(-1, size, size)
        right, gold, said = counts.diagonal(axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
        if metric == "accuracy":
            return np.asarray(100.0 * right.sum(axis=1) / rows.shape[1])
        if metric == "matthews":
            return _matthews(right.sum(axis=1), gold, said, rows.shape[1])
        f1 = 200.0 * right / np.maximum(gold + said, 1)
        if metric == "f1":
            return np.asarray(f1[:, index[positive or ""]])
        return np.asarray(f1.sum(axis=1) / np.maximum((gold + said > 0).sum(axis=1), 1))

    return score


def _matthews(right: np.ndarray, gold: np.ndarray, said: np.ndarray, total: int) -> np.ndarray:
    """Gives the correlation of several classes (Gorodkin 2004), 0 where it is not defined."""
    above = right * float(total) - (gold * said).sum(axis=1)
    below = (float(total) ** 2 - (gold**2).sum(axis=1)) * (float(total) ** 2 - (said**2).sum(axis=1))
    return np.asarray(np.where(below > 0, 100.0 * above / np.sqrt(np.maximum(below, 1.0)), 0.0))


def _correlation(side: Sequence[Kept], ranked: bool) -> Score:
    """Gives Pearson's or Spearman's correlation of numbers, 0 where a side is constant."""
    gold, said = (
        np.array([float(v) for v in values]) for values in zip(*((r.gold, r.answer) for r in side), strict=True)
    )

    def score(rows: np.ndarray) -> np.ndarray:
        from scipy.stats import rankdata

        sides = [rankdata(values[rows], axis=1) if ranked else values[rows] for values in (gold, said)]
        one, other = (values - values.mean(axis=1, keepdims=True) for values in sides)
        below = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
        return np.asarray(np.where(below > 0, 100.0 * (one * other).sum(axis=1) / np.maximum(below, 1e-12), 0.0))

    return score

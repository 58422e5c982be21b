"""Which documents are hard negatives of an anchor, by the similarity of vectors.

The rules are those of sentence-transformers' mine_hard_negatives, release 6. Legend: N anchors, M documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import UsageError

MORE_CANDIDATES = 10  # times `number`, where a rule may take candidates away
SAMPLINGS = ("top", "random")


@dataclass(frozen=True)
class MiningRules:
    """Which candidates are taken. Similarities are the model's own; distances are negative.

    Attributes:
        number: negatives of an anchor, at most.
        range_min: so many of the nearest candidates that the other rules leave are passed over.
        range_max: none behind this place is taken; 0 for `range_min` + `number`, ten times `number` where a rule
            may take candidates away.
        max_score, min_score: of a candidate's similarity.
        absolute_margin: it must be below the positive's by as much.
        relative_margin: it must be below the positive's by this share of the positive's magnitude.
        sampling: "top" for the nearest that are left, "random" for any of them.
        seed: of what is drawn.
    """

    number: int = 3
    range_min: int = 0
    range_max: int = 0
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    sampling: str = "top"
    seed: int = 42

    def __post_init__(self) -> None:
        """Raises UsageError for values that do not go together."""
        if self.number < 1 or self.range_min < 0:
            raise UsageError(
                f"number={self.number}, range_min={self.range_min} does not work.", "From 1, and from 0."
            )
        if self.last - self.range_min < self.number:
            raise UsageError(
                f"range_max={self.last} leaves {max(0, self.last - self.range_min)} candidates behind range_min="
                f"{self.range_min}, and {self.number} negatives are asked for.",
                "Raise range_max, or lower range_min or number.",
            )
        if self.sampling not in SAMPLINGS:
            raise UsageError(f"sampling={self.sampling} does not exist.", f"One of {', '.join(SAMPLINGS)}.")
        for name in ("max_score", "min_score", "absolute_margin", "relative_margin"):
            if not np.isfinite(getattr(self, name) or 0.0):
                raise UsageError(f"{name}={getattr(self, name)} does not work.", "A number, such as 0.05.")

    @property
    def last(self) -> int:
        """Gives `range_max`, or what stands for it."""
        takes_away = (self.max_score, self.absolute_margin, self.relative_margin) != (None, None, None)
        usual = self.range_min + self.number * (MORE_CANDIDATES if takes_away else 1)
        return self.range_max or usual


@dataclass
class Mined:
    """What was found.

    Attributes:
        negatives: of each anchor the numbers of documents, the nearest first.
        passed_over: rule -> candidates that it took away.
    """

    negatives: list[np.ndarray] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def mine(
    similarities: Iterator[np.ndarray], positives: Sequence[Sequence[int]], rules: MiningRules, never: Sequence[int]
) -> Mined:
    """Finds the negatives of anchors.

    Args:
        similarities: blocks [b, M] of anchors to all documents, N rows in all.
        positives: of each anchor the numbers of its positives; the least alike of them counts for margins.
        rules: which candidates are taken.
        never: of each anchor the number of a document that is the anchor itself; below 0 for none.
    """
    found, random = Mined(), np.random.default_rng(rules.seed)
    most = max(map(len, positives), default=0)
    rows = (row for block in similarities for row in block)
    for scores, own, same in zip(rows, positives, never, strict=True):
        near = _nearest(scores, rules.last + most + 1)
        near = near[~np.isin(near, [*own, same])]
        limits = _limits(float(scores[list(own)].min()), rules)
        for rule, (low, high) in limits.items():
            keeps = (scores[near] >= low) & (scores[near] <= high)
            found.passed_over[rule] += int((~keeps).sum())
            near = near[keeps]
        left = near[rules.range_min : rules.last]
        if rules.sampling == "random" and len(left) > rules.number:
            left = left[np.sort(random.permutation(len(left))[: rules.number])]
        found.negatives.append(left[: rules.number])
    return found


def _nearest(scores: np.ndarray, count: int) -> np.ndarray:
    """Gives the numbers of the largest scores, in order; of equal ones the first."""
    chosen = np.arange(len(scores))
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        chosen = np.flatnonzero(scores >= least)
    return chosen[np.argsort(-scores[chosen], kind="stable")][:count]


def _limits(positive: float, rules: MiningRules) -> dict[str, tuple[float, float]]:
    """Gives rule -> the lowest and highest similarity that it lets pass, where the positive has this one."""
    limits = {
        "absolute_margin": (-np.inf, positive - (rules.absolute_margin or 0.0)),
        "relative_margin": (-np.inf, positive - abs(positive) * (rules.relative_margin or 0.0)),
        "max_score": (-np.inf, np.inf if rules.max_score is None else rules.max_score),
        "min_score": (-np.inf if rules.min_score is None else rules.min_score, np.inf),
    }
    return {rule: limit for rule, limit in limits.items() if getattr(rules, rule) is not None}

"""The end of a run: our score beside the published one, and what the difference means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.finetune.recipes import Published

REACHED, WITHIN, BELOW = "reached", "within our 95 % interval", "below"
MEANINGS = {  # verdict on a score that can be compared -> what it means
    REACHED: "The published score is reached.",
    WITHIN: "Below the published score, but by less than chance explains: the two cannot be told apart.",
    BELOW: "Below the published score, by more than chance explains.",
}
NO_PUBLISHED = "No published score is known for this task and model."


@dataclass(frozen=True)
class Estimate:
    """A score in percent, and how sure it is.

    Attributes:
        values: one for each seed.
        rows: rows of the split, from which a single seed's interval is estimated.
    """

    values: tuple[float, ...]
    rows: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Sample deviation over the seeds; 0 for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    @property
    def half(self) -> float:
        """Half of the 95 % interval: Student's over the seeds; for one seed that of a share of `rows`."""
        count = len(self.values)
        if count > 1:
            from scipy.stats import t

            return float(t.ppf(0.975, count - 1)) * self.deviation / math.sqrt(count)
        share = min(max(self.mean / 100, 0.0), 1.0)
        return 196 * math.sqrt(share * (1 - share) / self.rows) if self.rows else 0.0

    def text(self) -> str:
        """91.28 +- 0.31 (3 seeds), or 91.28."""
        if len(self.values) == 1:
            return f"{self.mean:.2f}"
        return f"{self.mean:.2f} +- {self.deviation:.2f} ({len(self.values)} seeds)"


@dataclass(frozen=True)
class Comparison:
    """Our score beside a published one; `verdict` is reached, within the interval, below, or why there is none."""

    metric: str
    split: str
    ours: float
    published: float
    difference: float
    verdict: str
    source: str
    note: str

    def line(self) -> str:
        """One line for people."""
        note = f"; {self.note}" if self.note else ""
        return (
            f"{self.metric} on {self.split}: ours {self.ours:.2f}, published {self.published:.2f} "
            f"({self.source}{note}), difference {self.difference:+.2f}: {self.verdict}"
        )


def compare(published: Published, split: str, ours: Estimate, same_model: bool) -> Comparison:
    """Our score beside a published one.

    Args:
        split: of our score; another split than the published one's gets no verdict.
        same_model: the score was published for the model that was trained.
    """
    difference = ours.mean - published.score
    if not published.comparable:
        verdict = "not to be compared"
    elif not same_model:
        verdict = "another model"
    elif published.split not in (split, "not stated"):
        verdict = f"published on {published.split}"
    elif difference >= 0:
        verdict = REACHED
    else:
        verdict = WITHIN if -difference <= ours.half else BELOW
    return Comparison(
        published.metric, split, ours.mean, published.score, difference, verdict, published.source, published.note
    )


def summary(headline: str, split: str, ours: Estimate, comparisons: Sequence[Comparison]) -> str:
    """The one line at the end of a run: ours, published, difference, verdict."""
    for comparison in comparisons:
        if comparison.verdict in MEANINGS:
            return comparison.line()
    if comparisons:
        return comparisons[0].line()
    return f"{headline} on {split}: ours {ours.text()}, no published score is known for this task and model"

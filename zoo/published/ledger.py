"""Says of every published score what became of it here. Standard library only.

ours.csv holds what was measured, tolerances.csv how far that may be from the published score, ways.csv how a score
is measured, and models.csv which conversions are proven and what is missing beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from zoo import published
from zoo.published import Score

REPRODUCED, PROVEN, OPEN = "reproduced", "proven", "open"
STATES = {  # state -> what it means
    REPRODUCED: "measured here, within the tolerance",
    PROVEN: "the same network, losses and metric as the original's; it was not run",
    OPEN: "something is missing, or what was measured is another number",
}
KEY = ("model", "task", "language", "metric", "split", "protocol")


@dataclass(frozen=True)
class Ours:
    """What was measured here for a published score: in the same unit, and on which day (ISO)."""

    value: float
    date: str


@dataclass(frozen=True)
class Tolerance:
    """How far ours may be from a published score, and why; of a threshold in its own unit, else in points."""

    value: float
    reason: str


@dataclass(frozen=True)
class Way:
    """How a score is measured.

    Attributes:
        data: what the command reads, below the folder that holds all data sets.
        command: of `zoo`, without --data and --out.
    """

    data: str
    command: str


@dataclass(frozen=True)
class Claim:
    """A published score with its state.

    Attributes:
        state: one of STATES.
        reason: what is missing, or why ours may differ; a sentence.
        ours: None where nothing was measured.
    """

    score: Score
    state: str
    reason: str
    tolerance: Tolerance
    way: Way | None
    ours: Ours | None = None

    @property
    def difference(self) -> float | None:
        """Gives ours minus the published score; None where nothing was measured."""
        return self.ours.value - self.score.value if self.ours else None


def claims(scores: Iterable[Score] | None = None) -> tuple[Claim, ...]:
    """Gives the claims of these scores; of all by default."""
    known = measured()
    chosen = published.every() if scores is None else scores
    return tuple(judged(score, known.get(score.key)) for score in chosen)


def judged(score: Score, ours: Ours | None) -> Claim:
    """Gives the claim of a score for which this was measured."""
    tolerance, way = tolerance_of(score), way_of(score)
    if ours:
        within = abs(ours.value - score.value) <= tolerance.value
        reason = f"Within {tolerance.value:g}: {tolerance.reason}."
        if not within:
            reason = f"Measured, and further off than {tolerance.value:g}, which would be: {tolerance.reason}."
        return Claim(score, REPRODUCED if within else OPEN, reason, tolerance, way, ours)
    proof, missing = _model(score.model)
    if not score.comparable:
        return Claim(score, OPEN, f"Nothing to compare with: {score.note}.", tolerance, way)
    if proof and not way:
        return Claim(score, OPEN, "No recipe of the zoo leads there.", tolerance, way)
    return Claim(score, PROVEN if proof else OPEN, missing, tolerance, way)


def counts(found: Iterable[Claim]) -> dict[str, int]:
    """Gives state -> how many, in the order of STATES."""
    counted = Counter(claim.state for claim in found)
    return {state: counted[state] for state in STATES}


@lru_cache(maxsize=1)
def measured() -> dict[tuple[str, ...], Ours]:
    """Gives the key of a score -> what was measured, of ours.csv."""
    return {
        tuple(row[name] for name in KEY): Ours(float(row["ours"]), row["date"]) for row in published.read("ours")
    }


def way_of(score: Score) -> Way | None:
    """Gives how a score is measured; None where no command of the zoo leads to it."""
    for row in _rows("ways"):
        if _matches(row, (score.model, score.task, score.split)):
            if row[4].startswith("finetune") and not score.recipes:
                return None
            recipe = score.recipes[0] if score.recipes else ""
            return Way(row[3].format(task=score.task), row[4].format(model=score.model, recipe=recipe))
    return None


def tolerance_of(score: Score) -> Tolerance:
    """Gives how far ours may be from this score."""
    row = next(
        row for row in _rows("tolerances") if _matches(row, (score.task, score.split, score.language, score.metric))
    )
    return Tolerance(float(row[4]), row[5])


def proof_of(name: str) -> str:
    """Gives the report in conversion/reports that proves a model's conversion; "" without one."""
    return _model(name)[0]


def _model(name: str) -> tuple[str, str]:
    """Gives the report that proves a model's conversion, or "", and what is missing."""
    row = next(row for row in _rows("models") if _matches(row, (name,)))
    return row[1], row[2]


@lru_cache(maxsize=8)
def _rows(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row.values()) for row in published.read(name))


def _matches(row: Sequence[str], values: Sequence[str]) -> bool:
    """Whether the first fields of a row are patterns of these values; the first row that matches counts."""
    return all(fnmatchcase(value, pattern) for value, pattern in zip(values, row, strict=False))

"""Holds the scores of a task, by row and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.tasks.example import E, P

ALL_ROW = "all"
AVERAGE_ROW, GAP_ROW = "average", "transfer gap"
Rows = dict[str, dict[str, float]]  # row -> metric -> percent


@dataclass(frozen=True)
class Scores:
    """A table of metrics, all in percent.

    Attributes:
        rows: name of a row ("all", a language, "average", "transfer gap", "HasAns", a class) -> metric -> value.
            "average" is the plain mean of the languages' rows; "transfer gap" is the language of the training data
            minus the mean of the others.
        row, metric: where the headline is found.
    """

    rows: Rows
    row: str
    metric: str

    @property
    def value(self) -> float:
        """Gives the headline, which decides which checkpoint is the best one."""
        return self.rows[self.row][self.metric]


def by_language(
    measure: Callable[[Sequence[P], Sequence[E]], Rows],
    predictions: Sequence[P],
    examples: Sequence[E],
    metric: str,
    source: str,
) -> Scores:
    """Gives one row per language, their plain mean, and what transfer costs.

    Args:
        measure: gives the rows of one language.
        predictions, examples: one for one.
        metric: the headline.
        source: the language of the training data, when it is one.
    """
    places: dict[str, list[int]] = {}
    for n, example in enumerate(examples):
        places.setdefault(example.language, []).append(n)
    rows: dict[str, dict[str, float]] = {}
    for language, at in places.items():
        part = measure([predictions[n] for n in at], [examples[n] for n in at])
        rows[language] = part[ALL_ROW]
    names = list(rows[next(iter(rows))])
    out = {**rows, AVERAGE_ROW: {m: float(np.mean([r[m] for r in rows.values()])) for m in names}}
    others = [r for language, r in rows.items() if language != source]
    if source in rows and others:
        out[GAP_ROW] = {m: rows[source][m] - float(np.mean([r[m] for r in others])) for m in names}
    return Scores(out, AVERAGE_ROW, metric)

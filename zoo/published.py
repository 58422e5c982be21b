"""Gives every published score that the zoo knows: which model, which data, who published it. Standard library only.

The rows stand in published.csv: model, task, language, metric, split, score in percent, whether it may be compared,
the recipes that aim at it, where it was published, and what a reader must know of it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources


@dataclass(frozen=True)
class Score:
    """A published number.

    Attributes:
        model: name of the card, or of the repository that the recipes name.
        task: data set, as `zoo finetune --task list` names it where the zoo has it.
        language: code, such as "de"; of a pair "en/de"; empty for a mean, or where there is one language.
        metric: as the task names it.
        split: "dev", "test" or "not stated".
        value: in percent.
        comparable: False for a number that may stand beside ours without a verdict; `note` says why.
        recipes: names of the recipes whose settings lead to it.
        source: where it was published.
        note: what a reader must know to compare with it.
    """

    model: str
    task: str
    language: str
    metric: str
    split: str
    value: float
    comparable: bool
    recipes: tuple[str, ...]
    source: str
    note: str


@lru_cache(maxsize=1)
def scores() -> tuple[Score, ...]:
    """Gives every score, in the order of the file."""
    text = resources.files("zoo").joinpath("published.csv").read_text("utf-8")
    return tuple(
        Score(
            row["model"],
            row["task"],
            row["language"],
            row["metric"],
            row["split"],
            float(row["score"]),
            row["comparable"] != "no",
            tuple(row["recipes"].split()),
            row["source"],
            row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def of_model(name: str) -> tuple[Score, ...]:
    """Gives the scores of a model, by the name of its card."""
    return tuple(score for score in scores() if score.model == name)


def of_recipe(name: str) -> tuple[Score, ...]:
    """Gives the scores that a recipe aims at."""
    return tuple(score for score in scores() if name in score.recipes)

"""Gives every published score that the zoo knows: which model, what data, who said so. Standard library only.

Two files hold them: papers.csv those of papers, model cards and tutorials, mteb.csv those of mteb's results.
`zoo.published.ledger` says what became of them here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

# What all rows of mteb.csv share.
MTEB_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
MTEB_PROTOCOL = "mteb 1.12.75"
MTEB_SOURCE = "embeddings-benchmark/results, f4cc6c8"


@dataclass(frozen=True)
class Score:
    """A published number.

    Attributes:
        model: name of the card, or of the repository that published it.
        task: data set, as `zoo finetune --task list` or `zoo evaluate` names it where the zoo has it.
        language: code, such as "de"; of a pair "en/de"; empty for a mean, or where there is one language.
        metric: as the task names it.
        split: "dev", "test" or "not stated".
        value: in percent; a metric that ends in -threshold is a similarity or a distance.
        comparable: False for a number that may stand beside ours without a verdict; `note` says why.
        recipes: names of the recipes whose settings lead to it, the one that reproduces it first.
        source: where it was published.
        note: what a reader must know to compare with it.
        protocol: how it was obtained, such as "zero-shot"; tells two numbers of one task apart.
        certainty: "sure", "from memory", "read off a figure" or "order inferred".
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
    protocol: str
    certainty: str

    @property
    def key(self) -> tuple[str, ...]:
        """Gives what no two scores share."""
        return (self.model, self.task, self.language, self.metric, self.split, self.protocol)


@lru_cache(maxsize=1)
def scores() -> tuple[Score, ...]:
    """Gives the scores of papers, model cards and tutorials, in the order of papers.csv."""
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
            row["protocol"],
            row["certainty"],
        )
        for row in read("papers")
    )


@lru_cache(maxsize=1)
def mteb() -> tuple[Score, ...]:
    """Gives the scores that mteb's results hold, in the order of mteb.csv."""
    return tuple(
        Score(
            MTEB_MODEL,
            row["task"],
            row["language"],
            row["metric"],
            row["split"],
            float(row["score"]),
            True,
            (),
            MTEB_SOURCE,
            "",
            MTEB_PROTOCOL,
            "sure",
        )
        for row in read("mteb")
    )


def every() -> tuple[Score, ...]:
    """Gives all scores: those of papers, then mteb's."""
    return (*scores(), *mteb())


def of_model(name: str) -> tuple[Score, ...]:
    """Gives the scores of a model, by the name of its card; mteb's apart, which are thousands."""
    return tuple(score for score in scores() if score.model == name)


def of_recipe(name: str) -> tuple[Score, ...]:
    """Gives the scores that a recipe aims at."""
    return tuple(score for score in scores() if name in score.recipes)


def of_task(model: str, task: str, split: str) -> tuple[Score, ...]:
    """Gives the scores of a model on one split of a task, mteb's among them."""
    return tuple(s for s in every() if (s.model, s.task, s.split) == (model, task, split))


def read(name: str) -> Iterator[dict[str, str]]:
    """Gives the rows of one of the files in this folder, by its name without .csv."""
    text = resources.files("zoo.published").joinpath(f"{name}.csv").read_text("utf-8")
    return csv.DictReader(text.splitlines())

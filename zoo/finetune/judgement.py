"""A split as token ids, and what a network made of it: answers and scores. Imports no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np

from zoo.tasks import Example, Features, Scores, Task
from zoo.tasks.labels import NO_GOLD


@dataclass
class Split:
    """A split of a data set, ready for a network.

    Attributes:
        name: train, dev or test.
    """

    name: str
    examples: list[Example]
    features: Features


@dataclass(frozen=True)
class Judgement:
    """What a network made of a split.

    Attributes:
        task: with what was chosen on this split, such as a threshold.
        loss: mean over rows; NaN for vectors, whose loss depends on which of them stand together.
        outputs: of heads whose answers do not say how sure they are, name -> one array per row; else empty.
    """

    task: Task
    answers: list[Any]
    scores: Scores
    loss: float
    outputs: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)

    def flat(self) -> dict[str, float]:
        """The headline row, and the loss where there is one."""
        return {**self.scores.rows[self.scores.row], **({} if isnan(self.loss) else {"loss": self.loss})}


def with_gold(examples: Sequence[Example]) -> list[Example]:
    """Gives the examples that say what is right; none where all say -1, as test sets without answers do."""
    names = [name for name in ("label", "tags", "answers", "target") if hasattr(examples[0], name)]
    kept = [example for example in examples if all(getattr(example, name) is not None for name in names)]
    marked = {str(getattr(example, "label", "")) for example in kept} in ({NO_GOLD}, {f"{NO_GOLD}.0"})
    return [] if marked else kept


def confusion(labels: Sequence[str], gold: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """[C, C] counts, gold by answer."""
    index = {label: n for n, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, ([index[g] for g in gold], [index[a] for a in answers]), 1)
    return counts

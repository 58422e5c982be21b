"""Scores pairs of sentences by the cosine of their vectors: what guards the export of a sentence model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo import metrics
from zoo.metrics.pairs import compared
from zoo.tasks.base import Outputs
from zoo.tasks.classification import Classification, TextExample
from zoo.tasks.features import Features
from zoo.tasks.glue import TASKS as GLUE_TASKS
from zoo.tasks.retrieval import sides_of, two_sided
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer


@dataclass(frozen=True, kw_only=True)
class SentencePairs(Classification):
    """A task whose files are those of a regression, and whose answers are cosines of two embeddings."""

    head: ClassVar[str] = "embedding"
    trains: ClassVar[bool] = False

    def encode(self, examples: list[TextExample], tokenizer: Tokenizer, max_length: int) -> Features:
        return two_sided([e.text for e in examples], [e.pair or "" for e in examples], tokenizer, max_length)

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample]
    ) -> list[str | float]:
        """Gives the cosine of each pair."""
        first, second = sides_of(outputs, features)
        return [float(cosine) for cosine in compared(first, second, "cosine")]

    def measure(
        self, predictions: Sequence[str | float], examples: Sequence[TextExample]
    ) -> dict[str, dict[str, float]]:
        gold, cosines = [e.label for e in examples], np.asarray(predictions, np.float64)
        scores = {
            "cosine-spearman": metrics.spearman(gold, cosines),
            "cosine-pearson": metrics.pearson(gold, cosines),
        }
        return {ALL_ROW: scores}


STSB = next(task for task in GLUE_TASKS if task.name == "stsb")
TASKS = (
    SentencePairs(
        **{f.name: getattr(STSB, f.name) for f in fields(STSB)}
        | {"name": "stsb-sts", "metrics": ("cosine-spearman", "cosine-pearson"), "max_length": 512}
    ),
)

"""Reads and scores a query with passages that answer it or do not: what a cross-encoder learns to rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.tasks.classification import Classification, TextExample
from zoo.tasks.rows import Row
from zoo.tasks.scores import ALL_ROW
from zoo.tasks.text_pairs import each_of, texts_of

RERANK_METRICS = ("ndcg@10", "mrr@10", "map")
SCORE_NAMES = {"map": "map@1000"}  # ours -> that of `metrics.ranking_scores`, where it is another


@dataclass(frozen=True, kw_only=True)
class Reranking(Classification):
    """A task with a number for each pair of query and passage, 0 (no answer) to 1; rows of a query are a ranking.

    The metrics look at the passages that each query of the split has; queries without a right one are left out.

    Attributes:
        negatives: columns of wrong passages, where a row has the right one in `pair` and no label: it stands for
            a row each.
    """

    negatives: tuple[str, ...] = ()
    metrics: tuple[str, ...] = RERANK_METRICS
    bounds: tuple[float, float] | None = (0.0, 1.0)
    max_length: int = 512

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        rows = super().open(files, split)
        if not self.negatives:
            return each_of(rows, self.pair, self.label)
        return self._labelled(rows)

    def _labelled(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Gives a row with a label for each passage."""
        for row in rows:
            right = list(texts_of(row, self.pair))
            if not right:
                raise row.error(f"no text in {self.pair!r}.", "Each row needs a passage that answers.")
            wrong = [text for column in self.negatives for text in texts_of(row, column)]
            for text, label in [*((t, 1.0) for t in right), *((t, 0.0) for t in wrong)]:
                yield row._replace(values={**row.values, self.pair: text, self.label: label})

    def group(self, example: TextExample) -> str:
        return example.text

    def measure(
        self, predictions: Sequence[str | float], examples: Sequence[TextExample]
    ) -> dict[str, dict[str, float]]:
        rows: dict[str, list[tuple[float, float]]] = {}
        for found, example in zip(predictions, examples, strict=True):
            rows.setdefault(example.text, []).append((float(found), float(example.label or 0)))
        gains, relevant = [], []
        for pairs in rows.values():
            scores, labels = np.array(pairs).T
            if labels.any():
                gains.append(labels[np.lexsort((labels, -scores))])  # of equal scores the worse passage first
                relevant.append(labels[labels > 0])
        if not relevant:
            raise InputError(
                "No query has a passage with a label above 0: there is nothing to score.", "Are the labels right?"
            )
        scores_of_all = metrics.ranking_scores(gains, relevant)
        return {ALL_ROW: {name: float(scores_of_all[SCORE_NAMES.get(name, name)]) for name in self.metrics}}

    suffix: ClassVar[str] = ".tsv"

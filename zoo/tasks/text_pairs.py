"""Reads, encodes and scores texts that belong together: what a model of sentence embeddings learns from.

A row is an anchor (a query, say) and its positive; with negatives, or with a number for how alike the two are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo import metrics
from zoo.metrics.pairs import compared
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, token_columns
from zoo.tasks.rows import Row, finite, shown
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

BLOCK_ROWS = 1024  # anchors whose similarities to all documents are held at once
CUT = 10  # ranks that NDCG and MRR look at
RANKED_METRICS = ("ndcg@10", "mrr@10", "accuracy@1")
TRIPLET_METRIC = "triplet-accuracy"
SCORED_METRICS = ("spearman", "pearson")
Place = tuple[int, int]


@dataclass(frozen=True)
class PairExample(Example):
    """An anchor and its positive; texts that do not fit the anchor; how alike the two are, where that is known."""

    anchor: str
    positive: str
    negatives: tuple[str, ...] = ()
    score: float | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Gives all of them, the anchor first, then the positive."""
        return self.anchor, self.positive, *self.negatives


@dataclass(frozen=True, kw_only=True)
class TextPairs(Task[PairExample, float | Place]):
    """A task whose answer is where the positive stands among all documents of the split, or a cosine.

    Documents are the positives and negatives, each text once; other positives of the same anchor are passed over,
    and of equal similarities the positive comes last. Metrics of scored pairs are correlations of the cosines.

    Attributes:
        anchor, positive: columns. A value of the second may be a list: a row for each.
        negatives: columns of texts that do not fit; a value may be a list, or empty.
        score_column: that of the number; "" for none.
        prompts: what stands before anchors, and before the other texts.
    """

    anchor: str = "anchor"
    positive: str = "positive"
    negatives: tuple[str, ...] = ()
    score_column: str = ""
    prompts: tuple[str, str] = ("", "")
    max_length: int = 512

    head: ClassVar[str] = "embedding"

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        return each_of(super().open(files, split), self.positive)

    def example(self, row: Row, split: str, language: str = "") -> PairExample:
        negatives = tuple(text for column in self.negatives for text in texts_of(row, column))
        if self.negatives and not negatives:
            raise row.error(f"no text in {' or '.join(map(repr, self.negatives))}.", "Each row needs a negative.")
        score = finite(row, self.score_column) if self.score_column else None
        return PairExample(str(row.line), row.text(self.anchor), row.text(self.positive), negatives, score)

    def group(self, example: PairExample) -> str:
        return example.anchor

    def encode(self, examples: list[PairExample], tokenizer: Tokenizer, max_length: int) -> Features:
        """Gives a row for each text, example by example; the note `place` counts those of an example from 0."""
        before = (self.prompts[0], *(self.prompts[1] for _ in range(max(len(e.texts) for e in examples) - 1)))
        texts = [prompt + text for e in examples for prompt, text in zip(before, e.texts, strict=False)]
        rows = tokenizer(texts, max_length=max_length, padding=False)
        columns = token_columns(rows)
        counts = [len(e.texts) for e in examples]
        place = np.concatenate([np.arange(count) for count in counts])
        return Features(
            columns, np.repeat(np.arange(len(examples)), counts), {"place": place}, tokenizer.pad_token_id or 0
        )

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[PairExample]
    ) -> list[float | Place]:
        """Gives cosines of scored pairs; else the positive's rank among all documents and among the own negatives.

        From `embeddings` [D] of each text; ranks count from 1.
        """
        vectors = np.stack([np.asarray(v, np.float32) for v in outputs["embeddings"]])
        firsts = np.flatnonzero(np.asarray(features.notes["place"]) == 0)
        if self.score_column:
            return [float(c) for c in compared(vectors[firsts], vectors[firsts + 1], "cosine")]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return list(_places(vectors, firsts, examples))

    def measure(
        self, predictions: Sequence[float | Place], examples: Sequence[PairExample]
    ) -> dict[str, dict[str, float]]:
        if self.score_column:
            gold = [e.score for e in examples]
            found = np.asarray(predictions, np.float64)
            return {ALL_ROW: {name: metrics.TEXT_METRICS[name](gold, found, None) for name in self.metrics}}
        ranks, own = np.asarray(predictions, np.float64).T
        near = ranks <= CUT
        values = {
            "ndcg@10": np.where(near, 1 / np.log2(ranks + 1), 0.0),
            "mrr@10": np.where(near, 1 / ranks, 0.0),
            "accuracy@1": ranks == 1,
            TRIPLET_METRIC: own == 1,
        }
        return {ALL_ROW: {name: 100 * float(np.mean(values[name])) for name in self.metrics}}

    suffix: ClassVar[str] = ".tsv"

    def lines(
        self, predictions: Sequence[float | Place], examples: Sequence[PairExample], split: str
    ) -> Iterator[str]:
        yield "id\tcosine" if self.score_column else "id\trank"
        for example, found in zip(examples, predictions, strict=True):
            yield f"{example.id}\t{found[0] if isinstance(found, tuple) else f'{found:.6f}'}"


def _places(vectors: np.ndarray, firsts: np.ndarray, examples: Sequence[PairExample]) -> Iterator[Place]:
    """Gives both ranks of each positive, from vectors of length 1 [S, D]; firsts: [N], each anchor's row."""
    number: dict[str, int] = {}  # of a document
    rows: list[int] = []  # of its first copy
    positives: dict[str, set[int]] = {}
    for first, example in zip(firsts.tolist(), examples, strict=True):
        for at, text in enumerate(example.texts[1:], 1):
            if number.setdefault(text, len(rows)) == len(rows):
                rows.append(first + at)
        positives.setdefault(example.anchor, set()).add(number[example.positive])
    documents = vectors[rows]
    for start in range(0, len(examples), BLOCK_ROWS):
        table = vectors[firsts[start : start + BLOCK_ROWS]] @ documents.T
        for scores, example in zip(table, examples[start : start + BLOCK_ROWS], strict=True):
            wanted = scores[number[example.positive]]
            own = sum(bool(scores[number[text]] >= wanted) for text in example.negatives)
            others = positives[example.anchor] - {number[example.positive]}
            better = int((scores >= wanted).sum()) - sum(bool(scores[n] >= wanted) for n in others)
            yield better, 1 + own


def each_of(rows: Iterable[Row], column: str, *beside: str) -> Iterator[Row]:
    """Gives a row for each item of a row whose column is a list; lists in `beside` must be as long."""
    for row in rows:
        value = row.values.get(column)
        if not isinstance(value, list):
            yield row
            continue
        lists = {name: row.values[name] for name in beside if isinstance(row.values.get(name), list)}
        for name, other in lists.items():
            if len(other) != len(value):
                raise row.error(f"{len(value)} items in {column!r} and {len(other)} in {name!r}.", "One for each.")
        for n, item in enumerate(value):
            own: dict[str, Any] = {column: item, **{name: other[n] for name, other in lists.items()}}
            yield row._replace(values={**row.values, **own})


def texts_of(row: Row, column: str) -> Iterator[str]:
    """Gives the texts of a column whose value is one, a list of them, or nothing."""
    value = row.values.get(column)
    for text in value if isinstance(value, list) else [value]:
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise row.error(f"{column!r} must be text and is {shown(text)}.")
        yield text

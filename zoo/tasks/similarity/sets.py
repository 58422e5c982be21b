"""Holds what is embedded and compared: queries and documents, translations, pairs, candidates; and scores it.

Each set gives its texts by side, and computes its scores from their vectors. Legend: D numbers of a vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from zoo import metrics

QUERY, DOCUMENT, PLAIN = "query", "document", ""  # whose prompt a text gets
TUNED_ON = "tuned on: "  # before the sides of the set on which a threshold is chosen

Vectors = Mapping[str, np.ndarray]  # side -> [N, D] float32, a row for each of its texts


class Side(NamedTuple):
    """Texts of one side, and whose prompt they get: QUERY, DOCUMENT or PLAIN."""

    texts: Sequence[str]
    role: str = PLAIN


class Measure(NamedTuple):
    """How the model compares vectors.

    Attributes:
        name: "cosine", "dot", "euclidean" or "manhattan".
        table: [N, D], [M, D] -> [N, M]; the more alike the larger.
    """

    name: str
    table: Callable[[np.ndarray, np.ndarray], np.ndarray]


class SimilarityData(ABC):
    """A set of texts with what is right."""

    @property
    @abstractmethod
    def sides(self) -> Mapping[str, Side]:
        """Gives name of a side -> its texts."""

    @abstractmethod
    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        """Computes metric -> value from the vectors of the sides; percent, but for thresholds."""


@dataclass(frozen=True)
class Retrieval(SimilarityData):
    """Queries whose documents are to be found.

    Attributes:
        queries, corpus: id -> text.
        relevant: query's id -> document's id -> relevance, above 0.
    """

    queries: Mapping[str, str]
    corpus: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]

    @property
    def sides(self) -> Mapping[str, Side]:
        return {
            "queries": Side(list(self.queries.values()), QUERY),
            "corpus": Side(list(self.corpus.values()), DOCUMENT),
        }

    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        ids, names = list(self.corpus), list(self.queries)
        gains, ideals = [], []
        ranking = metrics.rank(vectors["queries"], vectors["corpus"], ids, measure.name)
        for name, ranked in zip(names, ranking, strict=True):
            wanted = self.relevant[name]
            gains.append(np.array([wanted.get(ids[n], 0.0) for n in ranked]))
            ideals.append(list(wanted.values()))
        return metrics.ranking_scores(gains, ideals)


@dataclass(frozen=True)
class Bitext(SimilarityData):
    """Sentences and their translations, number n of one side that of number n of the other.

    For each sentence the most alike one of the other side is found; `back` is the other direction.
    """

    source: Sequence[str]
    target: Sequence[str]

    @property
    def sides(self) -> Mapping[str, Side]:
        return {"source": Side(self.source), "target": Side(self.target)}

    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        gold = np.arange(len(self.source))
        there = metrics.nearest(vectors["source"], vectors["target"], measure.name)
        back = metrics.nearest(vectors["target"], vectors["source"], measure.name)
        made = metrics.bitext_scores(there, gold)
        return made | {f"back-{name}": value for name, value in metrics.bitext_scores(back, gold).items()}


@dataclass(frozen=True)
class Mining(SimilarityData):
    """Sentences of two languages of which some are translations (BUCC): pairs are mined by ratio margin.

    Attributes:
        source, target: id -> sentence.
        gold: pairs of ids.
        tuned_on: the set on which the threshold is chosen; this one, where there is no other.
        repeated: ids, of both sides, of sentences that the data has twice; a mined pair with one is left out.
    """

    source: Mapping[str, str]
    target: Mapping[str, str]
    gold: frozenset[tuple[str, str]]
    tuned_on: Mining | None = None
    repeated: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    @property
    def sides(self) -> Mapping[str, Side]:
        own = {"source": Side(list(self.source.values())), "target": Side(list(self.target.values()))}
        other = self.tuned_on.sides if self.tuned_on else {}
        return own | {f"{TUNED_ON}{name}": side for name, side in other.items()}

    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        mined = self._mined(vectors)
        best = metrics.best_margin(mined, self.gold)
        chosen = best
        if self.tuned_on:
            other = self.tuned_on._mined(vectors, TUNED_ON)
            chosen = metrics.best_margin(other, self.tuned_on.gold)
        scores = metrics.mining_scores(mined, self.gold, chosen)
        return scores | {"best-f1": metrics.mining_scores(mined, self.gold, best)["f1"]}

    def _mined(self, vectors: Vectors, prefix: str = "") -> list[tuple[tuple[str, str], float]]:
        first, second = list(self.source), list(self.target)
        found = metrics.mined_pairs(vectors[f"{prefix}source"], vectors[f"{prefix}target"])
        pairs = [((first[a], second[b]), score) for a, b, score in found]
        return [(pair, score) for pair, score in pairs if not any(map(frozenset.__contains__, self.repeated, pair))]


@dataclass(frozen=True)
class Pairs(SimilarityData):
    """Pairs of texts with a number: how alike they are, or 1 for alike and 0 for not.

    Attributes:
        first, second: [N] texts.
        gold: [N].
        binary: whether gold is 1 or 0, and a threshold is looked for; else similarities are correlated with it.
    """

    first: Sequence[str]
    second: Sequence[str]
    gold: Sequence[float]
    binary: bool = False

    @property
    def sides(self) -> Mapping[str, Side]:
        return {"first": Side(self.first), "second": Side(self.second)}

    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        compute = metrics.pair_scores if self.binary else metrics.correlations
        return compute(vectors["first"], vectors["second"], np.asarray(self.gold), measure.name)


@dataclass(frozen=True)
class Reranking(SimilarityData):
    """Queries that bring their candidates along.

    Attributes:
        queries: [N] texts.
        candidates: [N] lists of texts.
        relevant: [N] lists of 1 or 0.
    """

    queries: Sequence[str]
    candidates: Sequence[Sequence[str]]
    relevant: Sequence[Sequence[int]] = field(default=())

    @property
    def sides(self) -> Mapping[str, Side]:
        flat = [text for texts in self.candidates for text in texts]
        return {"queries": Side(self.queries, QUERY), "candidates": Side(flat, DOCUMENT)}

    def scores(self, vectors: Vectors, measure: Measure) -> dict[str, float]:
        scores, at = [], 0
        for query, texts in zip(vectors["queries"], self.candidates, strict=True):
            scores.append(measure.table(query[None], vectors["candidates"][at : at + len(texts)])[0])
            at += len(texts)
        return metrics.reranking_scores(scores, [np.asarray(each) for each in self.relevant])

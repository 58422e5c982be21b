"""An index over a corpus: a graph that finds nearly all nearest vectors after looking at few. Needs usearch."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from zoo import files
from zoo.errors import InputError, UsageError, to_install
from zoo.files import quote
from zoo.search.codes import Code
from zoo.search.compare import check_similarity
from zoo.search.exact import Found
from zoo.search.vectors import Corpus, blocks

METRICS = {"cosine": "Cos", "dot": "IP", "euclidean": "L2sq"}  # similarity -> usearch's name of its distance
LEAST_LOOKED_AT = 256  # vectors that a search follows in the graph; as many as are wanted where that is more


class Index:
    """A graph over the vectors of a corpus (HNSW), to be given to `semantic_search` in the corpus's place.

    Args:
        graph: usearch's index.
        similarity: of METRICS.
    """

    def __init__(self, graph: Any, similarity: str) -> None:
        self.graph, self.similarity = graph, similarity

    @classmethod
    def build(cls, corpus: Corpus, similarity: str = "cosine") -> Index:
        """Adds every vector of a corpus to a new index, which holds them in memory.

        Args:
            corpus: float vectors, as `semantic_search` takes them.
            similarity: "cosine", "dot" or "euclidean".

        Raises:
            InputError: there is no vector, or one that does not fit.
            UsageError: usearch is not installed, or another similarity.
        """
        check_similarity(similarity)
        if similarity not in METRICS:
            raise UsageError(f"An index has no similarity {quote(similarity)}.", f"One of {', '.join(METRICS)}.")
        usearch = _usearch()
        graph: Any = None
        for block in blocks(corpus):
            if graph is None:
                metric = getattr(usearch.MetricKind, METRICS[similarity])
                graph = usearch.Index(ndim=block.shape[1], metric=metric, dtype="f32")
                code = Code("float32", block.shape[1], block.shape[1])
            vectors = code.vectors(block)
            if not np.isfinite(vectors).all():
                row = len(graph) + int(np.argmin(np.isfinite(vectors).all(axis=1)))
                raise InputError(f"Vector {row} of the corpus has a number that is not finite.", "Leave it out.")
            graph.add(np.arange(len(graph), len(graph) + len(vectors), dtype=np.uint64), vectors)
        if graph is None:
            raise InputError("There is no vector to build an index of.", "Give one or more.")
        return cls(graph, similarity)

    @classmethod
    def open(cls, file: str | os.PathLike[str]) -> Index:
        """Maps the file of an index into memory. Open only files that you wrote: usearch trusts them.

        Raises:
            InputError: it is no index.
            UsageError: usearch is not installed.
        """
        usearch, name = _usearch(), quote(os.fspath(file), 200)
        if not os.path.isfile(file):
            raise InputError(f"There is no file {name}.", "Index.build(vectors).save(FILE) writes one.")
        try:
            graph = usearch.Index.restore(os.fspath(file), view=True)
        except (OSError, RuntimeError, ValueError):
            graph = None
        known = {getattr(usearch.MetricKind, metric): similarity for similarity, metric in METRICS.items()}
        if graph is None or graph.metric not in known:
            raise InputError(f"{name} is no index of vectors.", "Index.build(vectors).save(FILE) writes one.")
        return cls(graph, known[graph.metric])

    def save(self, file: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Writes the index with its vectors; the file is whole or not there.

        Raises:
            UsageError: the file is there (without `overwrite`), or cannot be written.
            DiskError: the disk is full.
        """
        with files.new_file(file, replace=overwrite) as made:
            self.graph.save(os.fspath(made))

    def __len__(self) -> int:
        return len(self.graph)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.graph.ndim)

    def search(self, queries: np.ndarray, count: int) -> Found:
        """Finds rows that are most alike to queries, float32 [N, D]; the row -1 where fewer are found.

        Raises:
            InputError: the queries have another width.
        """
        if queries.shape[1] != self.width:
            raise InputError(
                f"A query has {queries.shape[1]} numbers, and a vector of the index {self.width}.",
                "Both must come from the same model.",
            )
        count = min(count, len(self))
        self.graph.expansion_search = max(LEAST_LOOKED_AT, count)
        found = self.graph.search(queries, count)
        rows = np.reshape(found.keys, (len(queries), -1)).astype(np.int64)
        distances = np.reshape(found.distances, rows.shape).astype(np.float32)
        counts = np.reshape(getattr(found, "counts", rows.shape[1]), (-1, 1))
        there = np.arange(rows.shape[1]) < counts
        scores = -np.sqrt(np.maximum(distances, 0)) if self.similarity == "euclidean" else 1 - distances
        rows, scores = np.where(there, rows, -1), np.where(there, scores, -np.inf).astype(np.float32)
        order = np.lexsort((rows, -scores), axis=-1)
        return Found(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def _usearch() -> Any:
    try:
        import usearch.index
    except ImportError:
        raise UsageError("An index needs the package usearch.", to_install("index")) from None
    return usearch.index

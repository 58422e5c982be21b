"""Finds the vectors that are nearest to others: exactly in blocks, by small codes, or by an index.

    from zoo.search import quantize_embeddings, semantic_search

    semantic_search(queries, "vectors.npy", top_k=10)               # [[{"corpus_id": 7, "score": .83}, ...], ...]
    codes = quantize_embeddings(vectors, "ubinary")                 # a bit for each number
    semantic_search(queries, codes, corpus_precision="ubinary", rescore_embeddings="vectors.npy")

numpy in, numpy out; nothing here knows a network. Names and codes are those of sentence-transformers.
Legend: N queries, M vectors of the corpus, D numbers of a vector, K results.
"""

from __future__ import annotations

from zoo.lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo.search.codes import calibrate as calibrate
    from zoo.search.codes import quantize_embeddings as quantize_embeddings
    from zoo.search.compare import similarities as similarities
    from zoo.search.compare import truncate_embeddings as truncate_embeddings
    from zoo.search.exact import Found as Found
    from zoo.search.index import Index as Index
    from zoo.search.semantic import Match as Match
    from zoo.search.semantic import nearest as nearest
    from zoo.search.semantic import semantic_search as semantic_search

_HOMES = {
    "Found": "zoo.search.exact",
    "Index": "zoo.search.index",
    "Match": "zoo.search.semantic",
    "calibrate": "zoo.search.codes",
    "nearest": "zoo.search.semantic",
    "quantize_embeddings": "zoo.search.codes",
    "semantic_search": "zoo.search.semantic",
    "similarities": "zoo.search.compare",
    "truncate_embeddings": "zoo.search.compare",
}

__all__ = [*_HOMES]

__getattr__, __dir__ = attach(__name__, _HOMES)

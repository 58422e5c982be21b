"""Finds the vectors of a corpus that are most alike to queries; codes are gone over again with finer vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict

import numpy as np

from zoo.errors import InputError, UsageError, whole
from zoo.search.codes import Code, bit_similarities, quantize_embeddings
from zoo.search.compare import check_similarity, similarities
from zoo.search.exact import Found, scan
from zoo.search.index import Index
from zoo.search.vectors import Corpus, blocks, take

RESCORED_ROWS = 16_384  # vectors that are gone over at once


class Match(TypedDict):
    """A vector that was found: its number from 0, and its similarity."""

    corpus_id: int
    score: float


def semantic_search(
    query_embeddings: np.ndarray | Sequence[np.ndarray],
    corpus_embeddings: Corpus | Index,
    top_k: int = 10,
    similarity: str | None = None,
    **options: Any,
) -> list[list[Match]]:
    """Finds for each query the vectors of a corpus that are most alike.

    Exact unless the corpus has codes or is an `Index`: every vector is compared, in blocks, so memory does not grow
    with the corpus. Of equal scores the lower number comes first.

    Args:
        query_embeddings: float [N, D], or one vector [D].
        corpus_embeddings: [M, D], a .npy file or several, which are mapped and never read whole, an iterable of
            blocks [B, D] or of vectors [D], which is read once, or an `Index`.
        top_k: how many.
        similarity: "cosine", "dot", "euclidean" or "manhattan"; distances are negative. None for that of the index,
            or "cosine".
        options: of `nearest`: codes, rescoring, shorter vectors.

    Returns:
        For each query a list of {"corpus_id", "score"}, best first.

    Raises:
        InputError: vectors that do not fit, or are not finite.
        UsageError: an option that does not work.

    Example:
        >>> import numpy as np
        >>> corpus = np.eye(4, 16, dtype=np.float32)
        >>> [found["corpus_id"] for found in semantic_search(corpus[2], corpus, top_k=2)[0]]
        [2, 0]
    """
    found = nearest(query_embeddings, corpus_embeddings, top_k, similarity, **options)
    pairs = zip(found.rows.tolist(), found.scores.tolist(), strict=True)
    return [[Match(corpus_id=n, score=s) for n, s in zip(*row, strict=True) if n >= 0] for row in pairs]


def nearest(
    query_embeddings: np.ndarray | Sequence[np.ndarray],
    corpus_embeddings: Corpus | Index,
    top_k: int = 10,
    similarity: str | None = None,
    *,
    corpus_precision: str = "float32",
    ranges: np.ndarray | None = None,
    rescore: bool = True,
    rescore_multiplier: int = 4,
    rescore_embeddings: Corpus | None = None,
    truncate_dim: int | None = None,
) -> Found:
    """Does what `semantic_search` does, in arrays.

    Args:
        query_embeddings, corpus_embeddings, top_k, similarity: as there.
        corpus_precision: how the vectors are stored, as `quantize_embeddings` has it.
        ranges: of int8 and uint8 codes, as they were made with.
        rescore: go over what was found by bits with the query's own numbers, or over all that was found with
            `rescore_embeddings`.
        rescore_multiplier: times `top_k` vectors are gone over.
        rescore_embeddings: finer vectors of the same corpus, float or int8 codes (of `ranges`); only those that
            are needed are read.
        truncate_dim: compare the first numbers only. A cosine divides by the length of what is left.

    Returns:
        rows [N, K] and scores [N, K]; K is the smaller of `top_k` and M. An index that finds fewer rows for a query
        fills up with the row -1.

    Raises:
        InputError, UsageError: as `semantic_search`.
    """
    queries = _queries(query_embeddings)
    count, times = whole("top_k", top_k), whole("rescore_multiplier", rescore_multiplier)
    similarity = _similarity_of(corpus_embeddings, similarity)
    width = queries.shape[1]
    keep = width if truncate_dim is None else whole("truncate_dim", truncate_dim)
    code = Code(corpus_precision, width, keep, ranges)
    finer = rescore_embeddings if rescore_embeddings is not None else corpus_embeddings if code.of_bits else None
    finer = finer if rescore else None
    if isinstance(finer, Iterator):
        raise UsageError(
            "A generator's vectors are read once, and rescoring reads some again.",
            "Give files or an array, or rescore=False.",
        )
    wanted = count if finer is None else count * times
    queries = queries[:, :keep]
    if isinstance(corpus_embeddings, Index):
        if code.precision != "float32" or keep != width:
            raise UsageError("An index was built with its precision and width.", "Build another one.")
        found = corpus_embeddings.search(queries, wanted)
    elif code.of_bits:
        bits = quantize_embeddings(queries, "ubinary")
        codes = map(code.codes, blocks(corpus_embeddings))
        found = scan(bits, codes, lambda a, b: bit_similarities(a, b, keep), wanted)
    else:
        vectors = map(code.vectors, blocks(corpus_embeddings))
        found = scan(queries, vectors, lambda a, b: similarities(a, b, similarity), wanted)
    if finer is None or not found.rows.size:
        return found
    assert not isinstance(finer, Index)

    def vectors_of(stored: np.ndarray) -> np.ndarray:
        precision = "float32" if stored.dtype.kind == "f" else str(stored.dtype)
        own = code if rescore_embeddings is None else Code(precision, width, keep, ranges)
        return own.vectors(stored)

    return _rescored(found, queries, lambda rows: vectors_of(take(finer, rows)), similarity, count)


def _similarity_of(corpus: Corpus | Index, asked: str | None) -> str:
    own = corpus.similarity if isinstance(corpus, Index) else "cosine"
    if asked is None:
        return own
    check_similarity(asked)
    if isinstance(corpus, Index) and asked != own:
        raise UsageError(
            f"The index was built by {own}, not by {asked}.", f'Index.build(..., "{asked}") makes one.'
        )
    return asked


def _rescored(
    found: Found, queries: np.ndarray, finer: Callable[[np.ndarray], np.ndarray], similarity: str, count: int
) -> Found:
    """Orders what was found by the vectors [R, D] that `finer` gives for rows [R]."""
    count = min(count, found.rows.shape[1])
    rows, scores = np.full((len(queries), count), -1), np.full((len(queries), count), -np.inf, np.float32)
    step = max(1, RESCORED_ROWS // found.rows.shape[1])
    for start in range(0, len(queries), step):
        held = found.rows[start : start + step]
        known, places = np.unique(held[held >= 0], return_inverse=True)
        if not known.size:
            continue
        vectors, first = finer(known), 0
        if not np.isfinite(vectors).all():
            row = known[int(np.argmin(np.isfinite(vectors).all(axis=1)))]
            raise InputError(
                f"Vector {row} of rescore_embeddings has a number that is not finite.", "Leave it out."
            )
        for n, row in enumerate(held, start):
            row = row[row >= 0]
            made = similarities(queries[n, None], vectors[places[first : first + len(row)]], similarity)[0]
            best = np.lexsort((row, -made))[:count]
            rows[n, : len(best)], scores[n, : len(best)] = row[best], made[best]
            first += len(row)
    return Found(rows, scores)


def _queries(given: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Gives queries as float32 [N, D].

    Raises:
        InputError: they are no vectors.
    """
    try:
        array = np.atleast_2d(given if isinstance(given, np.ndarray) else np.array(list(given)))
    except TypeError:
        raise InputError(f"{given!r:.60} is no query.", "Give vectors [N, D] of float32.") from None
    except ValueError:
        raise InputError("Queries have different numbers of numbers.", "Give vectors [N, D] of float32.") from None
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        raise InputError("There is no query.", "Give vectors [N, D] of float32; codes of queries are not taken.")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InputError(f"Query {row} has a number that is not finite.", "Leave it out.")
    return array.astype(np.float32, copy=False)

"""What a model says of a text in several ways at once, and scores of two texts by each way and by their mix.

A dense vector, a weight for every token id (sparse) and a vector for every token (ColBERT): BGE M3 (Chen et al.
2024, arXiv 2402.03216), as FlagEmbedding computes them at inference.

Legend of shapes: N queries, M documents, T tokens, D and C numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError

DENSE, SPARSE, COLBERT = "dense", "sparse", "colbert"
KINDS = (DENSE, SPARSE, COLBERT)  # in the order in which weights are given
EQUAL_WEIGHTS = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class HybridEmbedding:
    """A text in the ways that were asked for; the others are None.

    Attributes:
        dense: float32 [D].
        sparse: token id -> its weight, above 0: the largest of the places where it stands.
        colbert: float32 [T - 1, C], of length 1 each: the first token, which stands for the text, has none.
    """

    dense: np.ndarray | None = None
    sparse: Mapping[int, float] | None = None
    colbert: np.ndarray | None = None


def lexical(ids: np.ndarray, weights: np.ndarray, left_out: Collection[int]) -> dict[int, float]:
    """Gives the weight of every token id of a row [T]: its largest one, where that is above 0."""
    found: dict[int, float] = {}
    for token, weight in zip(ids.tolist(), weights.tolist(), strict=True):
        if weight > found.get(token, 0.0) and token not in left_out:
            found[token] = weight
    return found


def dense_scores(queries: Sequence[np.ndarray], documents: Sequence[np.ndarray]) -> np.ndarray:
    """Gives the dot products of vectors: [N, M]."""
    return np.stack(queries) @ np.stack(documents).T


def sparse_scores(queries: Sequence[Mapping[int, float]], documents: Sequence[Mapping[int, float]]) -> np.ndarray:
    """Gives the sums, over the token ids that both texts have, of the products of their weights: [N, M]."""
    rows = [[sum(w * d[t] for t, w in q.items() if t in d) for d in documents] for q in queries]
    return np.array(rows, np.float32)


def colbert_scores(queries: Sequence[np.ndarray], documents: Sequence[np.ndarray]) -> np.ndarray:
    """Gives the mean, over a query's vectors, of the largest dot product with one of a document: [N, M].

    A text without a vector scores 0.
    """
    rows = [[float((q @ d.T).max(axis=1).mean()) if len(q) and len(d) else 0.0 for d in documents] for q in queries]
    return np.array(rows, np.float32)


SCORES: Mapping[str, Callable[[Sequence[Any], Sequence[Any]], np.ndarray]] = {
    DENSE: dense_scores,
    SPARSE: sparse_scores,
    COLBERT: colbert_scores,
}


def scores(
    queries: Sequence[HybridEmbedding],
    documents: Sequence[HybridEmbedding],
    weights: Sequence[float] = EQUAL_WEIGHTS,
) -> dict[str, np.ndarray]:
    """Compares texts by every way that all of them have, and by their mix.

    Args:
        weights: of dense, sparse and colbert in the mix, which is divided by their sum.

    Returns:
        A way, or several as "sparse+dense" and "colbert+sparse+dense", -> float32 [N, M]: the names and numbers of
        FlagEmbedding's `compute_score`.

    Raises:
        InputError: there is no text, or no way that all have.
        UsageError: weights that are not three numbers from 0 on, or that add up to 0 in a mix.
    """
    if not queries or not documents:
        raise InputError("There is no text.", "Give one or more.")
    checked = _weights(weights)
    held = [kind for kind in KINDS if all(getattr(text, kind) is not None for text in (*queries, *documents))]
    if not held:
        raise InputError("The texts have no kind of embedding in common.", f"The kinds are {', '.join(KINDS)}.")
    found = {}
    for kind in held:
        one, other = ([getattr(text, kind) for text in side] for side in (queries, documents))
        try:
            found[kind] = SCORES[kind](one, other)
        except ValueError:
            raise InputError(
                f"The {kind} embeddings have different numbers of numbers.", "All must come from one model."
            ) from None
    for mix in ((SPARSE, DENSE), (COLBERT, SPARSE, DENSE)):
        if set(mix) <= set(held):
            found["+".join(mix)] = _mixed({kind: found[kind] for kind in mix}, checked)
    return found


def _mixed(single: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    total = sum(weights[kind] for kind in single)
    if not total:
        raise UsageError(f"The weights of {' and '.join(single)} are all 0.", "Give one that is larger.")
    return np.asarray(sum(weights[kind] * table for kind, table in single.items()) / total, np.float32)


def _weights(given: Sequence[float]) -> dict[str, float]:
    try:
        weights = [float(weight) for weight in given]
    except (TypeError, ValueError):
        weights = []
    if len(weights) != len(KINDS) or not all(0 <= weight < np.inf for weight in weights):
        raise UsageError(f"weights={given!r:.60} does not work.", f"Three numbers from 0 on: {', '.join(KINDS)}.")
    return dict(zip(KINDS, weights, strict=True))

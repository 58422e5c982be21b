"""Compares vectors: cosine, dot product and distances, the more alike the larger."""

from __future__ import annotations

import numpy as np

from zoo.errors import InputError, UsageError, did_you_mean, whole
from zoo.files import quote

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
LEAST_LENGTH = 1e-12  # a vector of zeros is divided by this


def unit(vectors: np.ndarray) -> np.ndarray:
    """Gives vectors [N, D] divided by their Euclidean lengths."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST_LENGTH)


def truncate_embeddings(embeddings: np.ndarray, truncate_dim: int, normalize: bool = True) -> np.ndarray:
    """Gives the first numbers of vectors, of length 1 again.

    Args:
        embeddings: [N, D] or [D].
        truncate_dim: how many numbers stay.
        normalize: divide by the length of what stays; False leaves the numbers as they are, as
            sentence-transformers does.

    Returns:
        float32 [N, truncate_dim] or [truncate_dim].

    Raises:
        UsageError: there are not so many numbers.
    """
    width = embeddings.shape[-1]
    if whole("truncate_dim", truncate_dim) > width:
        raise UsageError(f"truncate_dim={truncate_dim} is more than the {width} numbers of a vector.")
    kept = np.asarray(embeddings[..., :truncate_dim], np.float32)
    if normalize:
        kept = kept / np.maximum(np.linalg.norm(kept, axis=-1, keepdims=True), LEAST_LENGTH)
    return np.ascontiguousarray(kept)


def similarities(a: np.ndarray, b: np.ndarray, kind: str) -> np.ndarray:
    """Compares vectors [N, D] with [M, D]: [N, M]. Distances are negative.

    Args:
        a, b: float.
        kind: of SIMILARITIES.

    Raises:
        InputError: the vectors have different widths.
        UsageError: there is no such similarity.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(
            f"Vectors {list(a.shape)} and {list(b.shape)} cannot be compared.", "Give [N, D] and [M, D]."
        )
    if kind == "cosine":
        return unit(a).astype(np.float32, copy=False) @ unit(b).astype(np.float32, copy=False).T
    if kind == "dot":
        return a @ b.T
    check_similarity(kind)
    power = 2 if kind == "euclidean" else 1
    rows = [np.linalg.norm(b - row, ord=power, axis=1) for row in a]
    return -np.stack(rows) if rows else np.zeros((0, len(b)), np.float32)


def check_similarity(kind: str) -> None:
    """Raises UsageError for a name that is not of SIMILARITIES."""
    if kind not in SIMILARITIES:
        hint = did_you_mean(str(kind), SIMILARITIES) or f"One of {', '.join(SIMILARITIES)}."
        raise UsageError(f"similarity={quote(kind)} does not exist.", hint)

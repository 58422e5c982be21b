"""Computes retrieval accuracy, in percent."""

from __future__ import annotations

import numpy as np

BLOCK_ROWS = 1024  # of the table of similarities, held at once


def nearest(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Gives for each query the number of the key with the largest cosine; of equal ones the first.

    Args:
        queries: [N, D].
        keys: [M, D].

    Returns:
        [N] int64.
    """
    a, b = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in (queries, keys))
    blocks = [(a[n : n + BLOCK_ROWS] @ b.T).argmax(axis=1) for n in range(0, len(a), BLOCK_ROWS)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int64)


def retrieval_accuracy(queries: np.ndarray, keys: np.ndarray) -> float:
    """Gives the share of queries whose nearest key is the one of the same number."""
    return 100 * float(np.mean(nearest(queries, keys) == np.arange(len(queries))))

"""Computes retrieval accuracy, in percent."""

from __future__ import annotations

import numpy as np

from zoo import search
from zoo.metrics.extra import extra


def nearest(queries: np.ndarray, keys: np.ndarray, similarity: str = "cosine") -> np.ndarray:
    """Gives for each query the number of the key that is most alike; of equal ones the first.

    Args:
        queries: [N, D].
        keys: [M, D].
        similarity: of `zoo.search.compare.SIMILARITIES`.

    Returns:
        [N] int64.
    """
    return search.nearest(queries, keys, 1, similarity).rows[:, 0] if len(queries) else np.zeros(0, np.int64)


def retrieval_accuracy(queries: np.ndarray, keys: np.ndarray) -> float:
    """Gives the share of queries whose nearest key is the one of the same number."""
    return 100 * float(np.mean(nearest(queries, keys) == np.arange(len(queries))))


def bitext_scores(found: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """Scores the translations that were found as scikit-learn's weighted averages do, zero_division 0.

    Args:
        found, gold: [N] int64, the number of the translation of each sentence.

    Returns:
        "f1", "precision", "recall" and "accuracy", in percent.
    """
    with extra():
        from sklearn.metrics import precision_recall_fscore_support

    averages = precision_recall_fscore_support(gold, found, average="weighted", zero_division=0)[:3]
    made = {name: 100 * float(value) for name, value in zip(("precision", "recall", "f1"), averages, strict=True)}
    return made | {"accuracy": 100 * float(np.mean(found == gold))}

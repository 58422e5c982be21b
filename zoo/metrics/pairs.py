"""Computes how well similarities of pairs follow labels, as mteb and sentence-transformers do.

Correlations, accuracies and the like in percent; thresholds are similarities or distances as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.metrics.ranking import average_precision
from zoo.metrics.text import pearson, spearman

MEASURES = ("cosine", "dot", "euclidean", "manhattan")
DISTANCES = ("euclidean", "manhattan")  # the smaller the more alike


def compared(a: np.ndarray, b: np.ndarray, measure: str) -> np.ndarray:
    """Compares vectors of the same number.

    Args:
        a, b: [N, D].
        measure: of MEASURES. Distances are positive.

    Returns:
        [N], of the vectors' dtype. Cosines are 1 - |a/|a| - b/|b||^2 / 2, as scikit-learn has them: in float32 that
        tells more of near copies than a product does.
    """
    if measure == "dot":
        return np.einsum("nd,nd->n", a, b)
    if measure == "cosine":
        a, b = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in (a, b))
        return 1 - np.square(a - b).sum(axis=1) / 2
    return np.abs(a - b).sum(axis=1) if measure == "manhattan" else np.sqrt(np.square(a - b).sum(axis=1))


def correlations(a: np.ndarray, b: np.ndarray, gold: np.ndarray, own: str = "cosine") -> dict[str, float]:
    """Correlates labels with cosines and with negative distances.

    Args:
        a, b: [N, D].
        gold: [N], how alike the texts are.
        own: the model's own measure, of MEASURES; named "pearson" and "spearman" alone.

    Returns:
        "cosine-spearman" -> percent, and so on; ranks of equal values are averaged.
    """
    made: dict[str, float] = {}
    for measure in ("cosine", "euclidean", "manhattan"):
        made |= _correlated(f"{measure}-", a, b, gold, measure)
    return made | _correlated("", a, b, gold, own)


def _correlated(prefix: str, a: np.ndarray, b: np.ndarray, gold: np.ndarray, measure: str) -> dict[str, float]:
    values = compared(a, b, measure).astype(np.float64)
    values = -values if measure in DISTANCES else values
    return {f"{prefix}pearson": pearson(gold, values), f"{prefix}spearman": spearman(gold, values)}


def pair_scores(a: np.ndarray, b: np.ndarray, same: np.ndarray, own: str = "cosine") -> dict[str, float]:
    """Computes average precision, and the best accuracy and F1 over all thresholds, for each measure.

    A threshold lies in the middle of two neighbouring scores in order, equal ones too; the last pair is never cut
    off alone.

    Args:
        a, b: [N, D].
        same: [N], 1 or 0.
        own: the model's own measure; named "similarity".

    Returns:
        "cosine-ap", "cosine-accuracy", "cosine-accuracy-threshold", "cosine-f1", ..., and of the largest over all
        measures "max-ap", "max-f1", "max-precision", "max-recall".
    """
    made: dict[str, float] = {}
    for name in (*MEASURES, "similarity"):
        measure = own if name == "similarity" else name
        scores = compared(a, b, measure)
        made |= {f"{name}-{part}": value for part, value in _of_scores(scores, same, measure in DISTANCES)}
    for part in ("ap", "f1", "precision", "recall"):
        made[f"max-{part}"] = max(made[f"{name}-{part}"] for name in (*MEASURES, "similarity"))
    return made


def _of_scores(scores: np.ndarray, same: np.ndarray, is_distance: bool) -> Iterator[tuple[str, float]]:
    closeness = -scores if is_distance else scores
    order = np.argsort(-closeness, kind="stable")
    ordered, gold = scores[order].astype(np.float64), np.asarray(same)[order] == 1
    hits, taken = np.cumsum(gold)[:-1], np.arange(1, gold.size)
    yield "ap", average_precision(closeness, same)
    right = hits + (~gold).sum() - (taken - hits)
    best = int(np.argmax(right)) if right.size else 0
    yield "accuracy", 100 * float(right[best]) / gold.size if right.size else 0.0
    yield "accuracy-threshold", _middle(ordered, best)
    f1 = 2 * hits / np.maximum(taken + gold.sum(), 1)
    best = int(np.argmax(f1)) if f1.size else 0
    found = f1.size and f1[best] > 0
    yield "f1", 100 * float(f1[best]) if found else 0.0
    yield "f1-threshold", _middle(ordered, best) if found else 0.0
    yield "precision", 100 * float(hits[best] / taken[best]) if found else 0.0
    yield "recall", 100 * float(hits[best] / gold.sum()) if found else 0.0


def _middle(ordered: np.ndarray, at: int) -> float:
    return float(ordered[at : at + 2].mean()) if ordered.size else 0.0

"""Computes metrics of classification and regression, by scikit-learn and scipy. All in percent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zoo.metrics.extra import extra

Label = str | float | None  # a class, or a number of a regression
Labels = Sequence[Label] | np.ndarray


def accuracy(gold: Labels, predicted: Labels, positive: Label = None) -> float:
    """Gives the share of equal labels."""
    return 100 * float(np.mean([g == p for g, p in zip(gold, predicted, strict=True)]))


def f1(gold: Labels, predicted: Labels, positive: Label) -> float:
    """Gives the F1 of the positive class; 0 when it is neither there nor predicted."""
    with extra():
        from sklearn.metrics import f1_score

    return 100 * float(f1_score(list(gold), list(predicted), pos_label=positive, zero_division=0.0))


def macro_f1(gold: Labels, predicted: Labels, positive: Label = None) -> float:
    """Gives the plain mean of the classes' F1, over the classes that are in gold or predicted."""
    with extra():
        from sklearn.metrics import f1_score

    return 100 * float(f1_score(list(gold), list(predicted), average="macro", zero_division=0.0))


def matthews(gold: Labels, predicted: Labels, positive: Label = None) -> float:
    """Matthews correlation, also of several classes; 0 when either side has one class only."""
    with extra():
        from sklearn.metrics import matthews_corrcoef

    return 100 * float(matthews_corrcoef(list(gold), list(predicted)))


def pearson(gold: Labels, predicted: Labels, positive: Label = None) -> float:
    """Gives the linear correlation; 0 when either side is constant, where it is not defined."""
    with extra():
        from scipy.stats import pearsonr

    return _correlation(pearsonr, gold, predicted)


def spearman(gold: Labels, predicted: Labels, positive: Label = None) -> float:
    """Gives the rank correlation, equal values sharing their mean rank; 0 when either side is constant."""
    with extra():
        from scipy.stats import spearmanr

    return _correlation(spearmanr, gold, predicted)


def _correlation(
    function: Callable[[np.ndarray, np.ndarray], Sequence[float]], gold: Labels, predicted: Labels
) -> float:
    a, b = np.asarray(gold, np.float64), np.asarray(predicted, np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return 100 * float(function(a, b)[0])


TEXT_METRICS: dict[str, Callable[[Labels, Labels, Label], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "macro-f1": macro_f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}

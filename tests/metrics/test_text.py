"""Classification and regression: each metric beside a formula written out here."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import metrics
from zoo.errors import UsageError

BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)
NUMBERS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(-20, 20)).map(lambda p: (p[0] / 10, p[1] / 4)), min_size=2
)


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None)
@given(BITS)
def test_binary_metrics(pairs: list[tuple[bool, bool]]) -> None:
    gold, predicted = zip(*pairs, strict=True)
    tp, tn = (sum(g == p == v for g, p in pairs) for v in (True, False))
    fp, fn = (sum(g is v and p is not v for g, p in pairs) for v in (False, True))
    assert metrics.accuracy(gold, predicted) == pytest.approx(100 * (tp + tn) / len(pairs))
    f1 = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    assert metrics.f1(gold, predicted, True) == pytest.approx(100 * f1)
    below = ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert metrics.matthews(gold, predicted) == pytest.approx(100 * (tp * tn - fp * fn) / below if below else 0.0)


@settings(deadline=None)
@given(NUMBERS)
def test_correlations(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    ranks = [np.array([(side < v).sum() + ((side == v).sum() + 1) / 2 for v in side]) for side in (a, b)]
    for name, x, y in (("pearson", a, b), ("spearman", *ranks)):
        x, y = x - x.mean(), y - y.mean()
        size = np.sqrt((x * x).sum() * (y * y).sum())
        expected = 100 * (x * y).sum() / size if np.ptp(a) and np.ptp(b) else 0.0
        assert metrics.TEXT_METRICS[name](a.tolist(), b.tolist(), None) == pytest.approx(expected, abs=1e-6)


def test_macro_f1_of_several_classes() -> None:
    gold, predicted = ["a", "a", "b", "c"], ["a", "b", "b", "a"]
    assert metrics.macro_f1(gold, predicted) == pytest.approx(100 * (1 / 2 + 2 / 3 + 0) / 3)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UsageError, match=r"needs the library sklearn") as caught:
        metrics.macro_f1(["a"], ["b"])
    assert caught.value.hint.startswith("pip install 'seqeval>=") and "'scipy>=" in caught.value.hint

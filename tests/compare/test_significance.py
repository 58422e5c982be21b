"""The paired bootstrap: against a distribution that is known, and what it says of rows that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import metrics
from zoo.compare.significance import Significance
from zoo.compare.significance import test as significance
from zoo.finetune.kept import Kept


def rows(right: list[bool], language: str = "", start: int = 0) -> list[Kept]:
    return [
        Kept("dev", str(n + start), language, "a", "a" if ok else "b", ok, values={"accuracy": 100.0 * ok})
        for n, ok in enumerate(right)
    ]


def found(
    a: list[Kept], b: list[Kept], metric: str = "accuracy", labels: tuple[str, ...] = ("a", "b")
) -> Significance:
    result = significance([a], [b], metric, labels)
    assert isinstance(result, Significance), result
    return result


def test_a_difference_of_known_spread() -> None:
    """60 of 400 rows better, 20 worse: 10 points, and sqrt(80 / 400 - 0.1 ** 2) / sqrt(400) of deviation."""
    random = np.random.default_rng(0)
    order = random.permutation(400)
    a, b = np.ones(400, bool), np.ones(400, bool)
    a[order[:60]] = False
    b[order[60:80]] = False
    result = found(rows(a.tolist()), rows(b.tolist()))
    deviation = 100 * np.sqrt(80 / 400 - 0.1**2) / np.sqrt(400)
    assert result.difference == pytest.approx(10.0)
    assert (result.low, result.high) == pytest.approx((10 - 1.96 * deviation, 10 + 1.96 * deviation), abs=0.5)
    assert result.p < 0.01 and result.verdict == "better" and result.rows == 400
    assert found(rows(b.tolist()), rows(a.tolist())).verdict == "worse"
    assert result == found(rows(a.tolist()), rows(b.tolist())), "the draws have a seed"


def test_no_difference() -> None:
    same = rows([True, False] * 50)
    result = found(same, same)
    assert (result.difference, result.low, result.high, result.p) == (
        0,
        0,
        0,
        1,
    ) and result.verdict == "can be chance"


def test_languages_count_alike() -> None:
    """As the average of a run's scores: each language once, however many rows it has."""
    a = [*rows([True] * 90, "en"), *rows([True] * 10, "zh", 90)]
    b = [*rows([True] * 90, "en"), *rows([False] * 10, "zh", 90)]
    assert found(a, b).difference == -50


def test_rows_that_are_not_in_both_are_left_out() -> None:
    result = found(rows([True] * 20), rows([False] * 20, start=5))
    assert (result.rows, result.missing) == (15, 10)
    assert "no rows in common" in str(significance([rows([True] * 5)], [rows([True] * 5, start=9)], "accuracy", ()))
    assert "no answers were kept" in str(significance([[]], [rows([True])], "accuracy", ()))


def test_seeds_are_drawn_too() -> None:
    """Rows that are all alike leave the spread of the seeds: the deviation of their mean, s / sqrt(n)."""

    def side(values: list[float]) -> list[list[Kept]]:
        return [
            [Kept("dev", str(n), "", "a", "a", True, values={"accuracy": value}) for n in range(4)]
            for value in values
        ]

    result = significance(side([48, 49, 50, 51, 52]), side([53, 54, 55, 56, 57]), "accuracy", ())
    assert isinstance(result, Significance) and result.seeds == (5, 5)
    deviation = np.sqrt(2 * 2.5 / 5)
    assert result.difference == pytest.approx(5) and result.verdict == "better"
    assert (result.low, result.high) == pytest.approx((5 - 1.96 * deviation, 5 + 1.96 * deviation), abs=0.25)
    one = significance(side([50, 60]), side([56]), "accuracy", ())
    assert isinstance(one, Significance) and one.verdict == "can be chance"


def test_rows_that_one_seed_lacks_are_left_out() -> None:
    result = significance([rows([True] * 9), rows([True] * 7)], [rows([False] * 8)], "accuracy", ())
    assert isinstance(result, Significance) and (result.rows, result.missing) == (7, 2)


def test_ids_that_come_twice() -> None:
    twice = [*rows([True, False]), *rows([True, True])]
    assert found(twice, twice).rows == 4


def test_entities() -> None:
    """F1 over all entities of the draw, not a mean of sentences."""
    tags = [["B-PER"], ["O"]]
    a = [Kept("dev", str(n), "", tag, tag, True, counts=[n, n + 1, n + 2]) for n, tag in enumerate(tags)]
    result = found(a, a, "f1-strict")
    assert (
        result.a == pytest.approx(100 * 2 * 1 / (3 + 5))
        and result.tested == "f1-lenient"
        and "f1-strict" in result.note
    )


def test_metrics_of_classes_are_the_librarys() -> None:
    """On made-up answers of four classes, one of which is never predicted; f1 of two."""
    random = np.random.default_rng(1)
    for labels, names in (
        (("a", "b", "c", "d"), ("accuracy", "macro-f1", "matthews")),
        (("a", "b"), ("f1", "matthews")),
    ):
        gold = random.choice(labels, 60).tolist()
        said = [g if random.random() < 0.6 else labels[0] for g in gold]
        kept = [Kept("dev", str(n), "", g, s, g == s) for n, (g, s) in enumerate(zip(gold, said, strict=True))]
        for name in names:
            positive = labels[1] if len(labels) == 2 else None
            assert found(kept, kept, name, labels).a == pytest.approx(
                metrics.TEXT_METRICS[name](gold, said, positive)
            )


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_correlations_are_the_librarys(name: str) -> None:
    random = np.random.default_rng(2)
    gold = random.integers(0, 6, 50).astype(float).tolist()
    said = (np.array(gold) + random.normal(0, 1, 50)).tolist()
    kept = [Kept("dev", str(n), "", g, s, False) for n, (g, s) in enumerate(zip(gold, said, strict=True))]
    assert found(kept, kept, name, ()).a == pytest.approx(metrics.TEXT_METRICS[name](gold, said, None))

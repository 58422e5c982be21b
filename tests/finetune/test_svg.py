"""Charts as SVG: well formed, escaped, ticks that are round, nothing for nothing."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from zoo.finetune import svg

NAME = "<script>&\"'"


@pytest.mark.parametrize(
    "chart",
    [
        svg.lines(
            {NAME: [(1, 2.0), (2, float("nan")), (3, 1.0)], "b": [(1, 1.0)]}, NAME, NAME, (NAME, 5.0), dots=True
        ),
        svg.lines({"one": [(1, 90.0)]}, "update", "score"),
        svg.histogram([3, 3, 4, 90], NAME, "rows", (NAME, 128)),
        svg.histogram([5], "tokens", "rows", ("max", 5)),
        svg.intervals([(NAME, 88.0, 90.0, 92.0), ("b" * 80, 90.0, 90.0, 90.0)], NAME, (NAME, 91.0)),
    ],
)
def test_well_formed(chart: str) -> None:
    figure = ElementTree.fromstring(chart)
    assert figure.tag == "figure" and "<script>" not in chart
    assert not {element.tag for element in figure.iter()} & {"image", "script"}


def test_nothing() -> None:
    assert svg.lines({}, "x", "y") == svg.histogram([], "x", "y", ("max", 1)) == svg.intervals([], "x") == ""


def test_ticks() -> None:
    assert svg.ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert svg.ticks(0.31, 0.94) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert svg.ticks(5, 5)[0] < 5 < svg.ticks(5, 5)[-1]


def test_long_lines_are_thinned() -> None:
    points = [(float(n), 1.0) for n in range(100_000)]
    thin = svg.thinned(points)
    assert len(thin) == svg.MOST_POINTS and thin[-1] == (99_999.0, 1.0)

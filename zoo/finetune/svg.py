"""Small charts as SVG text, coloured by the page's style sheet, so that they follow its light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 40  # room around the chart
SERIES = 6  # colours that a style sheet has: .s0 to .s5
MOST_POINTS = 600  # of one line
Points = Sequence[tuple[float, float]]


def lines(
    series: Mapping[str, Points],
    x_label: str,
    y_label: str,
    level: tuple[str, float] | None = None,
    dots: bool = False,
) -> str:
    """Gives lines over each other.

    Args:
        series: name -> points, by x.
        level: name and height of a dashed line, such as a published score.
        dots: mark every point.
    """
    points = [point for one in series.values() for point in one if math.isfinite(point[1])]
    if not points:
        return ""
    heights = [y for _, y in points] + ([level[1]] if level else [])
    ys = ticks(min(heights), max(heights))
    xs = ticks(0 if len(points) > 1 else points[0][0] - 1, max(x for x, _ in points))
    place = _Place(xs, ys)
    parts = [_axes(place, x_label, y_label)]
    names = [*series, *([level[0]] if level else [])]
    if level:
        y = place.y(level[1])
        parts.append(_line("level", LEFT, WIDTH - RIGHT, y, y))
    for n, one in enumerate(series.values()):
        kept = [point for point in thinned(one) if math.isfinite(point[1])]
        where = " ".join(f"{place.x(x):.1f},{place.y(y):.1f}" for x, y in kept)
        parts.append(f'<polyline class="line s{n % SERIES}" points="{where}"/>')
        if dots:
            parts += [
                f'<circle class="dot s{n % SERIES}" cx="{place.x(x):.1f}" cy="{place.y(y):.1f}" r="3"/>'
                for x, y in kept
            ]
    return _figure("".join(parts), _legend(names, bool(level)) if len(names) > 1 else "")


def thinned(points: Points) -> Points:
    """Gives at most MOST_POINTS points: means of neighbours where there are more."""
    if len(points) <= MOST_POINTS:
        return points
    parts = np.array_split(np.asarray(points, np.float64), MOST_POINTS)
    return [(float(part[-1, 0]), float(part[:, 1].mean())) for part in parts]


def histogram(values: Sequence[int], x_label: str, y_label: str, limit: tuple[str, int]) -> str:
    """Gives bars of how often numbers come, and a dashed line at a limit."""
    if not len(values):
        return ""
    low, high = int(min(values)), int(max(values))
    step = max(1, math.ceil((high - low + 1) / 60))
    counts, edges = np.histogram(values, bins=np.arange(low, high + step + 1, step))
    place = _Place(ticks(0, max(high + 1, limit[1])), ticks(0, int(counts.max())))
    parts = [_axes(place, x_label, y_label)]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        x, wide = place.x(left), max(1.0, place.x(right) - place.x(left) - 1)
        parts.append(
            f'<rect class="bar s0" x="{x:.1f}" y="{place.y(count):.1f}" width="{wide:.1f}" '
            f'height="{place.y(0) - place.y(count):.1f}"/>'
        )
    at = place.x(limit[1])
    parts.append(_line("level", at, at, TOP, HEIGHT - BOTTOM))
    return _figure("".join(parts), _legend([y_label, limit[0]], True))


def intervals(
    rows: Sequence[tuple[str, float, float, float]], x_label: str, level: tuple[str, float] | None = None
) -> str:
    """Gives one line for each row: a point and the interval around it.

    Args:
        rows: name, low, point, high.
        level: name and place of a dashed line.
    """
    if not rows:
        return ""
    spread = [value for _, *values in rows for value in values] + ([level[1]] if level else [])
    step, left = 26, 190
    high = TOP + step * len(rows)
    place = _Place(ticks(min(spread), max(spread)), [0, 1], left)
    parts = []
    for tick in place.xs:
        x = place.x(tick)
        parts.append(_line("grid", x, x, TOP, high))
        parts.append(_text("tick", x, high + 16, _number(tick)))
    for n, (name, low, point, top) in enumerate(rows):
        y = TOP + step * (n + 0.5)
        parts.append(_text("name", left - 10, y + 4, _cut(name), "end"))
        parts.append(_line(f"line s{n % SERIES}", place.x(low), place.x(top), y, y))
        parts.append(f'<circle class="dot s{n % SERIES}" cx="{place.x(point):.1f}" cy="{y:.1f}" r="4.5"/>')
    if level:
        at = place.x(level[1])
        parts.append(_line("level", at, at, TOP, high))
    parts.append(_text("label", (left + WIDTH) / 2, high + 34, x_label))
    return _figure("".join(parts), _legend([level[0]], True) if level else "", high + 42)


def ticks(low: float, high: float) -> list[float]:
    """Gives round numbers whose first and last hold the range between them."""
    if not high > low:
        low, high = low - max(1.0, abs(low) * 0.05), high + max(1.0, abs(high) * 0.05)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


class _Place:
    """Where a value is on the drawing."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], left: int = LEFT) -> None:
        self.xs, self.ys, self.left = xs, ys, left

    def x(self, value: float) -> float:
        return self.left + (value - self.xs[0]) / (self.xs[-1] - self.xs[0]) * (WIDTH - RIGHT - self.left)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.ys[0]) / (self.ys[-1] - self.ys[0]) * (HEIGHT - BOTTOM - TOP)


def _axes(place: _Place, x_label: str, y_label: str) -> str:
    parts = []
    for tick in place.ys:
        y = place.y(tick)
        parts.append(_line("grid", LEFT, WIDTH - RIGHT, y, y))
        parts.append(_text("tick", LEFT - 8, y + 4, _number(tick), "end"))
    for tick in place.xs:
        x, y = place.x(tick), HEIGHT - BOTTOM + 16
        parts.append(_text("tick", x, y, _number(tick)))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(_text("label", (LEFT + WIDTH) / 2, HEIGHT - 6, x_label))
    parts.append(f'<g transform="translate(12 {middle:.0f}) rotate(-90)">{_text("label", 0, 0, y_label)}</g>')
    return "".join(parts)


def _line(kind: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.3g}"


def _cut(name: str) -> str:
    return name if len(name) <= 26 else f"…{name[-25:]}"


def _legend(names: Sequence[str], dashed_last: bool) -> str:
    shown = []
    for n, name in enumerate(names):
        mark = "dashed" if dashed_last and n == len(names) - 1 else f"s{n % SERIES}"
        shown.append(f'<span><i class="key {mark}"></i>{escape(name)}</span>')
    return f"<figcaption>{''.join(shown)}</figcaption>"


def _figure(inner: str, caption: str, height: int = HEIGHT) -> str:
    return f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img">{inner}</svg>{caption}</figure>'

"""The plots of a run, as PNG. Labels of any script are drawn with an installed font, or stand as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.finetune.recipes import Published
from zoo.tasks.scores import AVERAGE_ROW, GAP_ROW

MOST_CLASSES = 30  # of a confusion matrix that can still be read
PLOT_STYLE: dict[str, Any] = {"axes.spines.top": False, "axes.spines.right": False}
BLUE, ORANGE, GREY = "#3465a4", "#ce5c00", "#888888"


class Plots:
    """Draws into a folder, one file per plot, and remembers their names.

    Args:
        folder: where the images go.
        labels: every text that a plot may show; decides the font.
    """

    def __init__(self, folder: Path, labels: Sequence[str] = ()) -> None:
        import matplotlib

        matplotlib.use("agg")
        self.folder = folder
        self.names: list[str] = []
        self.font, self.readable = font_for("".join(labels))

    def _draw(self, name: str, draw: Callable[[Any], None], size: tuple[float, float] = (8, 4)) -> None:
        from matplotlib import pyplot, rc_context

        style: Any = {"font.family": [*self.font, "DejaVu Sans"], **PLOT_STYLE}
        with rc_context(style):
            figure, axes = pyplot.subplots(figsize=size, layout="constrained")
            draw(axes)
            figure.savefig(self.folder / f"{name}.png", dpi=110)
            pyplot.close(figure)
        self.names.append(f"{name}.png")

    def loss(self, steps: Sequence[int], losses: Sequence[float]) -> None:
        """The training loss of every update, and its running mean."""

        def draw(axes: Any) -> None:
            width = max(1, len(losses) // 50)
            if width > 1:
                axes.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=1, label="one update")
            smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
            axes.plot(
                steps[width - 1 :],
                smooth,
                color=BLUE,
                label=f"mean of {width} updates" if width > 1 else "one update",
            )
            axes.set(xlabel="update", ylabel="training loss", ylim=(0, 1.05 * max(losses)), xlim=(0, None))
            axes.legend(frameon=False)

        self._draw("loss", draw)

    def scores(
        self, steps: Sequence[int], values: Sequence[float], name: str, best: int, published: Published | None
    ) -> None:
        """The score on the development set by update; the best checkpoint and the published score are marked."""

        def draw(axes: Any) -> None:
            axes.plot(steps, values, color=BLUE, marker="o", markersize=4, label="ours")
            if best in steps:
                axes.plot([best], [values[list(steps).index(best)]], "o", color=ORANGE, markersize=9, label="best")
            if published:
                label = f"published on {published.split}: {published.score:g}"
                axes.axhline(published.score, color=GREY, linestyle="--", label=label)
            axes.set(xlabel="update", ylabel=name, xlim=(0, None))
            axes.legend(frameon=False)

        self._draw("score", draw)

    def lengths(self, lengths: Sequence[int], max_length: int) -> None:
        """How many tokens the training rows have."""

        def draw(axes: Any) -> None:
            axes.hist(lengths, bins=min(60, max(lengths) - min(lengths) + 1), color=BLUE)
            axes.axvline(max_length, color=ORANGE, linestyle="--", label=f"max_length {max_length}")
            axes.set(xlabel="tokens of a training row", ylabel="rows", xlim=(0, None))
            axes.legend(frameon=False)

        self._draw("lengths", draw)

    def confusion(self, labels: Sequence[str], counts: np.ndarray) -> None:
        """Which class was taken for which. counts: [C, C], gold by prediction."""
        names = list(labels) if self.readable else [str(n) for n in range(len(labels))]

        def draw(axes: Any) -> None:
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            ticks = range(len(names))
            axes.set(xticks=ticks, yticks=ticks, xlabel="prediction", ylabel="gold")
            axes.set_xticklabels(names, rotation=45 if max(map(len, names)) > 3 else 0, ha="right")
            axes.set_yticklabels(names)
            for y, x in np.argwhere(counts):
                axes.text(
                    x, y, str(counts[y, x]), ha="center", va="center", fontsize=8,
                    color="white" if shares[y, x] > 0.6 else "black",
                )  # fmt: skip

        side = 3 + 0.45 * len(names)
        self._draw("confusion", draw, (side + 1, side))

    def rows(self, scores: Mapping[str, Mapping[str, float]], metric: str, published: Published | None) -> None:
        """One bar per language, class or part of the data; published scores of languages beside them."""
        shown = {name: row[metric] for name, row in scores.items() if metric in row and name != GAP_ROW}
        names = list(shown) if self.readable else [_plain(name, n) for n, name in enumerate(shown)]
        theirs = {**published.languages, AVERAGE_ROW: published.score} if published and published.languages else {}

        def draw(axes: Any) -> None:
            at = np.arange(len(names))
            wide = 0.4 if theirs else 0.7
            axes.bar(at - (wide / 2 if theirs else 0), list(shown.values()), wide, color=BLUE, label="ours")
            if theirs:
                heights = [theirs.get(name, np.nan) for name in shown]
                axes.bar(at + wide / 2, heights, wide, color=ORANGE, label="published")
                axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
            axes.set(ylabel=metric, ylim=(0, 100), xticks=at)
            axes.set_xticklabels(names, rotation=45 if max(map(len, names)) > 4 else 0, ha="right")

        self._draw("rows", draw, (max(6, 0.5 * len(names) + 2), 4))


def _plain(name: str, number: int) -> str:
    return name if name.isascii() else f"#{number}"


def font_for(text: str) -> tuple[list[str], bool]:
    """The installed font that has every character of a text.

    Returns:
        The font's name in a list (empty when the default has them all), and False when no font has them: then
        labels must be replaced, since they would be drawn as boxes.
    """
    from matplotlib import font_manager

    wanted = {ord(character) for character in text if not character.isspace()}
    default = font_manager.findfont("DejaVu Sans")
    if wanted <= _characters(default):
        return [], True
    for font in sorted(font_manager.fontManager.ttflist, key=lambda f: (f.style != "normal", f.weight != 400)):
        if wanted <= _characters(font.fname) | _characters(default):
            return [font.name], True
    return [], False


def _characters(file: str) -> set[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return set(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return set()

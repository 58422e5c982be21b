"""Draws what a command printed as a picture: `python -m benchmarks.picture TERMINAL.txt PICTURE.png`.

Reads the colours of terminals (ANSI); what a line wrote over itself, as progress bars do, is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
from rich.console import Console
from rich.segment import Segment
from rich.terminal_theme import MONOKAI as THEME
from rich.text import Text

SIZE, WIDTH, HEIGHT = 9.137, 0.602, 1.25  # points (a character is 11 pixels); its width and height in them
MARGIN = 2  # characters
MOST_LINES = 90


def lines_of(text: str) -> list[Text]:
    """The lines as they stand on the terminal at the end, without trailing blanks."""
    last = [line.rstrip("\n").split("\r")[-1].rstrip() for line in text.splitlines()]
    return [Text.from_ansi(line) for line in last]


def pieces(line: Text) -> Iterator[tuple[int, str, str, bool]]:
    """Column, characters, colour and boldness of every run of characters of a line."""
    column = 0
    for segment in Segment.split_lines(line.render(Console(width=10_000, color_system="truecolor"))):
        for text, style, _ in segment:
            colour = THEME.foreground_color if not style or not style.color else style.color.get_truecolor(THEME)
            yield column, text, "#{:02x}{:02x}{:02x}".format(*colour), bool(style and style.bold)
            column += Segment(text).cell_length


def draw(lines: Sequence[Text], target: Path) -> None:
    """Writes the picture, as wide as its longest line."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns, rows = max(line.cell_len for line in lines) + 2 * MARGIN, len(lines) + MARGIN
    width, height = columns * SIZE * WIDTH / 72, rows * SIZE * HEIGHT / 72
    figure = pyplot.figure(figsize=(width, height), facecolor="#{:02x}{:02x}{:02x}".format(*THEME.background_color))
    for row, line in enumerate(lines):
        for column, text, colour, bold in pieces(line):
            figure.text(
                (column + MARGIN) / columns,
                1 - (row + MARGIN / 2) / rows,
                text.replace("$", r"\$"),
                color=colour,
                family="DejaVu Sans Mono",
                fontsize=SIZE,
                fontweight="bold" if bold else "normal",
                verticalalignment="top",
            )
    figure.savefig(target, dpi=144, metadata={"Software": None})
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> int:
    """Draws the file; of a long one the end."""
    source, target = sys.argv[1:] if argv is None else argv
    lines = lines_of(Path(source).read_text(encoding="utf-8"))
    draw(lines[-MOST_LINES:], Path(target))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

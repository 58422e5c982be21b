"""Draws the scores of an evaluation by language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.tasks.scores import AVERAGE_ROW

if TYPE_CHECKING:
    from zoo.evaluate.untrained import Evaluation

PLOT_STYLE: dict[str, Any] = {"axes.spines.top": False, "axes.spines.right": False}
BLUE, GREY = "#3465a4", "#888888"


def draw(file: Path, found: Evaluation) -> None:
    """Draws the headline of each language as a bar, the best first, and the average as a line."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot, rc_context

    metric = found.task.metric
    bars = {name or found.task.title: row[metric] for name, row in found.rows.items() if name != AVERAGE_ROW}
    ordered = sorted(bars, key=lambda name: bars[name])
    style: dict[str, Any] = {**PLOT_STYLE, "font.size": 9}
    with rc_context(style):  # type: ignore[arg-type]
        figure, axes = pyplot.subplots(figsize=(7, max(1.6, 0.22 * len(bars) + 0.9)), layout="constrained")
        drawn = axes.barh(ordered, [bars[name] for name in ordered], color=BLUE)
        axes.bar_label(drawn, fmt="%.1f", padding=3)
        if AVERAGE_ROW in found.rows:
            average = found.rows[AVERAGE_ROW][metric]
            axes.axvline(average, color=GREY, linestyle="--", linewidth=1, label=f"average {average:.1f}")
            axes.legend(frameon=False, loc="lower right")
        axes.set(xlabel=f"{metric}, percent", title=f"{found.task.title}, {found.split}", xlim=(0, None))
        axes.margins(y=0.01)
        figure.savefig(file, dpi=110)
        pyplot.close(figure)

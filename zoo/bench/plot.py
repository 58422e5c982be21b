"""The picture of a benchmark: throughput and latency, a column of panels for each length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.bench.measure import Row

LINE_STYLES = {"fp32": "-", "bf16": "--", "int8": ":"}


def plot(path: Path, title: str, rows: Sequence[Row]) -> Path:
    """Writes a PNG.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = [row for row in rows if not row.error]
    lengths = sorted({row.length for row in shown}) or [0]
    engines = list(dict.fromkeys(row.engine for row in rows))
    batches = sorted({row.batch for row in shown})
    width = 1.6 + 3.6 * len(lengths)
    figure, axes = pyplot.subplots(2, len(lengths), figsize=(width + 1.6, 6), dpi=120, squeeze=False, sharey="row")
    for column, length in enumerate(lengths):
        top, bottom = axes[:, column]
        for pair in dict.fromkeys((row.engine, row.precision) for row in shown):
            own = sorted(
                (row for row in shown if (row.engine, row.precision) == pair and row.length == length),
                key=lambda row: row.batch,
            )
            line = {
                "color": f"C{engines.index(pair[0])}",
                "linestyle": LINE_STYLES[pair[1]],
                "label": " ".join(pair),
            }
            x = [row.batch for row in own]
            top.plot(x, [row.tokens_per_s for row in own], marker="o", markersize=3, **line)
            bottom.plot(x, [row.p50_ms for row in own], marker="o", markersize=3, **line)
            bottom.fill_between(
                x, [row.p50_ms for row in own], [row.p99_ms for row in own], alpha=0.1, color=line["color"]
            )
        top.set_title(f"{length} tokens", fontsize=10)
        bottom.set_xlabel("rows of a batch")
        for panel in (top, bottom):
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.set_xticks(batches, [str(n) for n in batches])
            panel.grid(alpha=0.3)
    axes[0][0].set_ylabel("tokens/s")
    axes[1][0].set_ylabel("ms of a call, shaded to p99")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center right", fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.tight_layout(rect=(0, 0, 1 - 1.6 / (width + 1.6), 1))
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)
    return path

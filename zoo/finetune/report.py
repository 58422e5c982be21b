"""The end of a run: our score beside the published one, report.html and its plots."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.finetune.recipes import Published

# Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True)
class Estimate:
    """A score in percent, and how sure it is.

    Attributes:
        values: one for each seed.
        rows: rows of the split, from which a single seed's interval is estimated.
    """

    values: tuple[float, ...]
    rows: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Sample deviation over the seeds; 0 for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    @property
    def half(self) -> float:
        """Half of the 95 % interval: Student's over the seeds; for one seed that of a share of `rows`."""
        count = len(self.values)
        if count > 1:
            quantile = T95[count - 2] if count - 2 < len(T95) else 1.96 + 2.4 / (count - 1)
            return quantile * self.deviation / math.sqrt(count)
        share = min(max(self.mean / 100, 0.0), 1.0)
        return 196 * math.sqrt(share * (1 - share) / self.rows) if self.rows else 0.0

    def text(self) -> str:
        """91.28 +- 0.31 (3 seeds), or 91.28."""
        if len(self.values) == 1:
            return f"{self.mean:.2f}"
        return f"{self.mean:.2f} +- {self.deviation:.2f} ({len(self.values)} seeds)"


@dataclass(frozen=True)
class Comparison:
    """Our score beside a published one; `verdict` is reached, within the interval, below, or why there is none."""

    metric: str
    split: str
    ours: float
    published: float
    difference: float
    verdict: str
    source: str
    note: str

    def line(self) -> str:
        """One line for people."""
        note = f"; {self.note}" if self.note else ""
        return (
            f"{self.metric} on {self.split}: ours {self.ours:.2f}, published {self.published:.2f} "
            f"({self.source}{note}), difference {self.difference:+.2f}: {self.verdict}"
        )


def compare(published: Published, split: str, ours: Estimate, same_model: bool) -> Comparison:
    """Our score beside a published one.

    Args:
        split: of our score; another split than the published one's gets no verdict.
        same_model: the score was published for the model that was trained.
    """
    difference = ours.mean - published.score
    if not published.comparable:
        verdict = "not to be compared"
    elif not same_model:
        verdict = "another model"
    elif published.split not in (split, "not stated"):
        verdict = f"published on {published.split}"
    elif difference >= 0:
        verdict = "reached"
    else:
        verdict = "within our 95 % interval" if -difference <= ours.half else "below"
    return Comparison(
        published.metric, split, ours.mean, published.score, difference, verdict, published.source, published.note
    )


def summary(headline: str, split: str, ours: Estimate, comparisons: Sequence[Comparison]) -> str:
    """The one line at the end of a run: ours, published, difference, verdict."""
    for comparison in comparisons:
        if comparison.verdict in ("reached", "below") or comparison.verdict.startswith("within"):
            return comparison.line()
    if comparisons:
        return comparisons[0].line()
    return f"{headline} on {split}: ours {ours.text()}, no published score is known for this task and model"


# --- the page ---

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem .2rem 0; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums } th { border-bottom: 1px solid #999 }
img { max-width: 100%; display: block; margin: 1rem 0 } .line { font-size: 1.15rem; font-weight: 600 }
"""


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table; numbers on the right with two decimals."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="n">{value:.2f}</td>'
    return f"<td>{html.escape(str(value))}</td>"


def page(run: Mapping[str, Any], plots: Sequence[str]) -> str:
    """report.html from a run record.

    Args:
        run: run.json's content.
        plots: names of image files beside the page.
    """
    config, result = run["config"], run["result"]
    scores: Mapping[str, Mapping[str, float]] = result["scores"]
    metrics = list(next(iter(scores.values())))
    title = f"{config['task']} with {config['model']}"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>",
        f'<p class="line">{html.escape(run["summary"])}</p>',
        f"<h2>Scores on {html.escape(result['split'])} ({result['rows']} rows, percent)</h2>",
        table(
            ("", *metrics), [(name, *(float(row[m]) for m in metrics if m in row)) for name, row in scores.items()]
        ),
    ]
    if run.get("comparisons"):
        parts += ["<h2>Published</h2>", _published(run["comparisons"])]
    if run.get("notes"):
        parts += ["<ul>", *(f"<li>{html.escape(note)}</li>" for note in run["notes"]), "</ul>"]
    parts += [f'<img src="{html.escape(name)}" alt="{html.escape(Path(name).stem)}">' for name in plots]
    sources = run["sources"]
    parts += ["<h2>Configuration</h2>"]
    parts += [table(("option", "value", "from"), [(k, str(v), sources.get(k, "")) for k, v in config.items()])]
    files = [(split, name, digest) for split, held in run["data"].items() for name, digest in held["files"].items()]
    parts += ["<h2>Data</h2>", table(("split", "file", "sha256"), files)]
    versions = [*run["versions"].items(), ("commit", run.get("commit") or "not a checkout")]
    parts += ["<h2>Versions</h2>", table(("package", "version"), versions), "</html>"]
    return "\n".join(parts) + "\n"


def _published(comparisons: Sequence[Mapping[str, Any] | Comparison]) -> str:
    rows = [c if isinstance(c, Mapping) else asdict(c) for c in comparisons]
    columns = ("metric", "split", "ours", "published", "difference", "verdict", "source", "note")
    return table(columns, [[row[c] for c in columns] for row in rows])

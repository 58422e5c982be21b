"""The end of a run: our score beside the published one, report.html and its plots."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any

from zoo.finetune.recipes import Published


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
            from scipy.stats import t

            return float(t.ppf(0.975, count - 1)) * self.deviation / math.sqrt(count)
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


def page(run: Mapping[str, Any], plots: Sequence[str]) -> str:
    """Gives report.html of a run record, by the template beside this file.

    Args:
        run: run.json's content.
        plots: names of image files beside the page.
    """
    import jinja2

    result, compared = run["result"], run.get("comparisons") or ()
    metrics = list(next(iter(result["scores"].values())))
    columns = [field.name for field in fields(Comparison)]
    template = resources.files("zoo.finetune").joinpath("report.html.jinja").read_text("utf-8")
    made = jinja2.Environment(autoescape=True).from_string(template)
    return made.render(
        title=f"{run['config']['task']} with {run['config']['model']}",
        run=run,
        result=result,
        plots=plots,
        metrics=metrics,
        scores=[(name, *(float(row[m]) for m in metrics if m in row)) for name, row in result["scores"].items()],
        columns=columns,
        published=[[c[name] if isinstance(c, Mapping) else getattr(c, name) for name in columns] for c in compared],
        options=[(name, str(value), run["sources"].get(name, "")) for name, value in run["config"].items()],
        files=[
            (split, file, digest) for split, held in run["data"].items() for file, digest in held["files"].items()
        ],
        versions=[*run["versions"].items(), ("commit", run.get("commit") or "not a checkout")],
    )

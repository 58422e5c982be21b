"""What a run came to: its scores beside the published ones, and the page; several seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files
from zoo.finetune.errors_shown import MOST_CLASSES
from zoo.finetune.judgement import Judgement, Split, confusion
from zoo.finetune.recipes import Settled, same_model
from zoo.finetune.report import Comparison, Estimate, compare, summary
from zoo.finetune.report_page import page
from zoo.tasks import Task

ONE_SEED = ("seed", "best_update", "seconds", "memory")  # of a record that do not speak for several


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        folder: with run.json, best/ and report.html.
        scores: split -> row -> metric -> percent; means over the seeds.
        summary: ours, published, difference, verdict.
        comparisons: with every published score.
    """

    folder: Path
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    summary: str
    comparisons: tuple[Comparison, ...]


def verdict(settled: Settled, records: list[dict[str, Any]]) -> tuple[tuple[Comparison, ...], str]:
    """Every published score beside ours, and the line that ends the run."""
    results = records[0]["results"]
    recipe = settled.recipe
    compared = []
    for published in recipe.published if recipe else ():
        split = (
            published.split if published.split in results else "dev" if "dev" in results else next(iter(results))
        )
        rows = results[split]["scores"][results[split]["row"]]
        if published.metric not in rows:
            continue
        values = tuple(value_of(record, split, published.metric) for record in records)
        ours = Estimate(values, results[split]["rows"])
        same = recipe is not None and same_model(recipe.model, settled.config.model)
        compared.append(compare(published, split, ours, same))
    split = compared[0].split if compared else "test" if "test" in results else next(iter(results))
    metric = results[split]["metric"]
    ours = Estimate(tuple(value_of(r, split, metric) for r in records), results[split]["rows"])
    line = summary(metric, split, ours, compared)
    if len(records) > 1:
        line += f"; {metric} on {split} over {len(records)} seeds {ours.mean:.2f} +- {ours.deviation:.2f}, "
        line += f"95 % interval {ours.mean - ours.half:.2f} to {ours.mean + ours.half:.2f}"
    return tuple(compared), line


def value_of(record: Mapping[str, Any], split: str, metric: str) -> float:
    """A metric of the row that counts."""
    result = record["results"][split]
    return float(result["scores"][result["row"]][metric])


def result_of(found: Judgement, split: Split, task: Task) -> dict[str, Any]:
    """Gives what run.json says of a split: its scores and, of a classifier, how its classes were confused."""
    scores = found.scores
    made: dict[str, Any] = {
        "rows": len(split.examples),
        "row": scores.row,
        "metric": scores.metric,
        "value": scores.value,
        "scores": scores.rows,
        **({} if isnan(found.loss) else {"loss": found.loss}),
    }
    labels = getattr(task, "labels", ())
    if task.head == "classification" and 1 < len(labels) <= MOST_CLASSES:
        gold = [example.label for example in split.examples]  # type: ignore[attr-defined]
        made["confusion"] = confusion(labels, gold, found.answers).tolist()
    return made


def draw(place: Path, record: Mapping[str, Any], settled: Settled, task: Task, lengths: Sequence[int] = ()) -> None:
    """Writes report.html, from the record and from what else the folder has."""
    published = settled.recipe.published if settled.recipe else ()
    with files.write_file(place / "report.html", replace=True) as stream:
        stream.write(page(place, record, task, published, lengths))


def merge(
    out: Path, settled: Settled, task: Task, seeds: Sequence[int], records: list[dict[str, Any]], write: bool
) -> Result:
    """The result of one seed, or of several: their mean, deviation and interval.

    Args:
        out: the folder; of several seeds it holds one folder for each.
        seeds: one for each record.
        write: this process writes run.json and report.html of several seeds.
    """
    compared, line = verdict(settled, records)
    scores = {split: _means(records, split) for split in records[0]["results"]}
    if len(records) > 1 and write:
        metric, split = headline(records[0])
        values = [value_of(record, split, metric) for record in records]
        ours = Estimate(tuple(values), records[0]["results"][split]["rows"])
        picked = "dev" if "dev" in scores else split
        best = int(np.argmax([record["results"][picked]["value"] for record in records]))
        whole = {k: v for k, v in records[0].items() if k not in ONE_SEED}
        whole["seeds"] = {
            "metric": metric,
            "split": split,
            "values": dict(zip(seeds, values, strict=True)),
            "mean": ours.mean,
            "deviation": ours.deviation,
            "interval": [ours.mean - ours.half, ours.mean + ours.half],
            "best": f"seed-{seeds[best]}/best",
            "more": {seed: _of_seed(record) for seed, record in zip(seeds, records, strict=True)},
        }
        whole |= {"summary": line, "comparisons": [asdict(c) for c in compared]}
        results = {split: {**held, "scores": scores[split]} for split, held in whole["results"].items()}
        whole["results"] = {split: {k: v for k, v in r.items() if k != "confusion"} for split, r in results.items()}
        files.write_json(out / "run.json", whole, replace=True)
        draw(out, whole, settled, task)
    return Result(out, scores, line, compared)


def _of_seed(record: Mapping[str, Any]) -> dict[str, float]:
    """What a table of seeds says of one beside its headline: the score on dev, the best update, seconds."""
    dev = record["results"].get("dev")
    found = {f"{dev['metric']} on dev": dev["value"]} if dev and "test" in record["results"] else {}
    return {
        **found,
        **{name.replace("_", " "): record[name] for name in ("best_update", "seconds") if name in record},
    }


def _means(records: Sequence[Mapping[str, Any]], split: str) -> dict[str, dict[str, float]]:
    """Rows and metrics that every seed has, averaged."""
    parts = [record["results"][split]["scores"] for record in records]
    rows = [row for row in parts[0] if all(row in part for part in parts)]
    return {row: {m: float(np.mean([part[row][m] for part in parts])) for m in parts[0][row]} for row in rows}


def headline(record: Mapping[str, Any]) -> tuple[str, str]:
    """Metric and split of the number that speaks for a run."""
    split = "test" if "test" in record["results"] else "dev"
    return record["results"][split]["metric"], split

"""Reads finished runs, puts those of one task and data together, and compares each with the first of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files
from zoo.compare.significance import Significance, test
from zoo.errors import UsageError, whole
from zoo.files import quote, user_path
from zoo.finetune import kept, svg
from zoo.finetune import run_folder as disk
from zoo.finetune.checks import COST
from zoo.finetune.report import Estimate
from zoo.finetune.report_page import curves
from zoo.finetune.result import headline
from zoo.finetune.templates import drawn, render
from zoo.tasks.scores import GAP_ROW

LEFT_OUT = ("out", "trackers", "recipe", "task", *COST)  # options whose differences say nothing


@dataclass(frozen=True)
class FinishedRun:
    """A run that is compared.

    Attributes:
        name: shortest end of the folder's path that no other run has.
        record: run.json's content.
        split, metric: of the score that speaks for it.
        scores: row -> metric -> percent; means over the seeds.
        seeds: the folder of each seed.
        values: the score of each seed.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    split: str
    metric: str
    scores: Mapping[str, Mapping[str, float]]
    seeds: tuple[Path, ...]
    values: tuple[float, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """Gives its options."""
        return dict(self.record["config"])

    @property
    def estimate(self) -> Estimate:
        """Gives its score: one value for each seed."""
        return Estimate(self.values, int(self.record["results"][self.split]["rows"]))

    @property
    def seed_names(self) -> list[str]:
        """Gives the number of each seed."""
        several = self.record.get("seeds")
        return list(several["values"]) if several else [str(self.config["seed"])] if "seed" in self.config else []

    def answers(self) -> list[list[kept.Kept]]:
        """Gives what each seed answered."""
        return [kept.read(place / kept.FILE, self.split) for place in self.seeds]

    def data(self) -> tuple[Any, ...]:
        """Gives what tells its task and scored data from others."""
        held = (self.record.get("data") or {}).get(self.split) or {}
        sums = tuple(sorted((held.get("files") or {}).values()))
        return self.config.get("task"), self.split, self.metric, sums or held.get("examples", 0)


@dataclass(frozen=True)
class Group:
    """Runs that were scored on the same data; the first is what the others are compared with.

    Attributes:
        options: name -> value of each run, of options that differ.
        tests: of each run but the first: what the test found, or why there is none.
    """

    task: str
    split: str
    metric: str
    runs: tuple[FinishedRun, ...]
    options: Mapping[str, tuple[Any, ...]]
    tests: tuple[Significance | str, ...] = field(default_factory=tuple)

    def rows(self) -> list[dict[str, Any]]:
        """Gives a row for each run: name, model, options, score, and how it differs from the first."""
        found: list[dict[str, Any]] = []
        first = self.runs[0].estimate.mean
        for n, run in enumerate(self.runs):
            ours = run.estimate
            row = {"run": run.name, "folder": str(run.folder), "model": run.config["model"], "score": ours.mean}
            row |= {"deviation": ours.deviation, "seeds": len(ours.values)}
            row["options"] = {name: values[n] for name, values in self.options.items()}
            row["scores"] = {name: dict(scores) for name, scores in run.scores.items()}
            if n:
                result = self.tests[n - 1]
                row["difference"] = ours.mean - first
                tested = isinstance(result, Significance)
                row["test"] = {**asdict(result), "verdict": result.verdict} if tested else None  # type: ignore[arg-type,union-attr]
                row["why no test"] = "" if tested else result
            found.append(row)
        return found


def compare(folders: Sequence[str | Path], seed: int = 0, pool: bool = False) -> list[Group]:
    """Compares finished runs.

    Args:
        folders: of runs, or of experiments and suites, whose runs are taken.
        seed: of the draws of the significance tests.
        pool: runs that differ in their seed alone are one, of several seeds.

    Raises:
        UsageError: fewer than two runs, a folder without a finished one, a seed below 0, or two runs of one seed
            that would be pooled.
    """
    whole("seed", seed, 0)
    places = [place for folder in folders for place in _places(user_path(folder))]
    places = list(dict.fromkeys(places))
    if len(places) < 2:
        raise UsageError("There is one run; there must be two or more.", "zoo compare RUN RUN, or an experiment.")
    runs = [_read(place, name) for place, name in zip(places, _names(places), strict=True)]
    groups: dict[tuple[Any, ...], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(run.data(), []).append(run)
    return [_group(tuple(_pooled(found) if pool else found), seed) for found in groups.values()]


def _places(folder: Path) -> list[Path]:
    """Gives the folder of a run, or those of the runs of an experiment or of a suite."""
    if (folder / "run.json").is_file():
        return [folder]
    for file in (folder / disk.EXPERIMENT_FILE, folder / disk.SUITE_FILE):
        if file.is_file():
            names = files.Fields(disk.read_json(file), quote(str(file), 200), UsageError).object("runs", {})
            below = [folder / str(name) for name in names.values() if files.is_name(name)]
            return [place for one in below for place in _places(one)]
    raise UsageError(f"{quote(str(folder), 200)} has no run.json.", "Give the folder of a finished run.")


def _names(places: Sequence[Path]) -> list[str]:
    """Gives each folder's name, with as much of its path before it as tells all apart."""
    parts = [place.resolve().parts for place in places]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def _read(place: Path, name: str) -> FinishedRun:
    record = disk.read_run(place / "run.json")
    if record.get("status") != "finished":
        status = quote(str(record.get("status")))
        raise UsageError(f"The run in {quote(str(place), 200)} is not finished: its status is {status}.")
    metric, split = headline(record)
    result, seeds = record["results"][split], record.get("seeds")
    folders = tuple(place / f"seed-{seed}" for seed in seeds["values"]) if seeds else (place,)
    values = tuple(map(float, seeds["values"].values())) if seeds else (float(result["value"]),)
    return FinishedRun(name, place, record, split, metric, result["scores"], folders, values)


def _pooled(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    """Gives runs of one task and data, those that differ in their seed alone as one."""
    same: dict[str, list[FinishedRun]] = {}
    for run in runs:
        about = {name: value for name, value in run.config.items() if name not in (*LEFT_OUT, "seed", "seeds")}
        same.setdefault(json.dumps(about, sort_keys=True, default=str), []).append(run)
    return [_as_one(found) for found in same.values()]


def _as_one(runs: Sequence[FinishedRun]) -> FinishedRun:
    by_seed: dict[str, str] = {}
    for run in runs:
        for seed in run.seed_names:
            if (other := by_seed.setdefault(seed, run.name)) != run.name:
                raise UsageError(
                    f"{quote(other)} and {quote(run.name)} have the seed {seed}: --pool would count it twice.",
                    "Leave one of them out.",
                )
    weights = [len(run.values) for run in runs]
    rows = [name for name in runs[0].scores if all(name in run.scores for run in runs)]
    scores = {
        name: {
            metric: float(np.average([run.scores[name][metric] for run in runs], weights=weights))
            for metric in runs[0].scores[name]
            if all(metric in run.scores[name] for run in runs)
        }
        for name in rows
    }
    return replace(
        runs[0],
        name=" + ".join(run.name for run in runs),
        scores=scores,
        seeds=tuple(place for run in runs for place in run.seeds),
        values=tuple(value for run in runs for value in run.values),
    )


def _group(runs: tuple[FinishedRun, ...], seed: int) -> Group:
    first = runs[0]
    names = [name for name in first.config if name not in LEFT_OUT and name != "model"]
    options = {name: tuple(run.config.get(name) for run in runs) for name in names}
    options = {name: values for name, values in options.items() if any(value != values[0] for value in values)}
    labels = [str(label) for label in (first.record.get("task") or {}).get("labels") or ()]
    answers = first.answers() if len(runs) > 1 else []
    tests = tuple(test(answers, run.answers(), first.metric, labels, seed) for run in runs[1:])
    return Group(str(first.config["task"]), first.split, first.metric, runs, options, tests)


def write_page(file: Path, groups: Sequence[Group], replace: bool = False) -> None:
    """Writes the page of a comparison, one file."""
    with files.write_file(file, replace=replace) as stream:
        stream.write(page(groups))


def page(groups: Sequence[Group]) -> str:
    """Gives the page of a comparison."""
    return render(
        "compare.html.jinja",
        "zoo.compare",
        title=f"{sum(len(group.runs) for group in groups)} runs compared",
        groups=[{"group": group, "rows": group.rows(), **_shown(group)} for group in groups],
    )


def _shown(group: Group) -> dict[str, Any]:
    """Gives the charts of a group, and its scores by language or class."""
    losses: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for run in group.runs:
        for place in run.seeds:
            name = run.name if len(run.seeds) == 1 else f"{run.name} {place.name}"
            losses[name], scores[name] = curves(place / "metrics.jsonl", group.metric)
    bars = []
    for run in group.runs:
        ours = run.estimate
        bars.append((run.name, ours.mean - ours.half, ours.mean, ours.mean + ours.half))
    names = list(
        dict.fromkeys(name for run in group.runs for name in run.scores if group.metric in run.scores[name])
    )
    table = [
        (name, *(run.scores.get(name, {}).get(group.metric) for run in group.runs), *_last(group, name))
        for name in names
        if name != GAP_ROW
    ]
    charts = (
        svg.intervals(bars, f"{group.metric} on {group.split}, 95 % intervals"),
        svg.lines({name: line for name, line in losses.items() if line}, "update", "training loss"),
        svg.lines({n: line for n, line in scores.items() if line}, "update", f"{group.metric} on dev", dots=True),
    )
    return {"charts": drawn(*charts), "table": table if len(table) > 1 else []}


def _last(group: Group, name: str) -> tuple[float | None, ...]:
    """Gives the difference of a row, where two runs are compared."""
    if len(group.runs) != 2:
        return ()
    one, other = (run.scores.get(name, {}).get(group.metric) for run in group.runs)
    return (None if one is None or other is None else other - one,)

"""Reads finished runs, puts those of one task and data together, and compares each with the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo import files
from zoo.compare.significance import Significance, test
from zoo.errors import UsageError
from zoo.files import quote, user_path
from zoo.finetune import kept, svg
from zoo.finetune import run_folder as disk
from zoo.finetune.report import Estimate
from zoo.finetune.report_page import curves, metrics_files
from zoo.finetune.result import headline
from zoo.finetune.templates import drawn, render
from zoo.tasks.scores import GAP_ROW

LEFT_OUT = ("out", "trackers", "recipe", "task")  # options whose differences say nothing


@dataclass(frozen=True)
class FinishedRun:
    """A run that is compared.

    Attributes:
        name: shortest end of the folder's path that no other run has.
        record: run.json's content.
        split, metric: of the score that speaks for it.
        scores: row -> metric -> percent; means over the seeds.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    split: str
    metric: str
    scores: Mapping[str, Mapping[str, float]]

    @property
    def config(self) -> Mapping[str, Any]:
        """Gives its options."""
        return dict(self.record["config"])

    @property
    def estimate(self) -> Estimate:
        """Gives its score: one value for each seed."""
        result, seeds = self.record["results"][self.split], self.record.get("seeds")
        values = tuple(map(float, seeds["values"].values())) if seeds else (float(result["value"]),)
        return Estimate(values, int(result["rows"]))

    def answers(self) -> list[kept.Kept]:
        """Gives what it answered; of several seeds what the first one did."""
        seeds = self.record.get("seeds")
        place = self.folder / f"seed-{next(iter(seeds['values']))}" if seeds else self.folder
        return kept.read(place / kept.FILE, self.split)

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


def compare(folders: Sequence[str | Path], seed: int = 0) -> list[Group]:
    """Compares finished runs.

    Args:
        folders: of runs, or of experiments, whose runs are taken.
        seed: of the draws of the significance tests.

    Raises:
        UsageError: fewer than two runs, or a folder without a finished one.
    """
    places = [place for folder in folders for place in _places(user_path(folder))]
    places = list(dict.fromkeys(places))
    if len(places) < 2:
        raise UsageError("There is one run; there must be two or more.", "zoo compare RUN RUN, or an experiment.")
    runs = [_read(place, name) for place, name in zip(places, _names(places), strict=True)]
    groups: dict[tuple[Any, ...], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(run.data(), []).append(run)
    return [_group(tuple(found), seed) for found in groups.values()]


def _places(folder: Path) -> list[Path]:
    """Gives the folder of a run, or those of an experiment's runs."""
    if (folder / "run.json").is_file():
        return [folder]
    if (folder / "experiment.json").is_file():
        names = files.Fields(disk.read_json(folder / "experiment.json"), quote(str(folder), 200), UsageError)
        places = [str(name) for name in names.object("runs", {}).values()]
        return [folder / name for name in places if files.is_name(name)]
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
    return FinishedRun(name, place, record, split, metric, record["results"][split]["scores"])


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
        for seed, file in metrics_files(run.folder, run.record).items():
            name = f"{run.name} {seed}".strip()
            losses[name], scores[name] = curves(file, group.metric)
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

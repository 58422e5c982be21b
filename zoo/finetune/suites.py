"""Several tasks in one command: GLUE, CLUE and XTREME, one run after the other, and their average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from zoo import files, terminal
from zoo.errors import InputError, UsageError
from zoo.files import user_path
from zoo.finetune import checks, parallel
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.data import languages_of, source_of_path, wanted_splits
from zoo.finetune.recipes import SUITES, Settled, find, settle
from zoo.finetune.report import Comparison, Estimate, compare, summary
from zoo.finetune.result import Result
from zoo.finetune.run import finetune
from zoo.finetune.run_folder import FORMAT, SUITE_FILE
from zoo.finetune.setup import run_name
from zoo.finetune.tracker_stores import with_store
from zoo.tasks.scores import ALL_ROW, AVERAGE_ROW


@dataclass(frozen=True)
class Rules:
    """How a suite makes one number of a task's scores, and its average.

    Attributes:
        split: whose scores count.
        metrics: task -> the metrics whose plain mean is its number; the headline of tasks that are not named.
        settings: task -> options that are the benchmark's.
    """

    split: str = "dev"
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


RULES = {
    "xtreme": Rules(
        split="test",
        metrics={
            **dict.fromkeys(("xquad", "mlqa", "tydiqa-goldp"), ("f1", "exact")),
            "tatoeba": ("x->en",),
            "bucc": ("f1",),
        },
        settings={"xquad": {"languages": "ar,de,el,en,es,hi,ru,th,tr,vi,zh"}},
    )
}


@dataclass(frozen=True)
class SuiteResult:
    """What the runs of a suite came to.

    Attributes:
        folder: has a folder for each task, and suite.json.
        results: of each task.
        split: whose scores these are.
        metrics: task -> what its number is the plain mean of.
        scores: task -> its number; and "average", their plain mean.
        missing: member of the benchmark that is not in the average -> why.
        comparisons: of the average with published ones; none while a member is missing.
        summary: ours, published, difference, verdict.
    """

    folder: Path
    results: Mapping[str, Result]
    split: str
    metrics: Mapping[str, tuple[str, ...]]
    scores: Mapping[str, float]
    missing: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    summary: str


@dataclass(frozen=True)
class Plan:
    """A suite for one model, before its first run.

    Attributes:
        settled: task -> its configuration.
    """

    name: str
    model: str
    out: Path
    settled: Mapping[str, Settled]

    def run(self, resume: bool = False) -> SuiteResult:
        """Runs every task; see `finetune_suite`."""
        results = {task: finetune(each, resume=resume) for task, each in self.settled.items()}
        found = _result(self.name, self.model, self.out, results)
        if parallel.rank() == 0:
            _write(self.name, found)
        return found


def finetune_suite(name: str, given: Mapping[str, Any], by: str = "argument", resume: bool = False) -> SuiteResult:
    """Finetunes one model on every task of a suite, each by the zoo's recipe for it.

    Args:
        name: of SUITES.
        given: options that hold for every task, over its recipe; `data` is the benchmark's folder.
        by: what to call them in the records.
        resume: go on where it was: finished tasks are not run again.

    Raises:
        UsageError, InputError, TrainingError: as `finetune`; missing files are found before the first run.
    """
    return plan(name, given, by, resume).run(resume)


def plan(name: str, given: Mapping[str, Any], by: str = "argument", resume: bool = False) -> Plan:
    """Settles the options of every task of a suite and looks for its files; as `finetune_suite`."""
    if not given.get("model") or given.get("recipe"):
        raise UsageError(
            f"--task {name} trains one model on several tasks, each by its own recipe.", "Say --model."
        )
    out = user_path(given.get("out") or f"runs/{run_name(FinetuneConfig(task=name, model=given['model']))}")
    if given.get("trackers"):
        given = {**given, "trackers": with_store(str(given["trackers"]), out / "trackers")}
    rules = RULES.get(name, Rules())
    settled = {
        task: settle({**rules.settings.get(task, {}), **given, "task": task, "out": str(out / task)}, by)
        for task in SUITES[name]
    }
    file = next((given[n] for n in ("train_file", "dev_file", "test_file", "data") if given.get(n)), "")
    if file and user_path(file).is_file():
        raise UsageError(
            f"--task {name} reads several data sets, and '{file}' is a file.", "Give a folder: --data FOLDER."
        )
    for each in settled.values():
        task, source = checks.ahead(each, resume), source_of_path(each.config.data)
        if isinstance(source, Path):
            for split in set(wanted_splits(task, False)) & {"train", "dev", rules.split}:
                list(task.paths(source, split, languages_of(task, split, each.config)))
    return Plan(name, given["model"], out, settled)


def _write(name: str, found: SuiteResult) -> None:
    """Writes suite.json."""
    content = {"format": FORMAT, "suite": name, "split": found.split, "scores": dict(found.scores)}
    content |= {"missing": dict(found.missing), "summary": found.summary}
    content["comparisons"] = [asdict(comparison) for comparison in found.comparisons]
    content["runs"] = {task: result.folder.name for task, result in found.results.items()}
    files.write_json(found.folder / SUITE_FILE, content, replace=True)


def _result(name: str, model: str, out: Path, results: Mapping[str, Result]) -> SuiteResult:
    """Gives the numbers of a suite, from the rows of each run and never from a rounded line."""
    rules = RULES.get(name, Rules())
    rows = {task: _row(result.scores.get(rules.split, {})) for task, result in results.items()}
    without = f"its {rules.split} split has no gold answers"
    missing = {task: without for task, row in rows.items() if not row}
    metrics = {task: rules.metrics.get(task) or tuple(row)[:1] for task, row in rows.items() if row}
    scores = {task: fmean(rows[task][metric] for metric in names) for task, names in metrics.items()}
    if not scores:
        raise InputError(f"No task of {name} was scored on {rules.split}: {without}.")
    scores[AVERAGE_ROW] = fmean(scores.values())
    recipe, ours = find(name, model), Estimate((scores[AVERAGE_ROW],), 0)
    published = recipe.published if recipe and not missing else ()
    compared = tuple(compare(p, rules.split, ours, True) for p in published)
    what = f"{AVERAGE_ROW} of {name}" + (f" without {', '.join(missing)}" if missing else "")
    line = summary(what, rules.split, ours, compared)
    return SuiteResult(out, results, rules.split, metrics, scores, missing, compared, line)


def _row(rows: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    """Gives the row of all examples, or the mean of the languages; an empty one without scores."""
    return rows.get(AVERAGE_ROW) or rows.get(ALL_ROW) or {}


def show(result: SuiteResult) -> None:
    """Prints the table and the line below it."""
    rows = []
    for task, value in result.scores.items():
        names = result.metrics.get(task, ())
        metric = " + ".join(names) if len(names) < 2 else f"({' + '.join(names)}) / {len(names)}"
        rows.append((task, metric, f"{value:.2f}"))
    terminal.table(rows, ("task", "metric", result.split), right=(2,))
    for member, reason in result.missing.items():
        print(f"not in the average: {member} ({reason})")
    print(result.summary)

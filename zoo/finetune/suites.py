"""Several tasks in one command: GLUE and CLUE, one run after the other, and their average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from zoo import files, terminal
from zoo.errors import UsageError
from zoo.files import user_path
from zoo.finetune import parallel
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.data import source_of_path
from zoo.finetune.recipes import SUITES, find, settle
from zoo.finetune.report import Estimate, compare, summary
from zoo.finetune.result import Result
from zoo.finetune.run import finetune
from zoo.finetune.run_folder import FORMAT
from zoo.finetune.setup import run_name, task_of

AVERAGE_ROW = "average"


@dataclass(frozen=True)
class SuiteResult:
    """What the runs of a suite came to.

    Attributes:
        folder: has a folder for each task, and suite.json.
        results: of each task.
        scores: task -> its headline metric on dev; and "average", their plain mean.
        summary: ours, published, difference, verdict.
    """

    folder: Path
    results: Mapping[str, Result]
    scores: Mapping[str, float]
    summary: str


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
    if not given.get("model") or given.get("recipe"):
        raise UsageError(
            f"--task {name} trains one model on several tasks, each by its own recipe.", "Say --model."
        )
    out = user_path(given.get("out") or f"runs/{run_name(FinetuneConfig(task=name, model=given['model']))}")
    settled = {task: settle({**given, "task": task, "out": str(out / task)}, by) for task in SUITES[name]}
    if given.get("data") and user_path(given["data"]).is_file():
        raise UsageError(
            f"--task {name} reads several data sets, and '{given['data']}' is a file.", "Give a folder."
        )
    for each in settled.values():
        task, source = task_of(each.config), source_of_path(each.config.data)
        if isinstance(source, Path):
            for split in ("train", "dev"):
                list(task.paths(source, split, ()))
    results = {task: finetune(each, resume=resume) for task, each in settled.items()}
    # From the rows of each run, never from a rounded line.
    scores = {task: next(iter(result.scores["dev"]["all"].values())) for task, result in results.items()}
    scores[AVERAGE_ROW] = fmean(scores.values())
    recipe, ours = find(name, given["model"]), Estimate((scores[AVERAGE_ROW],), 0)
    compared = [compare(p, "dev", ours, True) for p in recipe.published] if recipe else []
    line = summary(f"{AVERAGE_ROW} of {name}", "dev", ours, compared)
    if parallel.rank() == 0:
        content: dict[str, Any] = {"format": FORMAT, "suite": name, "scores": scores, "summary": line}
        content["comparisons"] = [asdict(c) for c in compared]
        files.write_json(out / "suite.json", content, replace=True)
    return SuiteResult(out, results, scores, line)


def show(result: SuiteResult) -> None:
    """Prints the table and the line below it."""
    rows = []
    for task, value in result.scores.items():
        metric = next(iter(result.results[task].scores["dev"]["all"])) if task != AVERAGE_ROW else ""
        rows.append((task, metric, f"{value:.2f}"))
    terminal.table(rows, ("task", "metric", "dev"), right=(2,))
    print(result.summary)

"""Several models in one command: the same task or suite, a run each, and one table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from zoo import files, signals, terminal
from zoo.errors import InputError, UsageError, ZooError
from zoo.files import user_path
from zoo.finetune import checks, parallel, suites
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.recipes import SUITES, settle
from zoo.finetune.result import Result
from zoo.finetune.run import finetune
from zoo.finetune.run_folder import EXPERIMENT_FILE, FORMAT
from zoo.finetune.setup import run_name
from zoo.finetune.suites import SuiteResult
from zoo.finetune.tracker_stores import with_store

log = logging.getLogger("zoo")


@dataclass(frozen=True)
class ExperimentResult:
    """What the runs of several models came to.

    Attributes:
        folder: has a folder for each model, experiment.json and compare.html.
        results: model -> its result, or that of its suite.
        failed: model -> why it has none.
    """

    folder: Path
    results: Mapping[str, Result | SuiteResult]
    failed: Mapping[str, str]

    def table(self) -> tuple[str, dict[str, dict[str, float]]]:
        """Gives what the numbers are, and model -> column (a language, a task of a suite, or "all") -> percent."""
        benchmarks = {model: each for model, each in self.results.items() if isinstance(each, SuiteResult)}
        if benchmarks:
            split = next(iter(benchmarks.values())).split
            return f"each task's number on {split}", {m: dict(each.scores) for m, each in benchmarks.items()}
        runs = {model: each for model, each in self.results.items() if isinstance(each, Result)}
        first = next(iter(runs.values()))
        split = "test" if "test" in first.scores else "dev"
        metric = next(iter(next(iter(first.scores[split].values()))))
        rows = {
            model: {name: row[metric] for name, row in result.scores[split].items() if metric in row}
            for model, result in runs.items()
        }
        return f"{metric} on {split}", rows


def finetune_models(
    models: Sequence[str], given: Mapping[str, Any], by: str = "argument", resume: bool = False
) -> ExperimentResult:
    """Finetunes several models on one task or suite; what stops one does not stop the others.

    Args:
        models: names, folders or repositories.
        given: options that hold for every model, over its recipe. `out` is the folder of all runs; their trackers
            have one store there, unless they name another.
        by: what to call them in the records.
        resume: go on where it was: finished models are not run again.

    Raises:
        UsageError: before the first run, for options that do not fit.
        InputError: none of the models could be trained.
    """
    out, of_model = _options(models, given)
    runs = {model: _run(options, by, resume) for model, options in of_model.items()}
    results: dict[str, Result | SuiteResult] = {}
    failed: dict[str, str] = {}
    for model, run in runs.items():
        try:
            results[model] = run(resume=resume)
        except Exception as error:
            if signals.received() or parallel.world() > 1:  # the other processes would wait for this one
                raise
            failed[model] = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            log.info("%s failed, the others go on: %s", model, failed[model])
    if not results:
        raise InputError(
            "None of the models could be trained.", "\n".join(f"{m}: {why}" for m, why in failed.items())
        )
    found = ExperimentResult(out, results, failed)
    if parallel.rank() == 0:
        _write(found, given)
    return found


def _run(options: Mapping[str, Any], by: str, resume: bool) -> Callable[..., Result | SuiteResult]:
    """Gives what trains one model, when all that can be checked ahead has been."""
    if options.get("task") in SUITES:
        return suites.plan(options["task"], {k: v for k, v in options.items() if k != "task"}, by, resume).run
    settled = settle(options, by)
    checks.ahead(settled, resume)
    return partial(finetune, settled)


def _options(models: Sequence[str], given: Mapping[str, Any]) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Gives the folder of all runs, and each model's options, with a folder of its own."""
    task = str(given.get("task", ""))
    if len(set(models)) < len(models):
        raise UsageError("--model names a model twice.", "Each once.")
    out = user_path(given.get("out") or f"runs/{task}-{len(models)}-models")
    more = {}
    if given.get("trackers"):
        more["trackers"] = with_store(str(given["trackers"]), out / "trackers")
    taken: set[str] = set()
    found = {}
    for model in models:
        name = base = run_name(FinetuneConfig(task=task, model=PurePath(model).name))
        while name in taken:
            name = f"{base}-{len(taken) + 1}"
        taken.add(name)
        found[model] = {**given, **more, "model": model, "out": str(out / name)}
    return out, found


def _write(found: ExperimentResult, given: Mapping[str, Any]) -> None:
    """Writes experiment.json, and compare.html where there are two runs to compare."""
    what, rows = found.table()
    content = {
        "format": FORMAT,
        "task": given["task"],
        "scores": what,
        "models": rows,
        "failed": dict(found.failed),
    }
    content["runs"] = {model: result.folder.name for model, result in found.results.items()}
    files.write_json(found.folder / EXPERIMENT_FILE, content, replace=True)
    if len(found.results) > 1:
        from zoo.compare import runs

        compared = runs.compare([result.folder for result in found.results.values()])
        runs.write_page(found.folder / "compare.html", compared, replace=True)


def show(result: ExperimentResult) -> None:
    """Prints the table, and which models failed."""
    what, rows = result.table()
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [(model, *(f"{row[n]:.2f}" if n in row else "" for n in names)) for model, row in rows.items()]
    print(what)
    terminal.table(cells, ("model", *names), right=range(1, len(names) + 1))
    for model, reason in result.failed.items():
        print(f"failed: {model}: {reason}")
    print(result.folder / ("compare.html" if len(result.results) > 1 else "experiment.json"))

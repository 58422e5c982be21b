"""A run: from a configuration to a folder with the best model, its scores and a report."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from zoo import env, files, signals, terminal
from zoo.errors import UsageError, ZooError
from zoo.files import user_path
from zoo.finetune import checkpoints, checks, given_rows, kept, parallel
from zoo.finetune import run_folder as disk
from zoo.finetune.config import DEFAULTS, FinetuneConfig
from zoo.finetune.data import Data, Sources, read_data
from zoo.finetune.evaluation import Judgement, Split, judge
from zoo.finetune.loop import train
from zoo.finetune.losses import Objective
from zoo.finetune.progress import ProgressReporter
from zoo.finetune.recipes import Settled, find, settle
from zoo.finetune.result import Result, draw, merge, result_of, verdict
from zoo.finetune.setup import (
    generate_options,
    load_model,
    loop_settings,
    objective_for,
    optimiser_of,
    run_name,
    split_of,
    task_of,
)
from zoo.finetune.trackers import Trackers, label_of
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.tasks import Task

log = logging.getLogger("zoo")


def finetune(
    config: FinetuneConfig | Settled | None = None,
    /,
    *,
    resume: bool | str | os.PathLike[str] = False,
    train: Any = None,
    dev: Any = None,
    test: Any = None,
    **options: Any,
) -> Result:
    """Finetunes a model.

    Args:
        config: a configuration, used as it is.
        resume: go on with the run in `out`, from its newest checkpoint; or the folder of the run, whose options
            then need not be said again.
        train, dev, test: rows of your own instead of files: lists of dicts, data frames of pandas or polars,
            `datasets.Dataset`. The run's folder keeps them, in data/.
        **options: instead of a configuration: its fields, over the recipe for this task and model.

    Raises:
        UsageError: options that make no sense, or a folder that has a run already.
        InputError: data that cannot be read; names file and line. Nothing was written.
        TrainingError: the loss or a gradient is no number.

    Example:
        The folder reviews has train.csv and dev.csv with the columns text and label.

        >>> from zoo.finetune import finetune
        >>> options = {"task": "classification", "model": "all-MiniLM-L6-v2", "data": "reviews", "epochs": 1}
        >>> result = finetune(**options, out="runs/reviews")
        >>> sorted(result.scores["dev"]["all"])
        ['accuracy', 'macro-f1']
        >>> (result.folder / "report.html").is_file()
        True
    """
    given = {split: rows for split, rows in (("train", train), ("dev", dev), ("test", test)) if rows is not None}
    if not isinstance(resume, bool):
        settled, resume = checks.resumed(resume, config, options), True
    else:
        settled = _settled(config, options)
    config = settled.config
    checks.check_trackers(config.tracker_names)
    checks.check_options(config, given)
    out = user_path(config.out or f"runs/{run_name(config)}")
    parallel.start()
    with _held(out), ExitStack() as stack:
        before = checks.goes_on(out, config, resume)
        processes = before or parallel.world()
        parallel.wait()  # before the first process writes there
        if given:
            places: dict[str, Any] = dict(stack.enter_context(given_rows.written(out, given)))
            config = replace(config, **places)
            settled = replace(
                settled, config=config, sources={**settled.sources, **dict.fromkeys(places, "argument")}
            )
        task = task_of(config)
        checks.check(config, task)
        data = read_data(task, Sources.of(config, task), config)
        names = [out / f"seed-{seed}" for seed in _seeds(config)] if config.seeds > 1 else [out]
        runs = []
        for seed, place in zip(_seeds(config), names, strict=True):
            record = disk.read_run(place / "run.json") if resume and (place / "run.json").is_file() else {}
            if record.get("status") != "finished":
                record = Run(settled, task, data, place, seed, bool(record and before), processes).run()
            runs.append(record)
        parallel.wait()
        return merge(out, settled, task, _seeds(config), runs, parallel.rank() == 0)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keeps other runs out of the folder, and explains what its disk does.

    Raises:
        UsageError: another run is at work there, or nothing can be written there.
    """
    folder = files.real_folder(out)
    with files.explained(folder):
        if parallel.rank():
            yield
        else:
            with files.parents(folder), files.lock(folder, wait=False):
                yield


def _settled(config: FinetuneConfig | Settled | None, options: Mapping[str, Any]) -> Settled:
    if isinstance(config, Settled):
        return config
    if config is None:
        return settle(options, "argument")
    if options:
        raise UsageError("finetune takes a configuration or options, not both.")
    sources = {k: "default" if v == DEFAULTS[k] else "argument" for k, v in config.to_dict().items()}
    if not config.task or not config.model:
        raise UsageError("The configuration names no task or no model.", "FinetuneConfig(task=..., model=...)")
    return Settled(config, sources, find(config.task, config.model))


def _seeds(config: FinetuneConfig) -> list[int]:
    return [config.seed + n for n in range(config.seeds)]


class Run:
    """One seed.

    Args:
        processes: that started the run; others may go on with it.
    """

    def __init__(
        self, settled: Settled, task: Task, data: Data, place: Path, seed: int, resume: bool, processes: int
    ) -> None:
        self.settled, self.config, self.task, self.data = settled, settled.config, task, data
        self.place, self.seed, self.resume, self.processes = place, seed, resume, processes
        self.first = parallel.rank() == 0
        self.last: Judgement | None = None
        self.best: Judgement | None = None
        self.watch: ProgressReporter | None = None
        self.generate: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Trains, evaluates the best model, writes the folder; gives what run.json has."""
        began = time.time()
        with terminal.status("loading the model and the data"):
            model = load_model(self.config, self.task, self.seed)
            self.generate = generate_options(self.config, self.task, model)
            splits = {name: self._split(name, model) for name in self.data.splits if name != "test"}
        trains = "train" in splits and self.config.epochs > 0
        rows = len(splits["train"].features) if trains else 1
        settings = loop_settings(self.config, self.task, rows, self.seed, self.processes)
        objective = objective_for(self.config, model) if trains else None  # a mistake stops before the folder
        record = self._record(model, splits, settings)
        for note in record["notes"]:
            log.info("%s", note)
        with self._recorded(record):
            best_update = self._train(model, splits, settings, objective) if objective else self._as_it_is(model)
            record |= self._judged(model, splits, best_update)
            record |= {"status": "finished", "seconds": round(time.time() - began, 1), "memory": env.peak_memory()}
            record["model_bytes"] = sum(f.stat().st_size for f in (self.place / "best").rglob("*") if f.is_file())
            if self.first:
                self._report(record, splits)
        return record

    @contextmanager
    def _recorded(self, record: dict[str, Any]) -> Iterator[None]:
        """run.json says that the run is running, and behind it how it ended."""
        if not self.first:
            parallel.wait()
            yield
            return

        def write(status: str, error: BaseException | str) -> None:
            ended = {**record, "status": status, "error": str(error)}
            files.write_json(self.place / "run.json", ended, replace=True)

        self.place.mkdir(parents=True, exist_ok=True)
        files.write_json(self.place / "run.json", record, replace=True)
        parallel.wait()
        try:
            with signals.cleanup(lambda: write("stopped", "ended from outside")):
                yield
        except BaseException as error:
            stopped = signals.received() or not isinstance(error, Exception)
            with suppress(ZooError):  # a full disk: the first error is the one to tell
                write("stopped" if stopped else "failed", error)
            raise

    def _split(self, name: str, model: Model) -> Split:
        return split_of(name, self.data.splits[name], self.task, model, {"max_length": self.config.max_length})

    def _record(self, model: Model, splits: Mapping[str, Split], settings: Any) -> dict[str, Any]:
        data = {
            name: {"examples": len(examples), "files": self.data.files.get(name, {})}
            for name, examples in self.data.splits.items()
        }
        for name, split in splits.items():
            data[name] |= {"rows": len(split.features), "lost": dict(split.features.lost)}
        return {
            "format": disk.FORMAT,
            "status": "running",
            "command": sys.argv,
            "directory": str(Path.cwd()),
            "config": self.config.to_dict(),
            "sources": dict(self.settled.sources),
            "seed": self.seed,
            "loop": asdict(settings),
            "model": {
                "name": self.config.model,
                "folder": str(model.origin.folder) if model.origin else "",
                "parameters": sum(p.size for p in model.parameters()),
                "trained": sum(p.size for p in model.parameters() if not p.stop_gradient),
            },
            "task": self.task.to_dict(),
            "data": data,
            "notes": self._notes(splits),
            "versions": disk.versions(),
            "commit": disk.commit(),
            "processes": self.processes,
        }

    def _notes(self, splits: Mapping[str, Split]) -> list[str]:
        now, before = parallel.world(), self.processes
        went_on = f"started by {before} and gone on with by {now} processes; the batches are those of {before}"
        return [*self.data.notes, *_lost(splits), *([went_on] if now != before else [])]

    def _train(self, model: Model, splits: Mapping[str, Split], settings: Any, objective: Objective) -> int:
        """Trains; gives the update of the best model."""
        start = _newest_update(self.place) if self.resume else 0
        headline = settings.best.removeprefix("-")
        with (
            terminal.Progress(f"{self.config.task}, seed {self.seed}", settings.updates, lambda n: f"{n:,}") as bar,
            Trackers(self.config.tracker_names if self.first else (),
                     self._store(),
                     label_of(self.place), {**self.config.to_dict(), "seed": self.seed}) as trackers,
        ):  # fmt: skip
            metrics = disk.Metrics(self.place / "metrics.jsonl", start) if self.first else None
            self.watch = ProgressReporter(bar, metrics, trackers, headline) if metrics else None
            ended = train(
                model,
                splits["train"].features,
                optimiser_of(self.config, model, splits["train"]),
                settings,
                objective=objective,
                evaluate=lambda m: self._evaluate(m, splits["dev"]),
                on_best=self._keep,
                on_event=self.watch,
                folder=self.place / "checkpoints",
                resume=self.resume,
            )
            if metrics:
                metrics.close()
        return ended.best_update or ended.update

    def _store(self) -> Path:
        """Gives the folder of the trackers' stores: one for all seeds."""
        if self.config.tracker_store:
            return user_path(self.config.tracker_store)
        return self.place.parent if self.config.seeds > 1 else self.place

    def _as_it_is(self, model: Model) -> int:
        """Nothing is trained: the best model is the pretrained one."""
        if self.first:
            disk.save_model(self.place / "best", model, self.task, self._saved_options(0))
        parallel.wait()
        return 0

    def _saved_options(self, update: int) -> dict[str, Any]:
        return {"max_length": self.config.max_length, "generate": self.generate, "update": update}

    def _evaluate(self, model: Model, dev: Split) -> dict[str, float]:
        self.last = judge(model, self.task, dev, tune=True, options=self.generate)
        if self.watch:
            self.watch.rows = self.last.scores.rows
        return self.last.flat()

    def _keep(self, model: Model, update: int, scores: Mapping[str, float]) -> None:
        assert self.last is not None
        self.best = self.last
        disk.save_model(self.place / "best", model, self.last.task, self._saved_options(update))

    def _judged(self, trained: Model, splits: dict[str, Split], update: int) -> dict[str, Any]:
        """Scores of the best model on every split with gold answers."""
        parallel.wait()
        model = load(self.place / "best")
        model.tokenizer = trained.tokenizer  # XLM-R's takes seconds to read
        results = {}
        rows: list[kept.Kept] = []
        for name in ("dev", "test"):
            if name not in self.data.splits:
                continue
            if name == "dev" and self.best is not None and parallel.world() == 1:
                found, split = self.best, splits["dev"]
            else:
                split = splits.get(name) or self._split(name, model)
                with terminal.status(f"evaluating the best model on {name}"):
                    task, _ = disk.read_task(self.place / "best")
                    found = judge(model, self.task if name == "dev" else task, split, options=self.generate)
            splits[name] = split
            results[name] = result_of(found, split, self.task)
            if self.first:
                found.task.write_predictions(
                    self.place / "predictions", found.answers, split.examples, name, replace=True
                )
                rows += kept.rows_of(self.task if name == "dev" else found.task, found, split)
        notes = self._notes(splits)
        if self.first:
            counts = [len(splits[name].examples) for name in results]
            notes += kept.write(self.place / kept.FILE, rows, counts)
        return {"results": results, "best_update": update, "notes": notes}

    def _report(self, record: dict[str, Any], splits: Mapping[str, Split]) -> None:
        """report.html and run.json; the checkpoints have served."""
        compared, line = verdict(self.settled, [record])
        record |= {"summary": line, "comparisons": [asdict(c) for c in compared]}
        lengths = splits["train"].features.lengths.tolist() if "train" in splits else ()
        draw(self.place, record, self.settled, self.task, lengths)
        with signals.deferred():
            files.write_json(self.place / "run.json", record, replace=True)
            checkpoints.clear(self.place / "checkpoints")


def _lost(splits: Mapping[str, Split]) -> list[str]:
    """What truncation took away, one sentence for each split and kind."""
    said = []
    for name, split in splits.items():
        for kind, count in split.features.lost.items():
            if count:
                said.append(f"gold lost to truncation or alignment in {name}, counted as missed: {count} {kind}")
    return said


def _newest_update(place: Path) -> int:
    found = checkpoints.newest(place / "checkpoints")
    return int(found.name.rpartition("-")[2]) if found else 0

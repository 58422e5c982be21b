"""One seed of a run: trains, evaluates the best model, and writes the folder with its scores and report."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo import env, files, signals, terminal
from zoo.errors import ZooError
from zoo.finetune import checkpoints, kept, parallel
from zoo.finetune import run_folder as disk
from zoo.finetune.batches import Rows
from zoo.finetune.data import Data
from zoo.finetune.evaluation import judge
from zoo.finetune.judgement import Judgement, Split
from zoo.finetune.loop import train
from zoo.finetune.losses import Objective
from zoo.finetune.progress import ProgressReporter
from zoo.finetune.recipes import Settled
from zoo.finetune.result import draw, result_of, verdict
from zoo.finetune.setup import (
    generate_options,
    load_model,
    loop_settings,
    optimiser_of,
    prepared,
    split_of,
    training_of,
)
from zoo.finetune.tracker_stores import label_of, store_of
from zoo.finetune.trackers import Trackers
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.tasks import Task

log = logging.getLogger("zoo")


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
            self.task = prepared(self.task, model)
            self.generate = generate_options(self.config, self.task, model)
            splits = {name: self._split(name, model) for name in self.data.splits if name != "test"}
        trains = "train" in splits and self.config.epochs > 0
        training = training_of(self.config, self.task, splits["train"], model) if trains else None
        settings = loop_settings(
            self.config, self.task, training[0] if training else None, self.seed, self.processes
        )
        record = self._record(model, splits, settings)
        for note in record["notes"]:
            log.info("%s", note)
        with self._recorded(record):
            best_update = self._train(model, splits, settings, training) if training else self._as_it_is(model)
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
            "notes": self._notes(model, splits),
            "versions": disk.versions(),
            "commit": disk.commit(),
            "processes": self.processes,
        }

    def _notes(self, model: Model, splits: Mapping[str, Split]) -> list[str]:
        found = [*self.data.notes, *_lost(splits)]
        asked, limit = self.config.max_length, model.tokenizer.max_length
        if limit and asked > limit:
            found.append(f"max_length {asked} is more than the model reads; rows are cut to {limit} tokens")
        now, before = parallel.world(), self.processes
        if now != before:
            found.append(
                f"started by {before} and gone on with by {now} processes; the batches are those of {before}"
            )
        return found

    def _train(
        self, model: Model, splits: Mapping[str, Split], settings: Any, training: tuple[Rows, Objective]
    ) -> int:
        """Trains; gives the update of the best model."""
        rows, objective = training
        start = _newest_update(self.place) if self.resume else 0
        headline = settings.best.removeprefix("-")
        with (
            terminal.Progress(f"{self.config.task}, seed {self.seed}", settings.updates, lambda n: f"{n:,}") as bar,
            self._trackers(start) as trackers,
        ):
            metrics = disk.Metrics(self.place / "metrics.jsonl", start) if self.first else None
            self.watch = ProgressReporter(bar, metrics, trackers, headline) if metrics else None
            ended = train(
                model,
                rows,
                optimiser_of(self.config, model, rows, objective),
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

    def _trackers(self, start: int) -> Trackers:
        names = self.config.tracker_names if self.first else ()
        label, about = label_of(self.place, self.config.task), {**self.config.to_dict(), "seed": self.seed}
        return Trackers(names, self._store(), label, about, self.place / "trackers.json", start > 0)

    def _store(self) -> Path:
        """Gives the folder of the trackers' stores: one for all seeds."""
        return store_of(self.config, self.place.parent if self.config.seeds > 1 else self.place)

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
        notes = self._notes(model, splits)
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

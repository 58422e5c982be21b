"""A run: from a configuration to a folder with the best model, its scores and a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo import cli
from zoo.errors import UsageError, ZooError
from zoo.finetune import folder as disk
from zoo.finetune import parallel
from zoo.finetune.config import DEFAULTS, FinetuneConfig
from zoo.finetune.evaluation import Judgement, Split, confusion, judge
from zoo.finetune.job import (
    Data,
    load_model,
    loop_settings,
    objective_for,
    optimiser_of,
    read_data,
    run_name,
    source_of_path,
    split_of,
    task_of,
)
from zoo.finetune.loop import train
from zoo.finetune.plots import MOST_CLASSES, Plots
from zoo.finetune.recipes import Settled, find, same_model, settle
from zoo.finetune.report import Comparison, Estimate, compare, page, summary
from zoo.finetune.trackers import Trackers, check
from zoo.finetune.watch import Watch
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.tasks import Task


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


def finetune(config: FinetuneConfig | Settled | None = None, /, *, resume: bool = False, **options: Any) -> Result:
    """Finetunes a model.

    Args:
        config: a configuration, used as it is.
        resume: go on with the run in `out`, from its newest checkpoint.
        **options: instead of a configuration: its fields, over the recipe for this task and model.

    Raises:
        UsageError: options that make no sense, or a folder that has a run already.
        InputError: data that cannot be read; names file and line. Nothing was written.
        TrainingError: the loss or a gradient is no number.
    """
    settled = _settled(config, options)
    config = settled.config
    check(config.tracker_names)
    task, source = task_of(config), source_of_path(config.data)
    out = Path(config.out or f"runs/{run_name(config)}").expanduser()
    before = _before(out, config, resume)
    parallel.start()
    data = read_data(task, source, config)
    names = [out / f"seed-{seed}" for seed in _seeds(config)] if config.seeds > 1 else [out]
    runs = []
    for seed, place in zip(_seeds(config), names, strict=True):
        record = disk.read_json(place / "run.json") if resume and (place / "run.json").is_file() else {}
        if record.get("status") != "finished":
            record = Run(settled, task, data, place, seed, bool(record) and before).run()
        runs.append(record)
    parallel.wait()
    return _finish(out, settled, runs)


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


def _before(out: Path, config: FinetuneConfig, resume: bool) -> bool:
    """Whether there is a run to go on with.

    Raises:
        UsageError: one that should not be overwritten, or that was another run.
    """
    file = next((f for f in (out / "run.json", out / f"seed-{config.seed}" / "run.json") if f.is_file()), None)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: '{out}' is a file.", "Give a folder.")
    if file is None:
        if resume and out.exists():
            return False
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"--out: '{out}' is not empty and holds no run.", "Give another folder.")
        return False
    if not resume:
        raise UsageError(f"'{out}' has a run already.", "Go on with it by --resume, or give another --out.")
    old = disk.read_json(file)["config"]
    for name, value in config.to_dict().items():
        if name not in ("out", "data", "trackers", "recipe") and old.get(name) != value:
            raise UsageError(
                f"--resume: the run in '{out}' has {name}={old.get(name)!r}, not {value!r}.",
                "Give the same options, or another --out.",
            )
    return True


class Run:
    """One seed."""

    def __init__(self, settled: Settled, task: Task, data: Data, place: Path, seed: int, resume: bool) -> None:
        self.settled, self.config, self.task, self.data = settled, settled.config, task, data
        self.place, self.seed, self.resume = place, seed, resume
        self.first = parallel.rank() == 0
        self.last: Judgement | None = None
        self.best: Judgement | None = None
        self.watch: Watch | None = None

    def run(self) -> dict[str, Any]:
        """Trains, evaluates the best model, writes the folder; gives what run.json has."""
        began = time.time()
        with cli.status("loading the model and the data"):
            model = load_model(self.config, self.task, self.seed)
            splits = {name: self._split(name, model) for name in ("train", "dev")}
        settings = loop_settings(self.config, self.task, len(splits["train"].features), self.seed)
        record = self._record(model, splits, settings)
        if self.first:
            self.place.mkdir(parents=True, exist_ok=True)
            disk.write_json(self.place / "run.json", record)
        parallel.wait()
        try:
            best_update = self._train(model, splits, settings)
            record |= self._judged(splits, best_update)
        except BaseException as error:
            if self.first:
                stopped = "failed" if isinstance(error, ZooError) else "stopped"
                disk.write_json(self.place / "run.json", {**record, "status": stopped, "error": str(error)})
            raise
        record |= {"status": "finished", "seconds": round(time.time() - began, 1)}
        if self.first:
            self._report(record, splits)
        return record

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
            "notes": [*self.data.notes, *_lost(splits)],
            "versions": disk.versions(),
            "commit": disk.commit(),
            "processes": parallel.world(),
        }

    # --- training ---

    def _train(self, model: Model, splits: Mapping[str, Split], settings: Any) -> int:
        """Trains; gives the update of the best model."""
        start = _newest_update(self.place) if self.resume else 0
        headline = settings.best.removeprefix("-")
        with (
            cli.Progress(f"{self.config.task}, seed {self.seed}", settings.updates, lambda n: f"{n:,}") as bar,
            Trackers(self.config.tracker_names if self.first else (), self.place, run_name(self.config),
                     {**self.config.to_dict(), "seed": self.seed}) as trackers,
        ):  # fmt: skip
            metrics = disk.Metrics(self.place / "metrics.jsonl", start) if self.first else None
            self.watch = Watch(bar, metrics, trackers, headline) if metrics else None
            ended = train(
                model,
                splits["train"].features,
                optimiser_of(self.config, model, splits["train"]),
                settings,
                objective=objective_for(self.config, model),
                evaluate=lambda m: self._evaluate(m, splits["dev"]),
                on_best=self._keep,
                on_event=self.watch,
                folder=self.place / "checkpoints",
                resume=self.resume,
            )
            if metrics:
                metrics.close()
        return ended.best_update or ended.update

    def _evaluate(self, model: Model, dev: Split) -> dict[str, float]:
        self.last = judge(model, self.task, dev, tune=True, options=self._options())
        if self.watch:
            self.watch.rows = self.last.scores.rows
        return self.last.flat()

    def _keep(self, model: Model, update: int, scores: Mapping[str, float]) -> None:
        assert self.last is not None
        self.best = self.last
        options = {"max_length": self.config.max_length, "generate": self._options(), "update": update}
        disk.save_model(self.place / "best", model, self.last.task, options)

    def _options(self) -> dict[str, Any]:
        """Arguments of `generate`."""
        if self.task.head != "generation":
            return {}
        given = {"beams": self.config.beam, "max_length": self.config.target_length}
        return {name: value for name, value in given.items() if value}

    # --- after it ---

    def _judged(self, splits: dict[str, Split], update: int) -> dict[str, Any]:
        """Scores of the best model on every split with gold answers."""
        model = load(self.place / "best")
        results = {}
        for name in ("dev", "test"):
            if name not in self.data.splits:
                continue
            if name == "dev" and self.best is not None:
                found, split = self.best, splits["dev"]
            else:
                split = splits.get(name) or self._split(name, model)
                with cli.status(f"evaluating the best model on {name}"):
                    task, _ = disk.read_task(self.place / "best")
                    found = judge(model, self.task if name == "dev" else task, split, options=self._options())
            splits[name] = split
            results[name] = self._result(found, split)
            if self.first:
                found.task.write_predictions(self.place / "predictions", found.answers, split.examples, name)
        return {"results": results, "best_update": update, "notes": [*self.data.notes, *_lost(splits)]}

    def _result(self, found: Judgement, split: Split) -> dict[str, Any]:
        scores = found.scores
        made: dict[str, Any] = {
            "rows": len(split.examples),
            "row": scores.row,
            "metric": scores.metric,
            "value": scores.value,
            "scores": scores.rows,
            "loss": found.loss,
        }
        labels = getattr(self.task, "labels", ())
        if self.task.head == "classification" and 1 < len(labels) <= MOST_CLASSES:
            gold = [example.label for example in split.examples]  # type: ignore[attr-defined]
            made["confusion"] = confusion(labels, gold, found.answers).tolist()
        return made

    def _report(self, record: dict[str, Any], splits: Mapping[str, Split]) -> None:
        """run.json, the plots and report.html."""
        compared, line = verdict(self.settled, [record])
        record |= {"summary": line, "comparisons": [asdict(c) for c in compared]}
        disk.write_json(self.place / "run.json", record)
        draw(self.place, record, self.settled, self.task, splits["train"].features.lengths)


def _lost(splits: Mapping[str, Split]) -> list[str]:
    """What truncation took away, one sentence for each split and kind."""
    said = []
    for name, split in splits.items():
        for kind, count in split.features.lost.items():
            if count:
                said.append(f"{name}: {count} gold {kind} are lost to truncation or alignment; they count as missed")
    return said


def _newest_update(place: Path) -> int:
    from zoo.finetune.state import newest

    found = newest(place / "checkpoints")
    return int(found.name.rpartition("-")[2]) if found else 0


def verdict(settled: Settled, records: list[dict[str, Any]]) -> tuple[tuple[Comparison, ...], str]:
    """Every published score beside ours, and the line that ends the run."""
    results = records[0]["results"]
    recipe = settled.recipe
    compared = []
    for published in recipe.published if recipe else ():
        split = published.split if published.split in results else "dev" if "dev" in results else next(iter(results))
        rows = results[split]["scores"][results[split]["row"]]
        if published.metric not in rows:
            continue
        values = tuple(_value(record, split, published.metric) for record in records)
        ours = Estimate(values, results[split]["rows"])
        same = recipe is not None and same_model(recipe.model, settled.config.model)
        compared.append(compare(published, split, ours, same))
    split = compared[0].split if compared else "test" if "test" in results else next(iter(results))
    metric = results[split]["metric"]
    ours = Estimate(tuple(_value(r, split, metric) for r in records), results[split]["rows"])
    line = summary(metric, split, ours, compared)
    if len(records) > 1:
        line += f"; {metric} on {split} over {len(records)} seeds {ours.mean:.2f} +- {ours.deviation:.2f}, "
        line += f"95 % interval {ours.mean - ours.half:.2f} to {ours.mean + ours.half:.2f}"
    return tuple(compared), line


def _value(record: Mapping[str, Any], split: str, metric: str) -> float:
    result = record["results"][split]
    return float(result["scores"][result["row"]][metric])


def draw(
    place: Path, record: dict[str, Any], settled: Settled, task: Task, lengths: np.ndarray | None = None
) -> None:
    """report.html and its plots; without matplotlib the page alone, which then says so."""
    names: list[str] = []
    result = record["results"].get("test") or record["results"]["dev"]
    split = "test" if "test" in record["results"] else "dev"
    try:
        names = _plots(place, record, settled, task, result, lengths)
    except ImportError:
        record["notes"].append("no plots: matplotlib is not installed (pip install 'paddle-model-zoo[finetune]')")
    text = page({**record, "result": {**result, "split": split}}, names)
    (place / "report.html").write_text(text, "utf-8")


def _plots(
    place: Path,
    record: Mapping[str, Any],
    settled: Settled,
    task: Task,
    result: Mapping[str, Any],
    lengths: np.ndarray | None,
) -> list[str]:
    published = settled.recipe.published if settled.recipe else ()
    theirs = next((p for p in published if p.metric == result["metric"] and p.comparable), None)
    labels = tuple(getattr(task, "labels", ()))
    plots = Plots(place, (*labels, *result["scores"]))
    lines = disk.read_metrics(place / "metrics.jsonl")
    updates = [line for line in lines if line["kind"] == "update"]
    if updates:
        plots.loss([u["update"] for u in updates], [u["loss"] for u in updates])
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    if evaluations:
        values = [e["scores"][result["metric"]] for e in evaluations]
        steps = [e["update"] for e in evaluations]
        plots.scores(steps, values, f"{result['metric']} on dev", record["best_update"], theirs)
    if "confusion" in result:
        plots.confusion(labels, np.array(result["confusion"]))
    if len(result["scores"]) > 1:
        plots.rows(result["scores"], result["metric"], theirs)
    if lengths is not None:
        plots.lengths(lengths.tolist(), record["config"]["max_length"] or task.max_length)
    return plots.names


def _finish(out: Path, settled: Settled, records: list[dict[str, Any]]) -> Result:
    """The result of one seed, or of all of them together."""
    compared, line = verdict(settled, records)
    scores = {
        split: {
            row: {m: float(np.mean([r["results"][split]["scores"][row].get(m, np.nan) for r in records])) for m in held}
            for row, held in result["scores"].items()
        }
        for split, result in records[0]["results"].items()
    }
    if len(records) > 1 and parallel.rank() == 0:
        metric, split = _headline(records[0])
        values = [_value(record, split, metric) for record in records]
        ours = Estimate(tuple(values), records[0]["results"][split]["rows"])
        best = int(np.argmax([r["results"]["dev"]["value"] for r in records]))
        seeds = {
            "mean": ours.mean, "deviation": ours.deviation, "interval": [ours.mean - ours.half, ours.mean + ours.half],
            "values": dict(zip(_seeds(settled.config), values, strict=True)),
            "best": f"seed-{_seeds(settled.config)[best]}/best", "metric": metric, "split": split,
        }  # fmt: skip
        merged = {
            **records[0], "seeds": seeds, "summary": line, "comparisons": [asdict(c) for c in compared],
            "results": {s: {**records[0]["results"][s], "scores": scores[s]} for s in scores},
        }  # fmt: skip
        for name in ("seed", "best_update", "seconds"):
            merged.pop(name, None)
        for result in merged["results"].values():
            result.pop("confusion", None)
        disk.write_json(out / "run.json", merged)
        draw(out, merged, replace(settled), task_of(settled.config))
    return Result(out, scores, line, compared)


def _headline(record: Mapping[str, Any]) -> tuple[str, str]:
    split = "test" if "test" in record["results"] else "dev"
    return record["results"][split]["metric"], split

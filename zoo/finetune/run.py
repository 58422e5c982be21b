"""`finetune`: from a configuration to a folder with a run of each seed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo import files
from zoo.errors import UsageError
from zoo.files import user_path
from zoo.finetune import checks, given_rows, parallel
from zoo.finetune import run_folder as disk
from zoo.finetune.config import DEFAULTS, FinetuneConfig
from zoo.finetune.data import Sources, read_data
from zoo.finetune.recipes import Settled, find, settle
from zoo.finetune.result import Result, merge
from zoo.finetune.seed_run import Run
from zoo.finetune.setup import run_name, task_of


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
            places: dict[str, Any] = dict(stack.enter_context(given_rows.written(out, given, before > 0)))
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
            checks.same_data(record, data, place)
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

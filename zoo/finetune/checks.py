"""Before a run: whatever would stop it later is found before data and model are read, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo import hub
from zoo.errors import UsageError
from zoo.files import Fields, quote, user_path
from zoo.finetune import checkpoints, text_training, trackers
from zoo.finetune import run_folder as disk
from zoo.finetune.config import DEFAULTS, FIELD_NAMES, FinetuneConfig
from zoo.finetune.data import Data, Sources
from zoo.finetune.flags import checked
from zoo.finetune.lora import lora_settings
from zoo.finetune.losses import SECOND_LOSSES
from zoo.finetune.recipes import Settled, find, read
from zoo.finetune.setup import best_of, network_options, search_options, task_of
from zoo.finetune.update import check_precision
from zoo.metrics import extra
from zoo.model_folder import ModelFolder
from zoo.tasks import Task
from zoo.tasks.user_tasks import TASK_KINDS, outline

COST = ("recompute", "sharding", "save_every", "keep_checkpoints")  # what a run takes, not what it computes
MAY_DIFFER = (
    "out",
    "data",
    "train_file",
    "dev_file",
    "test_file",
    "trackers",
    "recipe",
    *COST,
)  # when it goes on


def check_trackers(names: Sequence[str]) -> None:
    """Raises UsageError for a tracker that is none, or whose library is not installed."""
    trackers.check(names)
    for name in names:
        trackers.TRACKERS[name].library()


def check_options(config: FinetuneConfig, given: Mapping[str, Any]) -> None:
    """Looks at everything that can be known before the data are read.

    Args:
        given: split -> rows that a program gave.

    Raises:
        UsageError: an option that does not fit the kind of task, or data that are nowhere.
        UnknownModelError: no model can have this name.
        ConfigError: the model's folder has no config.json, or that of a network that the zoo has not.
    """
    own = config.task in TASK_KINDS
    if given and not own:
        raise UsageError(
            f"{', '.join(given)}: rows are for your own data, and {config.task} is a data set.",
            f"task= one of {', '.join(TASK_KINDS)}.",
        )
    if twice := [split for split in given if split in config.split_files]:
        raise UsageError(f"{twice[0]} and {twice[0]}_file say the same.", "Leave one out.")
    task = outline(config.task) if own else task_of(config)
    _check_heads(config, task)
    if own and not given and not config.data and not config.split_files:
        raise UsageError(
            f"--task {config.task} learns from your own files: say where with --data.",
            "--data FOLDER, --data FILE, or --train_file FILE --dev_file FILE.",
        )
    if not own:
        extra.check(task.head, task.metrics)
    Sources.of(config)
    if folder := hub.refer(config.model).folder:
        ModelFolder.read(folder)


def _check_heads(config: FinetuneConfig, task: Task) -> None:
    best_of(config, task)
    network_options(config, task)
    search_options(config, task)
    check_precision(config.precision)
    of_texts = text_training.is_of_texts(task)
    text_training.check(config, task, complete=False)
    if config.loss and not of_texts and task.head != "generation" and config.loss not in SECOND_LOSSES:
        raise UsageError(
            f"There is no loss {quote(config.loss)} for a {task.head} head.",
            f"Its own, or with it {', '.join(SECOND_LOSSES)}.",
        )
    if config.sharding != "none":
        _check_sharding(config)
    if config.lora:
        lora_settings(config.lora)
        if config.technique != "full":
            raise UsageError(f"--lora and --technique {config.technique} do not go together.", "Leave one out.")
    if config.loss and config.label_smoothing:
        raise UsageError("--loss and --label_smoothing do not go together.", "Leave one out.")
    if config.seeds > 1:
        with extra.extra():
            import_module("scipy.stats")  # for the interval over the seeds


def _check_sharding(config: FinetuneConfig) -> None:
    """Raises UsageError for what is decided over all parameters at once: each process knows its share."""
    if config.technique == "child-tuning-F":
        raise UsageError(
            "--sharding does not go with child-tuning-F, which draws its masks over all parameters.",
            "child-tuning-D does.",
        )
    if config.precision == "float16":
        raise UsageError(
            "--sharding does not go with float16, whose loss scaling looks at all gradients.", "bfloat16 does."
        )


def ahead(settled: Settled, resume: bool) -> Task:
    """Looks at one of several runs before the first one begins; gives its task.

    Raises:
        UsageError, InputError: what `finetune` would raise before it reads the data.
    """
    config = settled.config
    check_trackers(config.tracker_names)
    check_options(config, {})
    task = task_of(config)
    check(config, task)
    goes_on(user_path(config.out), config, resume)
    return task


def check(config: FinetuneConfig, task: Task) -> None:
    """Raises UsageError for what the files of a user's own have decided: the metrics, and their libraries."""
    best_of(config, task)
    text_training.check(config, task, complete=True)
    extra.check(task.head, task.metrics)


def resumed(
    run: str | os.PathLike[str],
    config: FinetuneConfig | Settled | None,
    given: Mapping[str, Any],
    by: str = "argument",
) -> Settled:
    """Gives the configuration of a run that was begun, from its run.json.

    Args:
        run: its folder.
        config: must be None; a run has its own.
        given: options that are said again.

    Raises:
        UsageError: there is no run, or an option that differs from the run's.
    """
    if config is not None:
        raise UsageError("resume=RUN has its own configuration.", "Leave the other one out.")
    out = user_path(run)
    if (file := _record(out)) is None:
        several = any(out.glob("*/run.json")) or any(out.glob("*/*/run.json"))
        raise UsageError(
            f"--resume: {quote(str(run), 200)} has no run to go on with: there is no run.json.",
            "It holds several runs: give their command again, with --resume at its end; what is finished stays."
            if several
            else "Give the folder that --out named.",
        )
    record = disk.read_run(file)
    held = {**DEFAULTS, **checked({k: v for k, v in record["config"].items() if k in FIELD_NAMES}, str(file))}
    if held["seeds"] > 1 and file.parent == out and "seeds" not in record:
        out = out.parent  # the folder of one of several seeds
    options = checked(given, by)
    held |= {name: options.pop(name) for name in COST if name in options}
    for name, value in options.items():
        same = user_path(value).absolute() == out.absolute() if name == "out" else value == held[name]
        if not same:
            raise UsageError(
                f"--resume: the run in '{out}' has {name}={held[name]!r}, not {value!r}.",
                "Leave it out: --resume RUN needs nothing else.",
            )
    held |= {"out": str(out), **disk.places_of(record, held)}
    sources = {**dict.fromkeys(DEFAULTS, "default"), **record.get("sources", {})}
    made = FinetuneConfig(**held)
    return Settled(made, sources, read(made.recipe) if made.recipe else find(made.task, made.model))


def _record(out: Path) -> Path | None:
    """Gives the run.json of a run, or of the first of several seeds."""
    return next((f for f in (out / "run.json", *sorted(out.glob("seed-*/run.json"))) if f.is_file()), None)


def goes_on(out: Path, config: FinetuneConfig, resume: bool) -> int:
    """How many processes started the run to go on with; 0 when there is none.

    Raises:
        UsageError: one that should not be overwritten, or that was another run.
    """
    file = next((f for f in (out / "run.json", out / f"seed-{config.seed}" / "run.json") if f.is_file()), None)
    if file is None:
        if resume and out.exists():
            return 0
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"--out: '{out}' is not empty and holds no run.", "Give another folder.")
        return 0
    record = disk.read_run(file)
    if not resume:
        if record.get("status") in ("failed", "stopped") and not _has_updates(out):
            return 0  # nothing would be lost
        raise UsageError(f"'{out}' has a run already.", "Go on with it by --resume, or give another --out.")
    old = record["config"]
    for name, value in config.to_dict().items():
        if name not in MAY_DIFFER and old.get(name, DEFAULTS[name]) != value:
            raise UsageError(
                f"--resume: the run in '{out}' has {name}={old.get(name)!r}, not {value!r}.",
                "Give the same options, or another --out.",
            )
    return int(record.get("processes", 1))


def same_data(record: Mapping[str, Any], data: Data, place: Path) -> None:
    """Compares the files of a run that goes on with those that it began with, wherever they lie now.

    Args:
        record: run.json's content; {} for a run that begins.
        place: its folder.

    Raises:
        UsageError: one has changed, and the run has learned from it.
    """
    if record.get("status") != "finished" and checkpoints.newest(place / "checkpoints") is None:
        return
    before = Fields(record, quote(str(place / "run.json"), 200), UsageError).below("data")
    for split, files in data.files.items():
        held = before.below(split).object("files", {})
        changed = [file for file, digest in files.items() if digest not in held.values()]
        if held and changed:
            raise UsageError(
                f"--resume: {quote(changed[0], 200)} is not what the run in '{place}' began with.",
                "Give the file as it was, or another --out.",
            )


def _has_updates(out: Path) -> bool:
    """Whether a run, of one seed or of several, has trained at all."""
    found = (line["kind"] for file in out.rglob("metrics.jsonl") for line in disk.read_metrics(file))
    return "update" in found

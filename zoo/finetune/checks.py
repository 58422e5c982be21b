"""Before a run: whatever would stop it later is found before data and model are read, and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from zoo.errors import UsageError
from zoo.finetune import run_folder as disk
from zoo.finetune import trackers
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.setup import best_of, network_options, search_options
from zoo.finetune.update import check_precision
from zoo.metrics import extra
from zoo.tasks import Task


def check_trackers(names: Sequence[str]) -> None:
    """Raises UsageError for a tracker that is none, or whose library is not installed."""
    trackers.check(names)
    for name in names:
        trackers.TRACKERS[name].library()


def check(config: FinetuneConfig, task: Task) -> None:
    """Raises UsageError for an option that does not fit the task, and for a library that its scores need."""
    best_of(config, task)
    network_options(config, task)
    search_options(config, task)
    check_precision(config.precision)
    if config.loss and config.label_smoothing:
        raise UsageError("--loss and --label_smoothing do not go together.", "Leave one out.")
    extra.check(task.head, task.metrics)
    if config.seeds > 1:
        with extra.extra():
            import_module("scipy.stats")  # for the interval over the seeds


def goes_on(out: Path, config: FinetuneConfig, resume: bool) -> bool:
    """Whether there is a run to go on with.

    Raises:
        UsageError: one that should not be overwritten, or that was another run.
    """
    file = next((f for f in (out / "run.json", out / f"seed-{config.seed}" / "run.json") if f.is_file()), None)
    if file is None:
        if resume and out.exists():
            return False
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"--out: '{out}' is not empty and holds no run.", "Give another folder.")
        return False
    record = disk.read_run(file)
    if not resume:
        if record["status"] in ("failed", "stopped") and not _has_updates(out):
            return False  # nothing would be lost
        raise UsageError(f"'{out}' has a run already.", "Go on with it by --resume, or give another --out.")
    old = record["config"]
    for name, value in config.to_dict().items():
        if name not in ("out", "data", "trackers", "recipe") and old.get(name) != value:
            raise UsageError(
                f"--resume: the run in '{out}' has {name}={old.get(name)!r}, not {value!r}.",
                "Give the same options, or another --out.",
            )
    return True


def _has_updates(out: Path) -> bool:
    """Whether a run, of one seed or of several, has trained at all."""
    found = (line["kind"] for file in out.rglob("metrics.jsonl") for line in disk.read_metrics(file))
    return "update" in found

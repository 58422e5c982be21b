"""The folder of a run: run.json, metrics.jsonl, best/ with task.json, report.html; checkpoints/ while it runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import env, files, tasks
from zoo.errors import UsageError
from zoo.files import Fields, parse_json, quote, read_object, read_text, user_path
from zoo.tasks import Task, saved
from zoo.tasks.saved import TASK_FILE
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.models.common.base import Model

FORMAT = 1
SUITE_FILE, EXPERIMENT_FILE = "suite.json", "experiment.json"  # of the runs of several tasks or models
FIELDS_OF_KIND = {"update": ("loss",), "evaluation": ("scores",)}  # kind of a line in metrics.jsonl -> its fields
MAX_RECORD, MAX_METRICS = 64 << 20, 256 << 20  # bytes of run.json and of metrics.jsonl


def read_json(file: Path) -> dict[str, Any]:
    """Reads an object.

    Raises:
        UsageError: there is no such file, or it is none of ours.
    """
    if not os.path.lexists(file):
        raise UsageError(
            f"{quote(str(file.parent), 200)} has no {file.name}.", "Give the folder of a run, or its best/."
        )
    content = read_object(file, MAX_RECORD, error=UsageError)
    if content.get("format") != FORMAT:
        raise UsageError(
            f"{quote(str(file), 200)} is not of format {FORMAT}.", "Was it written by another version?"
        )
    return content


def read_run(file: Path) -> dict[str, Any]:
    """Reads run.json of one run: its configuration, and of a finished one its results.

    Raises:
        UsageError: as `read_json`, or something in it is of another kind than a run writes.
    """
    content = read_json(file)
    about = Fields(content, quote(str(file), 200), UsageError)
    finished = about.text("status", "") == "finished"
    if "config" not in about or (finished and "results" not in about):
        raise UsageError(f"{about.source} has no configuration or no results of a run.")
    about.object("config", {})
    about.items("notes", [], str)
    about.whole("best_update", 0, 0, 1 << 53)
    about.whole("processes", 1, 1, 1 << 20)
    for split, held in about.object("results", {}).items():
        result = Fields(held if isinstance(held, dict) else {}, f"{quote(split)} of {about.source}", UsageError)
        metric, row = result.text("metric", ""), result.text("row", "")
        result.whole("rows", 0, 0, 1 << 53)
        result.number("value", 0.0)
        scores = result.below("scores")
        for name in scores.content:
            for one in scores.below(name).content:
                scores.below(name).number(one, None)
        if metric not in scores.below(row):
            raise UsageError(f"{result.source} has no number for its metric {quote(metric)}.")
    return content


def places_of(record: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """The data of a run, option -> path: one that is not here is looked for where the run was started."""
    begun = Path(str(record.get("directory", ".")))
    found = {}
    for option in ("data", "train_file", "dev_file", "test_file"):
        path = str(config.get(option) or "")
        there = begun / path
        found[option] = str(there) if path and not user_path(path).exists() and there.exists() else path
    return found


class Metrics:
    """metrics.jsonl: one object per line, in the order of the updates.

    Args:
        file: is cut behind `update`, when a run goes on from there.
    """

    def __init__(self, file: Path, update: int = 0) -> None:
        kept = [line for line in read_metrics(file) if line["update"] <= update] if update else []
        with files.write_file(file, replace=True) as stream:
            stream.write("".join(_line(values) for values in kept))
        self._stream = open(file, "a", encoding="utf-8")  # noqa: SIM115

    def add(self, kind: str, update: int, **values: Any) -> None:
        """Writes a line; it is on disk when this returns."""
        self._stream.write(_line({"kind": kind, "update": update, **values}))
        self._stream.flush()

    def close(self) -> None:
        """Nothing follows."""
        self._stream.close()


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last one that a kill cut off is passed over."""
    if not file.is_file():
        return []
    found: list[dict[str, Any]] = []
    # By "\n" alone: names of languages and classes may have what Unicode too calls the end of a line.
    for number, line in enumerate(read_text(file, MAX_METRICS, UsageError).removesuffix("\n").split("\n"), 1):
        where = f"{quote(str(file), 200)}, line {number},"
        try:
            values = parse_json(line, where, error=UsageError)
        except UsageError:
            break
        if not isinstance(values, dict):
            raise UsageError(f"{where} is not an object.")
        about = Fields(values, where, UsageError)
        about.whole("update", 0, 0, 1 << 53)
        about.number("loss", None)
        about.below("scores")
        if not {"kind", "update", *FIELDS_OF_KIND.get(about.text("kind", ""), ())} <= values.keys():
            raise UsageError(f"{where} is not what a run writes.", "Remove the line.")
        found.append(values)
    return found


def save_model(folder: Path, model: Model, task: Task, options: Mapping[str, Any]) -> None:
    """Writes a folder that `zoo.load` opens, with what predictions need besides; it appears whole.

    A model that learned by LoRA is written merged, with the adapter beside it; see `lora.write_adapter`.

    Args:
        folder: replaced when it is there.
        task: with labels, thresholds and scheme.
        options: maximum length, and arguments of `generate`.
    """
    about = {"format": FORMAT, "task": task.to_dict(), **options}
    from zoo.finetune import lora

    with lora.merged(model) as layers:

        def also(work: Path) -> None:
            files.write_json(work / TASK_FILE, about)
            if layers:
                lora.write_adapter(work / "adapter", model, layers)

        model.save(folder, also=also)


def read_task(folder: Path) -> tuple[Task, dict[str, Any]]:
    """The task of a saved model, and its options.

    Raises:
        UsageError: the folder is not one that a run saved.
    """
    if not os.path.lexists(folder / TASK_FILE):
        raise UsageError(
            f"{quote(str(folder), 200)} has no {TASK_FILE}.", "Give the folder of a run, or its best/."
        )
    content = saved.read_settings(folder / TASK_FILE)
    return tasks.from_dict(content.get("task") or {}), {
        k: v for k, v in content.items() if k not in ("format", "task")
    }


def data_files(task: Task, source: str | Path, split: str, languages: Sequence[str]) -> Iterator[Path]:
    """The local files that `Task.read` reads for a split."""
    if source == "hub":
        return
    path = user_path(source)
    if not path.is_dir():
        yield path
        return
    for _, found in task.paths(path, split, languages):
        yield from found


def commit() -> str | None:
    """The git commit of the checkout this code runs from, with "+" when it was changed; None outside of one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        ask = ["git", "-C", str(root)]
        head = subprocess.run(
            [*ask, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*ask, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}+" if changed else head


def versions() -> dict[str, str]:
    """Of the zoo and of what it stands on."""
    return {"zoo": __version__, **env.versions()}

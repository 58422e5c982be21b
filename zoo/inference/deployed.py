"""From a name, a folder or a network to something that answers: what every pipeline works on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.inference.engines import Choice, build, choose
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.models.common.config import ModelConfig
from zoo.tokenization import Tokenizer

TASK_FILE = "task.json"
EXPORT_FILE = "export.json"


@dataclass
class Deployed:
    """A network that is ready to answer.

    Attributes:
        name: what it was asked for by, for messages.
        task: the head; None for the bare encoder.
        settings: task.json of a finetuned folder (task, max_length, generate, ...); {} without.
        engine: an Engine; for the head "generation" what has `generate` as a `Seq2Seq` does.
        choice: what runs it, and why.
        summary: the line to log: "name: OpenVINO 2026.4.1, bf16, 2 threads (compiled in 3.1 s)".
    """

    name: str
    task: str | None
    config: ModelConfig
    tokenizer: Tokenizer
    settings: dict[str, Any]
    engine: Any
    choice: Choice
    summary: str


def deploy(
    model: str | os.PathLike[str] | Model, task: str | None = None, engine: str = "auto", precision: str = "auto"
) -> Deployed:
    """Makes a network ready to answer, compiled by the fastest engine there is.

    Args:
        model: a name or folder that `zoo.load` takes, the folder of a finetuning run, a folder that
            `python -m zoo.export` wrote, or a network in memory, whose weights are taken as they are now.
        task: the head; None for the one the files were saved with.
        engine, precision: see `zoo.inference.engines.choose`.

    Raises:
        UsageError: another head than the network has, or what `choose` says.
        ZooError: what `zoo.load` says.
    """
    name, settings = _name(model), {}
    if not isinstance(model, Model):
        folder = model_folder(model)
        settings = read_settings(folder)
        model = load(folder if folder.is_dir() else model, task=task)
    elif task is not None and model.task != task:
        raise UsageError(f"The network has the head {model.task!r}, not '{task}'.", f"zoo.load(..., task='{task}')")
    choice = choose(model, engine, precision)
    made, how = build(model, choice)
    summary = f"{name}: {choice} ({how})"
    return Deployed(name, model.task, model.config, model.tokenizer, settings, made, choice, summary)


def model_folder(path: str | os.PathLike[str]) -> Path:
    """The folder with the model: best/ of a run's folder, else the path itself."""
    folder = Path(path).expanduser()
    return folder / "best" if (folder / "best" / TASK_FILE).is_file() else folder


def read_settings(folder: Path) -> dict[str, Any]:
    """task.json of a finetuned model, {} without.

    Raises:
        UsageError: it is damaged.
    """
    file = folder / TASK_FILE
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"'{file}' cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"'{file}' is not a JSON object.")
    return found


def _name(model: str | os.PathLike[str] | Model) -> str:
    if not isinstance(model, Model):
        return os.fspath(model)
    if model.card is not None:
        return model.card.name
    return model.origin.folder.name if model.origin else type(model).__name__

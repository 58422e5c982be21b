"""Reads task.json, the task of a trained model and its options, as a file from a stranger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from zoo.errors import UsageError
from zoo.files import Fields, quote, read_object, user_path
from zoo.files.run_model import best_model

TASK_FORMAT = 1
TASK_FILE = "task.json"
MIN_NUMBER, MAX_NUMBER = -1_000, 1 << 20  # lengths, strides, the label that is passed over


def model_folder(path: str | os.PathLike[str]) -> Path:
    """Gives the folder with the model: best/ of a run or of the best of its seeds, else the path itself."""
    folder = user_path(path)
    best = best_model(folder)
    return best if (best / TASK_FILE).is_file() else folder


def read_settings(file: Path) -> dict[str, Any]:
    """Reads task.json: the task's description and the options of its model, each of the kind that it must be.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    content = read_object(file, error=UsageError)
    about = Fields(content, quote(str(file), 200), UsageError)
    if about.whole("format", 0) != TASK_FORMAT:
        raise UsageError(f"{about.source} is not of format {TASK_FORMAT}.", "Was it written by another version?")
    about.object("task", {})
    about.object("generate", {})
    about.whole("max_length", None, 0, MAX_NUMBER)
    return content


def check_kinds(made: Any) -> None:
    """Compares the fields of a task that a file described with their type hints.

    Raises:
        UsageError: one is of another kind, or a whole number is beyond any use.
    """
    hints = get_type_hints(type(made))
    for field in fields(made):
        value = getattr(made, field.name)
        if not _fits(value, hints[field.name]):
            raise UsageError(
                f"The description of a task has {field.name}={quote(value)}, which is of another kind."
            )
        if is_dataclass(value):
            check_kinds(value)


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:  # an option of a reader
        return value is None or isinstance(value, str | int | float | tuple)
    if kind in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(each) == len(value) and all(map(_fits, value, each))
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items()
        )
    if hint is int:
        return type(value) is int and MIN_NUMBER <= value <= MAX_NUMBER
    if hint is float:
        return type(value) in (int, float)
    return isinstance(value, hint)

"""`zoo.pipeline`: a task and a model, text in, answers out."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.inference.pipelines.base import Pipeline
    from zoo.models.common.base import Model

PIPELINES: dict[str, str | type[Pipeline]] = {"text2text": "zoo.inference.pipelines.text2text:Text2Text"}


def register(name: str, pipeline: type[Pipeline]) -> None:
    """Makes a pipeline of one's own known to `zoo.pipeline`.

    Raises:
        UsageError: the name is taken.
    """
    if PIPELINES.get(name, pipeline) is not pipeline:
        raise UsageError(f"There is a pipeline '{name}' already.", "Register yours by another name.")
    PIPELINES[name] = pipeline


def pipeline(task: str, model: str | os.PathLike[str] | Model, **options: Any) -> Pipeline:
    """A pipeline of a task.

    Args:
        task: a name of PIPELINES, such as "text2text".
        model: a name, a folder, or a model of `zoo.load`.
        options: of every call, such as num_beams.

    Raises:
        UsageError: no such pipeline, or the model has another head.
    """
    found = PIPELINES.get(task)
    if found is None:
        raise UsageError(f"There is no pipeline '{task}'.", f"One of {', '.join(PIPELINES)}.")
    if isinstance(found, str):
        module, name = found.split(":")
        found = getattr(import_module(module), name)
    assert not isinstance(found, str)
    if isinstance(model, str | os.PathLike):
        from zoo.loading import load

        model = load(model, task=found.task or None)
    if found.task and model.task != found.task:
        raise UsageError(
            f"The pipeline '{task}' needs the head '{found.task}'; the model has {model.task!r}.",
            f"zoo.load(..., task='{found.task}')",
        )
    return found(model, **options)

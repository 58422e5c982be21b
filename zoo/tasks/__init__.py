"""Finds tasks (data sets with their metric) by name, and reads a user's own files as one.

    task = zoo.tasks.find("sst2")
    examples = list(task.read("glue/", "dev"))
    features = task.features(examples, tokenizer)            # features.batch(rows) is what a network takes
    answers = task.predictions(outputs, features, examples)  # outputs: the head's, one array per row
    task.score(answers, examples).value                      # percent

numpy in, numpy out; nothing here knows a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import Any

from zoo.errors import UsageError
from zoo.files import clean, quote
from zoo.tasks.base import Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, Ragged
from zoo.tasks.scores import Scores

__all__ = ["Example", "Features", "Ragged", "Scores", "Task", "find", "from_dict", "names"]

TASK_MODULES = (
    "glue",
    "clue",
    "crosslingual",
    "ner",
    "treebanks",
    "comprehension",
    "choices",
    "retrieval",
    "mining",
    "sentence_pairs",
    "generation",
)
OWN_FAMILIES = {"TextPairs": "text_pairs", "Reranking": "reranking"}  # without a published data set -> module
TASK_ALIASES = {
    "sst-2": "sst2",
    "sts-b": "stsb",
    "squad_v2": "squad2",
    "squad1": "squad",
    "diagnostic": "ax",
    "tydiqa": "tydiqa-goldp",
}


@lru_cache
def _table() -> dict[str, Task]:
    found = [task for name in TASK_MODULES for task in import_module(f"zoo.tasks.{name}").TASKS]
    return {task.name: task for task in found}


def names() -> tuple[str, ...]:
    """Gives the names of the tasks."""
    return tuple(_table())


def find(name: str) -> Task:
    """Gives the task of a name.

    Raises:
        UsageError: there is none; suggests the nearest.
    """
    key = name.strip().lower()
    key = TASK_ALIASES.get(key, key)
    key = key if key in _table() else key.replace("_", "-")
    if key not in _table():
        near = get_close_matches(key, _table(), 3)
        raise UsageError(
            f"There is no task {quote(name)}.",
            f"Did you mean {' or '.join(near)}?" if near else f"One of {', '.join(names())}.",
        )
    return _table()[key]


def from_dict(values: Mapping[str, Any]) -> Task:
    """Gives the task that `Task.to_dict` described, such as the one saved beside a checkpoint.

    Raises:
        UsageError: it describes none.
    """
    family = values.get("family")
    kinds = {type(task).__name__: type(task) for task in _table().values()}
    made = kinds.get(family) if isinstance(family, str) else None
    if isinstance(family, str) and family in OWN_FAMILIES:
        made = getattr(import_module(f"zoo.tasks.{OWN_FAMILIES[family]}"), family)
    if made is None:
        raise UsageError(
            f"There is no family of tasks {quote(family)}.", "Was the file written by another version?"
        )
    known = {f.name for f in fields(made)}
    from zoo.tasks.saved import check_kinds

    try:
        task = made(**{name: _value(name, value) for name, value in values.items() if name in known})
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"The description of a task is not complete: {clean(str(error))}.") from None
    check_kinds(task)
    return task


def _value(name: str, value: Any) -> Any:
    """Gives tuples for lists, and a Hub for its description."""
    from zoo.tasks.hub import Hub

    if name == "hub":
        return None if value is None else Hub(**_value("", value))
    if isinstance(value, list):
        return tuple(_value("", v) for v in value)
    return {k: _value("", v) for k, v in value.items()} if isinstance(value, dict) else value

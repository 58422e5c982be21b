"""Runs any network over the rows of a task: its features, and the outputs that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import tasks
from zoo.errors import UsageError
from zoo.tasks.base import Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

BATCH_TOKENS = 8192  # padded tokens of a batch; no gradients are kept
OUTPUT_FIELDS = {  # head -> what `Task.predictions` takes of a network's output; other heads generate `sequences`
    "classification": ("logits",),
    "multiple-choice": ("logits",),
    "tagging": ("logits",),
    "qa": ("start_logits", "end_logits"),
    "qa-beam": ("start_index", "start_scores", "end_index", "end_scores", "logits"),
    "embedding": ("embeddings",),
}
PER_TOKEN = ("tagging", "qa")  # heads whose outputs have an axis of tokens


def features_of(
    examples: Iterable[Example], task: Task, tokenizer: Tokenizer, config: Any, max_length: int | None = None
) -> Features:
    """Gives examples as token ids for a network.

    Args:
        examples: of the task.
        config: the network's; says what generation starts and ends with.
        max_length: tokens of a row; the task's own when None.
    """
    around = dict(zip(("start", "end"), ends_of(task, tokenizer, config), strict=True))
    return task.features(examples, tokenizer, max_length, **(around if task.head == "generation" else {}))


def ends_of(task: Task, tokenizer: Tokenizer, config: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Gives the ids a target begins and ends with; for a translator its language's token, after the text's end."""
    translator: Any = tokenizer
    language = getattr(task, "target_language", "")
    if task.head == "generation" and language and getattr(translator, "languages", ()):
        token = translator.language_id(language)
        return (token,), (translator.sep_token_id, token)
    return _token(tokenizer, config, "bos", "cls"), _token(tokenizer, config, "eos", "sep")


def _token(tokenizer: Tokenizer, config: Any, role: str, stand_in: str) -> tuple[int, ...]:
    """Gives the id that generation starts or ends with: the config's token, else the tokenizer's."""
    key = f"{role}_token_id"
    asked = getattr(config, key, config.source.get(key))
    found = (asked, getattr(tokenizer, key, None), getattr(tokenizer, f"{stand_in}_token_id", None))
    return next(((int(token),) for token in found if token is not None), ())


def rows_of(head: str, arrays: Sequence[np.ndarray], lengths: Iterable[int]) -> list[tuple[np.ndarray, ...]]:
    """Gives a batch's arrays [B, ...] as one tuple per row, without what belongs to padding."""
    cut = head in PER_TOKEN
    return [
        tuple(array[n][: int(length)] if cut and np.ndim(array[n]) else array[n] for array in arrays)
        for n, length in enumerate(lengths)
    ]


def task_for(settings: Mapping[str, Any], name: str, head: str | None, labels: Sequence[str]) -> Task:
    """Gives the task that a network answers, with the labels in the order of its head.

    Args:
        settings: task.json of a finetuned model; {} without.
        name: of a data set to read as instead; needed without settings.
        head, labels: the network's.

    Raises:
        UsageError: none is known, or one that the head does not fit.
    """
    saved = tasks.from_dict(settings["task"]) if settings.get("task") else None
    if not name and saved is not None:
        return saved
    asked = tasks.find(name)
    if saved is not None:
        return with_labels_of(asked, saved)
    if asked.head != head:
        raise UsageError(f"{asked.name} needs the head {asked.head}; this model has {head}.")
    wanted = getattr(asked, "labels", ())
    unnamed = tuple(labels) == tuple(f"LABEL_{n}" for n in range(len(wanted)))
    return asked if unnamed or not wanted else in_order(asked, labels)


def with_labels_of(asked: Task, saved: Task) -> Task:
    """Gives another data set's files what was saved with a network: its labels in order, its threshold.

    Raises:
        UsageError: another head, or other labels.
    """
    if asked.head != saved.head:
        raise UsageError(f"{asked.name} needs the head {asked.head}; this model has {saved.head}.")
    kept = {name: getattr(saved, name) for name in ("threshold", "scheme") if hasattr(asked, name)}
    return replace(in_order(asked, getattr(saved, "labels", ())), **kept)


def in_order(task: Task, labels: Sequence[str]) -> Task:
    """Gives a task with its labels in the order that a network's head has them.

    Raises:
        UsageError: they are other labels.
    """
    own, labels = tuple(getattr(task, "labels", ())), tuple(labels)
    if set(labels) != set(own):
        raise UsageError(f"{task.name} has the labels {', '.join(own)}; this model has {', '.join(labels)}.")
    if labels == own:
        return task
    changed: Mapping[str, Any] = {"labels": labels}
    if written := getattr(task, "written", ()):  # follows the order of the labels
        spelled = dict(zip(own, written, strict=True))
        changed = {**changed, "written": tuple(spelled[label] for label in labels)}
    return replace(task, **changed)

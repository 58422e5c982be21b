"""A perfect network: outputs made of the gold labels that the features hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.tasks import Features, Ragged, Task

PADDING = 3  # a real network's outputs are as wide as its batch


def outputs_of(task: Task, features: Features) -> dict[str, list[np.ndarray]]:
    """What the head of `task` would give if it knew the answers."""
    made = {
        "classification": _classes,
        "multiple-choice": _choices,
        "tagging": _tags,
        "qa": _spans,
        "generation": _texts,
        "embedding": _vectors,
    }
    return made[task.head](task, features)


def _classes(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    labels = features.columns["labels"]
    if not task.labels:
        return {"logits": [np.array([value]) for value in np.asarray(labels)]}
    return {"logits": list(np.eye(len(task.labels))[np.asarray(labels)])}


def _choices(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    return {"logits": list(np.eye(len(task.letters))[np.asarray(features.columns["labels"])])}


def _tags(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    labels = features.columns["labels"]
    assert isinstance(labels, Ragged)
    wrong = np.array([1])  # where no label counts the output may be anything
    rows = [np.concatenate([labels[n], np.repeat(wrong, PADDING)]) for n in range(len(labels))]
    return {"logits": [np.eye(len(task.labels))[np.where(row < 0, 1, row)] for row in rows]}


def _spans(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    labels, lengths = np.asarray(features.columns["labels"]), features.lengths
    starts, ends = ([_one(n + PADDING, at) for n, at in zip(lengths, side, strict=True)] for side in labels.T)
    return {"start_logits": starts, "end_logits": ends}


def _one(length: int, place: int) -> np.ndarray:
    return (np.arange(length) == place).astype(np.float32)


def _texts(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    start, labels = features.columns["decoder_input_ids"], features.columns["labels"]
    assert isinstance(start, Ragged) and isinstance(labels, Ragged)
    padding = np.full(PADDING, features.pad_id)
    return {"sequences": [np.concatenate([start[n][:1], labels[n], padding]) for n in range(len(labels))]}


def _vectors(task: Any, features: Features) -> dict[str, list[np.ndarray]]:
    """A vector of its own for each pair, the same for both languages, of various lengths."""
    vectors = np.random.default_rng(0).normal(size=(int(features.sample.max()) + 1, 64))
    return {"embeddings": [vectors[n] * (1 + n % 3) for n in features.sample]}

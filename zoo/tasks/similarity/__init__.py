"""Finds tasks without training by name: retrieval, bitext, sentence similarity, pairs, reranking.

    task = zoo.tasks.similarity.find("xquad-retrieval")
    for language, data in task.read("xquad/", languages=["de"]):
        vectors = {name: embed(side.texts) for name, side in data.sides.items()}
        data.scores(vectors, measure)["ndcg@10"]        # percent

numpy in, numpy out; nothing here knows a network. `zoo evaluate MODEL --task NAME` does all of this.
"""

from __future__ import annotations

from difflib import get_close_matches

from zoo.errors import UsageError
from zoo.files import quote
from zoo.tasks.similarity.base import SimilarityTask
from zoo.tasks.similarity.sets import Measure, SimilarityData
from zoo.tasks.similarity.table import TASKS

__all__ = ["Measure", "SimilarityData", "SimilarityTask", "all_tasks", "find", "names"]

_BY_NAME = {task.name: task for task in TASKS}


def names() -> tuple[str, ...]:
    """Gives the names of the tasks."""
    return tuple(_BY_NAME)


def all_tasks() -> tuple[SimilarityTask, ...]:
    """Gives the tasks."""
    return TASKS


def find(name: str) -> SimilarityTask:
    """Gives the task of a name.

    Raises:
        UsageError: there is none; suggests the nearest.
    """
    key = name.strip().lower().replace("_", "-")
    if key not in _BY_NAME:
        near = get_close_matches(key, _BY_NAME, 3)
        raise UsageError(
            f"There is no task {quote(name)} without training.",
            f"Did you mean {' or '.join(near)}?" if near else f"One of {', '.join(_BY_NAME)}.",
        )
    return _BY_NAME[key]

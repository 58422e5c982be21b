"""Makes a task of a user's own pairs and triplets of texts, and of passages that are ranked."""

from __future__ import annotations

from typing import Any

from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.tasks.base import Task
from zoo.tasks.reranking import RERANK_METRICS, Reranking
from zoo.tasks.text_pairs import RANKED_METRICS, SCORED_METRICS, TRIPLET_METRIC, TextPairs
from zoo.tasks.user_files import TrainingFile


def pairs(source: TrainingFile, labels: tuple[str, ...], common: dict[str, Any]) -> tuple[Task, list[str]]:
    """Gives the task of texts that belong together, and what the line about the data says of it."""
    roles = source.roles
    negatives = _negatives(source) if "negative" in roles else ()
    fields = {"anchor": roles["anchor"], "positive": roles["positive"], "negatives": negatives, **common}
    made = {**fields, "metrics": (*RANKED_METRICS, *((TRIPLET_METRIC,) if negatives else ()))}
    if "score" not in roles:
        task = TextPairs(**made)
        counts = {len(e.negatives) for e in task.read(source.file)} if negatives else {0}
        own = f"{min(counts)} to {max(counts)} of a row, and " if max(counts) else ""
        said = f"negatives: {own}others' positives"
        return task, [said]
    probe = TextPairs(**{**fields, "score_column": roles["score"], "metrics": SCORED_METRICS})
    scores = [example.score or 0.0 for example in probe.read(source.file)]
    if min(scores) == max(scores):
        raise InputError(
            f"'{source.file}': every {quote(roles['score'])} is {scores[0]:g}: no pair is more alike than another.",
            "Remove the column: then each positive belongs to its anchor and to no other.",
        )
    return probe, [f"scores: numbers from {min(scores):g} to {max(scores):g}"]


def rerank(source: TrainingFile, labels: tuple[str, ...], common: dict[str, Any]) -> tuple[Task, list[str]]:
    """Gives the task of a query's passages; raises UsageError where nothing says which of them answer."""
    roles = source.roles
    negatives = () if "score" in roles else _negatives(source)
    if "score" not in roles and not negatives:
        raise UsageError(
            f"'{source.file}' says of no passage how well it answers: there is no score and no negative.",
            "--columns query=...,passage=...,score=..., or columns negative_1, negative_2, ....",
        )
    fields = {"text": roles["query"], "pair": roles["passage"], "label": roles.get("score", "score")}
    task = Reranking(**{**fields, "negatives": negatives, "metrics": RERANK_METRICS, **common})
    return task, ["scores: 1 for the passage, 0 for the negatives" if negatives else "scores: 0 to 1"]


def _negatives(source: TrainingFile) -> tuple[str, ...]:
    """Gives the columns of texts that do not fit: the one that was found, and all others of such a name."""
    return (*([source.roles["negative"]] if "negative" in source.roles else []), *source.negatives)

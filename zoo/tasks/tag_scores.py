"""The scores of tags: F1 of entities in three readings, kind by kind, and of texts; or F1 of runs of a tag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo import metrics
from zoo.tasks.schemes import TAG_PATTERN
from zoo.tasks.scores import ALL_ROW

Tags = Sequence[Sequence[str]]


def tag_rows(
    gold: Tags,
    predictions: Tags,
    wanted: Sequence[str],
    scheme: str,
    labels: Sequence[str],
    texts: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """Computes the rows of `Scores` of tags.

    Args:
        gold, predictions: tags of each sentence.
        wanted: metrics of the row of all sentences.
        scheme: how tags are meant by the strict metric; empty for tags that mark no spans.
        labels: all tags.
        texts: of each sentence, for the metric "f1-texts".

    Returns:
        "all" and, where tags mark spans, each kind of entity of the gold -> metric -> percent.
    """
    if not scheme:  # the F1 of XTREME: runs of a tag are read as an entity
        runs = metrics.tags_score(gold, predictions)["f1"] if "f1" in wanted else 0.0
        rows = {"f1": runs, "accuracy": metrics.tags_accuracy(gold, predictions)}
        return {ALL_ROW: {name: rows[name] for name in wanted}}
    lenient = metrics.tags_score(gold, predictions)
    kinds = _kinds(gold, predictions)
    rows = {
        "f1-texts": _texts(gold, predictions, labels, texts) if "f1-texts" in wanted else 0.0,
        "f1-lenient": lenient["f1"],
        "f1-strict": metrics.tags_score(gold, predictions, scheme)["f1"],
        "f1-macro": float(np.mean([row["f1"] for row in kinds.values()])) if kinds else 0.0,
        "precision": lenient["precision"],
        "recall": lenient["recall"],
        "accuracy": metrics.tags_accuracy(gold, predictions),
    }
    return {ALL_ROW: {name: rows[name] for name in wanted}, **kinds}


def _texts(gold: Tags, predictions: Tags, labels: Sequence[str], texts: Sequence[str]) -> float:
    """Computes CLUENER2020's own score, over the kinds of the labels."""
    sides = [
        [
            [(kind, text[a : b + 1]) for a, b, kind in metrics.spans(tags)]
            for text, tags in zip(texts, side, strict=True)
        ]
        for side in (gold, predictions)
    ]
    kinds = sorted({found[2] for label in labels if (found := TAG_PATTERN.fullmatch(label))})
    return metrics.texts_score(sides[0], sides[1], kinds)


def _kinds(gold: Tags, predictions: Tags) -> dict[str, dict[str, float]]:
    """Computes a row for each kind of entity of the gold, lenient reading."""
    sides = [
        [(n, *span) for n, tags in enumerate(side) for span in metrics.spans(tags)] for side in (gold, predictions)
    ]
    kinds = sorted({span[-1] for span in sides[0]})
    return {
        kind: metrics.entities_score(*([span for span in side if span[-1] == kind] for side in sides))
        for kind in kinds
    }

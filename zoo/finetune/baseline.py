"""What a run's score stands beside: giving one and the same answer to every row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from zoo import metrics
from zoo.finetune.kept import Kept
from zoo.tasks import Task


@dataclass(frozen=True)
class Baseline:
    """One answer for all rows.

    Attributes:
        answer: as a reader sees it.
        value: its score in percent, of several languages their mean.
        more: a sentence that belongs to it; "" for none.
    """

    answer: str
    value: float
    more: str = ""


def baseline(task: Task, rows: Sequence[Kept], metric: str) -> Baseline | None:
    """Gives the answer that is right most often, or the mean of numbers, with its score.

    None for heads and metrics where no single answer means anything (entities, generated text), and without rows.
    """
    if not rows:
        return None
    if task.head in ("classification", "multiple-choice"):
        return _mean_number(rows) if isinstance(rows[0].gold, float) else _class(task, rows, metric)
    if task.head == "tagging" and metric == "accuracy":
        tags = Counter(tag for row in rows for tag in row.gold)
        tag = tags.most_common(1)[0][0]
        return Baseline(tag, _by_language(rows, lambda part: _share([t for row in part for t in row.gold], tag)))
    return _question(task, rows, metric) if task.head == "qa" else None


def _class(task: Any, rows: Sequence[Kept], metric: str) -> Baseline:
    name = Counter(row.gold for row in rows).most_common(1)[0][0]
    labels: tuple[str, ...] = getattr(task, "labels", ())
    positive = labels[1] if len(labels) == 2 else None
    score = metrics.TEXT_METRICS[metric]
    return Baseline(
        name, _by_language(rows, lambda part: score([row.gold for row in part], [name] * len(part), positive))
    )


def _mean_number(rows: Sequence[Kept]) -> Baseline:
    gold = [float(row.gold) for row in rows]
    mean = fmean(gold)
    off = math.sqrt(fmean((value - mean) ** 2 for value in gold))
    ours = math.sqrt(fmean((float(row.answer) - row.gold) ** 2 for row in rows))
    more = f"A constant has no correlation; in root mean square it is {off:.3f} off, this run {ours:.3f}."
    return Baseline(f"{mean:.3f}", 0.0, more)


def _question(task: Any, rows: Sequence[Kept], metric: str) -> Baseline:
    """Gives no answer, or the most frequent one of the data."""
    best = Counter(text for row in rows for text in dict.fromkeys(row.gold or [""])).most_common(1)[0][0]

    def score(part: Sequence[Kept]) -> float:
        about = task.language_rules, metric, task.unanswerable
        return 100 * fmean(metrics.answer_score(*about, row.gold, best, row.language) for row in part)

    return Baseline(best or "no answer", _by_language(rows, score))


def _share(values: Sequence[str], value: str) -> float:
    return 100 * values.count(value) / max(1, len(values))


def _by_language(rows: Sequence[Kept], score: Callable[[Sequence[Kept]], float]) -> float:
    """Gives the mean over the languages, as the average of a run's scores."""
    parts: dict[str, list[Kept]] = {}
    for row in rows:
        parts.setdefault(row.language, []).append(row)
    return fmean(score(part) for part in parts.values())

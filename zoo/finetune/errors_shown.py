"""What went wrong, row by row and class by class, from the answers that a run kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from zoo import metrics
from zoo.finetune.kept import Kept

SHOWN = 10  # wrong answers of each kind
MOST_CLASSES = 30  # of a table of confusions that can still be read


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and F1 of a class in percent, and how often it is right in gold (support) and predicted."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def class_scores(rows: Sequence[Kept], names: Sequence[str]) -> list[ClassScore]:
    """Gives the scores of classes, or of kinds of entities where rows have tags, read leniently."""
    hits: Counter[str] = Counter()
    said: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for row in rows:
        if isinstance(row.gold, list):
            sides = [set(metrics.spans(tags)) for tags in (row.gold, row.answer)]
            hits.update(span[2] for span in sides[0] & sides[1])
            gold.update(span[2] for span in sides[0])
            said.update(span[2] for span in sides[1])
            continue
        gold[row.gold] += 1
        said[row.answer] += 1
        hits[row.gold] += row.gold == row.answer
    order = [name for name in names if name in gold or name in said] or sorted({*gold, *said})
    found = []
    for name in order:
        precision = 100 * hits[name] / said[name] if said[name] else 0.0
        recall = 100 * hits[name] / gold[name] if gold[name] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        found.append(ClassScore(name, precision, recall, f1, gold[name], said[name]))
    return found


def confusions(rows: Sequence[Kept], names: Sequence[str]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Gives for each gold class the count of each answer, and its share in percent; [] for many classes."""
    if not rows or not 1 < len(names) <= MOST_CLASSES:
        return []
    counts = Counter((row.gold, row.answer) for row in rows)
    found = []
    for gold in names:
        line = [counts[gold, answer] for answer in names]
        found.append((gold, [(count, round(100 * count / max(1, sum(line)))) for count in line]))
    return found


def worst(rows: Sequence[Kept]) -> list[Kept]:
    """Gives wrong answers: those with the largest loss, or where none is known the lowest scores."""
    wrong = [row for row in rows if not row.right]

    def order(row: Kept) -> tuple[float, float]:
        return -(row.loss if row.loss is not None else 0.0), next(iter(row.values.values()), 0.0)

    return sorted(wrong, key=order)[:SHOWN]


def drawn(rows: Sequence[Kept], seed: int, without: Sequence[Kept] = ()) -> list[Kept]:
    """Gives wrong answers drawn by a seed, in the order of the data."""
    keys = {row.key for row in without}
    wrong = [row for row in rows if not row.right and row.key not in keys]
    chosen = sorted(random.Random(seed).sample(range(len(wrong)), min(SHOWN, len(wrong))))
    return [wrong[n] for n in chosen]


def shown(row: Kept) -> dict[str, Any]:
    """Gives a row as the page shows it: its texts, gold, answer, probabilities, and lines of marked pieces."""
    held: dict[str, Any] = {"row": row, "texts": [], "lines": [], "sure": []}
    tagged = isinstance(row.gold, list) and "words" in row.texts
    if tagged:
        held["lines"] = [
            ("gold", _words(row, row.gold, row.answer)),
            ("predicted", _words(row, row.answer, row.gold)),
        ]
        return held
    for name, value in row.texts.items():
        if name == "context":
            held["lines"].append((name, marked(str(value), row.marks)))
        else:
            held["texts"].append((name, " · ".join(map(str, value)) if isinstance(value, list) else str(value)))
    held["gold"] = _named(row.gold)
    held["answer"] = _named(row.answer)
    held["sure"] = [(_named(name), share) for name, share in row.scores.items()]
    return held


def _named(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(dict.fromkeys(map(str, value))) or "no answer"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value) or "no answer"


def _words(row: Kept, tags: Sequence[str], others: Sequence[str]) -> list[tuple[str, str, str]]:
    """Gives the text in pieces: words, "" or "hit" or "miss", and an entity's kind with its probability."""
    words = [str(word) for word in row.texts["words"]]
    gap = "" if all(len(word) == 1 for word in words) else " "
    other, found, at = set(metrics.spans(others)), [], 0
    for first, last, kind in metrics.spans(tags):
        if first > at:
            found.append((gap.join(words[at:first]) + gap, "", ""))
        share = min((row.scores[str(n)] for n in range(first, last + 1) if str(n) in row.scores), default=None)
        sure = f" {share:.2f}" if share is not None and tags is row.answer else ""
        state = "hit" if (first, last, kind) in other else "miss"
        found.append((gap.join(words[first : last + 1]), state, f"{kind}{sure}"))
        found.append((gap, "", ""))
        at = last + 1
    return [*found, (gap.join(words[at:]), "", "")]


def marked(text: str, marks: Mapping[str, Sequence[int]]) -> list[tuple[str, str, str]]:
    """Gives a text in pieces: what is right, what was answered, and what is both."""
    cuts = sorted({0, len(text), *(min(max(n, 0), len(text)) for span in marks.values() for n in span)})
    found = []
    for a, b in pairwise(cuts):
        inside = {name for name, (start, end) in marks.items() if start <= a and b <= end}
        state = "both" if len(inside) == 2 else next(iter(inside), "")
        found.append((text[a:b], state, ""))
    return found

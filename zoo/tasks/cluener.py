"""Reads and writes CLUENER2020's own form: entities as spans of a text, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from zoo import metrics
from zoo.tasks.rows import Row, number_of, shown
from zoo.tasks.schemes import OUTSIDE_TAG


def with_tags(row: Row) -> Row:
    """Gives a row with characters as words, and tags made of spans [first, last]."""
    text = row.text("text")
    if "label" not in row.values:
        return row._replace(values={**row.values, "words": list(text)})
    tags = [OUTSIDE_TAG] * len(text)
    for kind, named in _items(row, row.get("label")):
        for words, places in _items(row, named):
            for place in places if isinstance(places, list) else [places]:
                if not _is_span(place, text, words):
                    raise row.error(
                        f"the span {shown(place)} of '{kind}' is not where {shown(words)} is in 'text'."
                    )
                first, last = place
                tags[first : last + 1] = [f"B-{kind}", *[f"I-{kind}"] * (last - first)]
    return row._replace(values={**row.values, "words": list(text), "tags": tags})


def _items(row: Row, value: object) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise row.error(f"'label' must hold kind, text and spans and has {shown(value)}.")
    return value.items()


def _is_span(place: object, text: str, words: str) -> bool:
    if not isinstance(place, list) or len(place) != 2 or not all(type(n) is int for n in place):
        return False
    return 0 <= place[0] <= place[1] < len(text) and text[place[0] : place[1] + 1] == words


def answer(ident: str, words: Sequence[str], tags: Sequence[str]) -> dict[str, object]:
    """Gives an answer as CLUENER2020's submissions have it: number, text, and spans by kind."""
    text, label = "".join(words), dict[str, dict[str, list[list[int]]]]()
    for first, last, kind in metrics.spans(tags):
        label.setdefault(kind, {}).setdefault(text[first : last + 1], []).append([first, last])
    return {"id": number_of(ident), "text": text, "label": label}

"""Asks a pipeline for one answer and makes it readable: what each of them asks for, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import InputError
from zoo.inference.pipelines import ALIASES

MAX_TEXT = 20_000  # characters of a field
MAX_LINES = 50  # texts in a field with one a line
SHOWN_NUMBERS = 6  # of a vector


@dataclass(frozen=True)
class Field:
    """A field of a form.

    Attributes:
        name: end of a key "field.X" of the words.
        lines: how high it is; 1 takes no line ends.
        needed: it must not be empty.
    """

    name: str
    lines: int = 1
    needed: bool = True


@dataclass(frozen=True)
class Answer:
    """An answer that can be read.

    Attributes:
        columns: ends of keys "column.X" of the words; a "score" is from 0 to 1, a "value" any number.
        rows: texts and numbers.
        marked: a text in pieces, each with the label of its mark, or "".
        note: a key of the words, and what is to be put into it.
    """

    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    marked: Sequence[tuple[str, str]] = ()
    note: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Form:
    """What a pipeline asks for.

    Attributes:
        head: of the models that fit.
        ask: takes the pipeline and the fields.
        options: of the pipeline.
    """

    head: str
    fields: tuple[Field, ...]
    ask: Callable[[Any, Mapping[str, str]], Answer]
    options: Mapping[str, Any]


def _classes(pipe: Any, given: Mapping[str, str]) -> Answer:
    text, pair = given["text"], given["pair"]
    found = pipe((text, pair) if pair.strip() else text)
    rows = [(one["label"], one["score"]) for one in found] if isinstance(found, list) else []
    if not rows:
        return Answer(("value",), [(found["score"],)])
    share = all(0 <= score <= 1 for _, score in rows)
    return Answer(("label", "score" if share else "value"), rows)


def _entities(pipe: Any, given: Mapping[str, str]) -> Answer:
    text = given["text"]
    found = pipe(text)
    rows = [(one["word"], one["entity_group"], one["score"]) for one in found]
    return Answer(("text", "label", "score"), rows, _pieces(text, found) if found else ())


def _pieces(text: str, spans: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Gives a text in pieces, those of spans with their labels; of spans that overlap the first."""
    pieces, end = [], 0
    for span in sorted(spans, key=lambda one: one["start"]):
        if span["start"] < end:
            continue
        pieces += [(text[end : span["start"]], ""), (text[span["start"] : span["end"]], span["entity_group"])]
        end = span["end"]
    return [piece for piece in (*pieces, (text[end:], "")) if piece[0]]


def _spans(pipe: Any, given: Mapping[str, str]) -> Answer:
    found = pipe({"question": given["question"], "context": given["context"]})
    best = {**found[0], "entity_group": "1"}
    rows = [(one["answer"] or "—", one["score"]) for one in found]
    if not best["answer"]:
        return Answer(("answer", "score"), rows, note=("answer.no answer",))
    return Answer(("answer", "score"), rows, _pieces(given["context"], [best]))


def _gaps(pipe: Any, given: Mapping[str, str]) -> Answer:
    found = pipe(given["masked"])
    gaps = found if found and isinstance(found[0], list) else [found]
    rows = [(n, one["token_str"], one["sequence"], one["score"]) for n, gap in enumerate(gaps, 1) for one in gap]
    return Answer(("gap", "word", "sentence", "score"), rows)


def _likeness(pipe: Any, given: Mapping[str, str]) -> Answer:
    others = _lines(given["others"])
    vector = pipe(given["text"])
    numbers = ", ".join(f"{value:.4f}" for value in vector[:SHOWN_NUMBERS].tolist())
    note = ("answer.vector", f"{len(vector):,}", f"{numbers} …")
    if not others:
        return Answer(note=note)
    alike = pipe.similarity(given["text"], others).reshape(-1).tolist()
    order = sorted(range(len(others)), key=lambda n: -alike[n])
    return Answer(("text", "value"), [(others[n], alike[n]) for n in order], note=note)


def _labels(pipe: Any, given: Mapping[str, str]) -> Answer:
    found = pipe(given["text"], candidate_labels=given["labels"])
    return Answer(("label", "score"), list(zip(found["labels"], found["scores"], strict=True)))


def _ranking(pipe: Any, given: Mapping[str, str]) -> Answer:
    texts = _lines(given["texts"])
    found = pipe(given["query"], texts)
    return Answer(("text", "value"), [(texts[one["corpus_id"]], one["score"]) for one in found])


def _outputs(pipe: Any, given: Mapping[str, str]) -> Answer:
    found = pipe(given["text"])
    return Answer(("text", "value"), [(one["text"], one["score"]) for one in found])


def _lines(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > MAX_LINES:
        raise InputError(
            f"There are {len(lines)} lines; this page takes {MAX_LINES}.", "`zoo map` takes any number."
        )
    return lines


TEXT = Field("text", 5)
FORMS: Mapping[str, Form] = {  # pipeline -> what it asks for
    "classification": Form("classification", (TEXT, Field("pair", 2, needed=False)), _classes, {"top_k": None}),
    "ner": Form("tagging", (TEXT,), _entities, {}),
    "qa": Form("qa", (Field("question"), Field("context", 8)), _spans, {"top_k": 3}),
    "fill-mask": Form("mlm", (Field("masked", 3),), _gaps, {}),
    "embeddings": Form("embedding", (Field("text", 3), Field("others", 5, needed=False)), _likeness, {}),
    "zero-shot": Form("classification", (TEXT, Field("labels")), _labels, {}),
    "rerank": Form("classification", (Field("query"), Field("texts", 6)), _ranking, {}),
    "text2text": Form("generation", (TEXT,), _outputs, {}),
}


def pipeline_of(heads: Sequence[str]) -> str:
    """Gives the pipeline of the first of these heads that has one; "" for none."""
    kinds = (ALIASES.get(head, head) for head in heads)
    return next((kind for kind in kinds if kind in FORMS), "")


def checked(form: Form, given: Mapping[str, str]) -> dict[str, str]:
    """Gives the fields of a form, with line ends as Python has them.

    Raises:
        InputError: one is too long, or empty and needed.
    """
    found = {}
    for field in form.fields:
        text = given.get(field.name, "").replace("\r\n", "\n")
        if len(text) > MAX_TEXT:
            more = "`zoo predict` and `zoo map` take longer ones."
            raise InputError(f"The field {field.name} has {len(text):,} characters; it takes {MAX_TEXT:,}.", more)
        if field.needed and not text.strip():
            raise InputError(f"The field {field.name} is empty.", "Type something there.")
        found[field.name] = text
    return found

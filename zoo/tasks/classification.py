"""Reads, encodes and scores classification of texts and pairs, and regression: GLUE, CLUE, XNLI, PAWS-X."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.files import quote
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, token_columns
from zoo.tasks.labels import NO_GOLD, label_of
from zoo.tasks.rows import Row, finite, number_of, shown
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer


@dataclass(frozen=True)
class TextExample(Example):
    """A text or a pair of texts with its class, or its number for regression; None where nobody says it."""

    text: str
    pair: str | None = None
    label: str | float | None = None


@dataclass(frozen=True, kw_only=True)
class Classification(Task[TextExample, str | float]):
    """A task with one of `labels` per text or pair; without labels a number for each (regression).

    Attributes:
        labels: names of the classes in the order of their ids.
        written: the labels as published files and submissions spell them, where that is not their name.
        text, pair: columns of the first and the second text.
        label: column of the class; a label in `dropped` means that the row does not count.
        also: other spellings of a label.
        id: column of the id.
        language: column of the language.
        prepared: name of a function in PREPARATIONS that makes the columns first.
        style: of the submission: "glue" (index, tab, prediction), "clue" (JSON lines) or "labels" (bare).
        decimals: of a submitted number.
        missing: labels of a test set that say that nobody knows what is right.
        bounds: regression: gold numbers must be, and predictions of a submission are cut to be, in this range.
    """

    labels: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    text: str = "sentence"
    pair: str = ""
    label: str = "label"
    dropped: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    language: str = ""
    prepared: str = ""
    style: str = "labels"
    missing: tuple[str, ...] = (NO_GOLD,)
    bounds: tuple[float, float] | None = None

    head: ClassVar[str] = "classification"

    @property
    def regression(self) -> bool:
        """Tells whether a number is asked for."""
        return not self.labels

    # --- reading ---

    def example(self, row: Row, split: str, language: str = "") -> TextExample | None:
        if self.prepared:
            row = PREPARATIONS[self.prepared](row)
        values = row.values
        if self.language:
            language = str(values.get(self.language, language))
        label = self._label(row, split)
        if label == DROPPED_LABEL:
            return None
        name = values.get(self.id) if self.id else None
        ident = str(row.line if name is None else name)
        pair = row.text(self.pair) if self.pair else None
        return TextExample(ident, row.text(self.text), pair, label, language=language)

    def _label(self, row: Row, split: str) -> str | float | None:
        value, test = row.values.get(self.label), split.startswith("test")
        text = label_of(value)
        unlabelled = value is None and self.dropped and not test
        if self.label in row.values and (text in self.dropped or unlabelled):
            return DROPPED_LABEL
        if test and (text is None or (text in self.missing and text not in self._names)):
            return None
        if text is None:
            raise row.error(f"no label: column {quote(self.label)} is missing or empty.", self._expected())
        if self.regression:
            return _number(row, self.label, value, self.bounds)
        names = self._names
        found = names.get(str(value), names.get(text))
        if found is None:
            raise row.error(f"the label {shown(value)} is none of {self.name}.", self._expected())
        return found

    def _expected(self) -> str:
        spelled = dict.fromkeys((*(self.written or self.labels), *self.labels))
        return f"Labels: {', '.join(list(spelled)[:40])}." if self.labels else "Expected a number."

    @property
    def _names(self) -> Mapping[str, str]:
        written = dict(zip(self.written, self.labels, strict=True)) if self.written else {}
        return {**{label: label for label in self.labels}, **written, **self.also}

    # --- to the network and back ---

    def encode(self, examples: list[TextExample], tokenizer: Tokenizer, max_length: int) -> Features:
        texts = [e.text for e in examples]
        pairs = [e.pair or "" for e in examples] if examples[0].pair is not None else None
        rows = tokenizer(texts, pairs, max_length=max_length, padding=False)
        columns = token_columns(rows)
        if all(e.label is not None for e in examples):
            if self.regression:
                columns["labels"] = np.array([e.label for e in examples], np.float32)
            else:
                ids = {label: n for n, label in enumerate(self.labels)}
                columns["labels"] = np.array([ids[str(e.label)] for e in examples], np.int64)
        return Features(columns, np.arange(len(examples)), pad_id=tokenizer.pad_token_id or 0)

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample]
    ) -> list[str | float]:
        """Gives classes from `logits` [N, C], or numbers from [N, 1]."""
        logits = np.stack([np.asarray(row) for row in outputs["logits"]])
        if self.regression:
            return [float(v) for v in logits.reshape(len(logits))]
        return [self.labels[n] for n in logits.argmax(axis=1)]

    # --- answers out ---

    def measure(
        self, predictions: Sequence[str | float], examples: Sequence[TextExample]
    ) -> dict[str, dict[str, float]]:
        gold = [e.label for e in examples]
        if None in gold:
            raise InputError(
                f"Example {examples[gold.index(None)].id} of {self.name} has no label: nothing to score.",
                "Score a split with labels, such as dev.",
            )
        positive = self.labels[1] if len(self.labels) == 2 else None
        return {ALL_ROW: {name: metrics.TEXT_METRICS[name](gold, predictions, positive) for name in self.metrics}}

    suffix: ClassVar[str] = ".tsv"

    def lines(
        self, predictions: Sequence[str | float], examples: Sequence[TextExample], split: str
    ) -> Iterator[str]:
        spelled = dict(zip(self.labels, self.written or self.labels, strict=True))
        if self.style == "glue":
            yield "index\tprediction"
        for example, prediction in zip(examples, predictions, strict=True):
            if isinstance(prediction, float):
                low, high = self.bounds or (prediction, prediction)
                value = f"{min(max(prediction, low), high):.3f}"
            else:
                value = spelled[prediction]
            if self.style == "clue":
                yield json.dumps({"id": number_of(example.id), "label": value}, ensure_ascii=False)
            else:
                yield f"{example.id}\t{value}" if self.style == "glue" else value


DROPPED_LABEL = "\0"


def _number(row: Row, column: str, value: Any, bounds: tuple[float, float] | None) -> float:
    number = finite(row, column, value)
    if bounds and not bounds[0] <= number <= bounds[1]:
        raise row.error(f"'{column}' must be from {bounds[0]:g} to {bounds[1]:g} and is {number:g}.")
    return number


def _cluewsc(row: Row) -> Row:
    """Turns the noun that a pronoun means into a pair: the text, and "<pronoun> means <noun>"."""
    target = row.get("target")
    spans = [target.get(name) if isinstance(target, dict) else None for name in ("span1_text", "span2_text")]
    if not all(isinstance(span, str) and span for span in spans):
        raise row.error("'target' must hold the texts 'span1_text' and 'span2_text'.")
    return row._replace(values={"id": row.values.get("idx"), **row.values, "claim": f"{spans[1]}指代{spans[0]}"})


def _csl(row: Row) -> Row:
    """Keywords with a space between them, as the benchmark's own baseline joins them."""
    words = row.get("keyword")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise row.error("'keyword' must be a list of texts.")
    return row._replace(values={**row.values, "keywords": " ".join(words)})


def _xnli(row: Row) -> Row:
    """Gives one set of names to the files of XNLI 1.0, of its machine translation, of XTREME and of the Hub."""
    values = dict(row.values)
    for old, new in (("premise", "sentence1"), ("hypo", "sentence2"), ("hypothesis", "sentence2")):
        if old in values:
            values.setdefault(new, values[old])
    if "label" in values:
        values.setdefault("gold_label", values["label"])
    return row._replace(values=values)


def _diagnostic(row: Row) -> Row:
    """Gives the names of the published set without labels to the columns of the one with labels."""
    names = {"Premise": "sentence1", "Hypothesis": "sentence2", "Label": "label"}
    return row._replace(values={names.get(name, name): value for name, value in row.values.items()})


PREPARATIONS: dict[str, Callable[[Row], Row]] = {
    "cluewsc": _cluewsc,
    "csl": _csl,
    "diagnostic": _diagnostic,
    "xnli": _xnli,
}

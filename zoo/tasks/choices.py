"""Reads, encodes and scores questions with options to choose from (RACE), and lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.tasks.answers import cut
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, token_columns
from zoo.tasks.hub import Hub
from zoo.tasks.rows import Row, shown
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

BLANK = "_"  # of a cloze question, where the option stands


@dataclass(frozen=True)
class ChoiceExample(Example):
    """A question about an article, its options, and the letter of the right one; None where nobody says it.

    Attributes:
        part: of the data set, that is scored alone too.
    """

    article: str
    question: str
    options: tuple[str, ...]
    label: str | None = None
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice(Task[ChoiceExample, str]):
    """A task that chooses an option of each question: a softmax over one number for each.

    A text is the article; its pair is the question with the option in its blank, or behind it. The pair is cut to
    `pair_length` tokens, then the article to what is left.

    Attributes:
        letters: of the options; every question has as many.
        parts: of the data set, a row of the scores each.
        pair_length: tokens of a question with its option.
    """

    letters: tuple[str, ...] = ("A", "B", "C", "D")
    parts: tuple[str, ...] = ()
    pair_length: int = 128
    format: str = "race"
    max_length: int = 512
    metrics: tuple[str, ...] = ("accuracy",)

    head: ClassVar[str] = "multiple-choice"

    def example(self, row: Row, split: str, language: str = "") -> ChoiceExample:
        options, label = row.get("options"), row.values.get("answer")
        count = len(self.letters)
        if not isinstance(options, list) or len(options) != count or not all(isinstance(o, str) for o in options):
            raise row.error(f"'options' must be a list of {count} texts and is {shown(options)}.")
        if label not in self.letters and not (label is None and split.startswith("test")):
            raise row.error(f"the answer {shown(label)} is none of {', '.join(self.letters)}.")
        part = str(row.values.get("part", ""))
        ident = str(row.values.get("id", row.line))
        return ChoiceExample(ident, row.text("article"), row.text("question"), tuple(options), label, part)

    def encode(self, examples: list[ChoiceExample], tokenizer: Tokenizer, max_length: int) -> Features:
        pairs = [_filled(e.question, option) for e in examples for option in e.options]
        rows = tokenizer(
            [e.article for e in examples for _ in e.options],
            cut(pairs, tokenizer, min(self.pair_length, max_length // 2)),
            max_length=max_length,
            padding=False,
            truncation="only_first",
        )
        columns = token_columns(rows)
        if all(e.label is not None for e in examples):
            columns["labels"] = np.array([self.letters.index(str(e.label)) for e in examples], np.int64)
        made = Features(columns, np.arange(len(examples)), pad_id=tokenizer.pad_token_id or 0)
        made.choices = len(self.letters)
        return made

    def predictions(self, outputs: Outputs, features: Features, examples: Sequence[ChoiceExample]) -> list[str]:
        """Gives the letter of the likeliest option, from `logits` [N] of each question."""
        return [self.letters[int(np.argmax(row))] for row in outputs["logits"]]

    def measure(self, predictions: Sequence[str], examples: Sequence[ChoiceExample]) -> dict[str, dict[str, float]]:
        gold = [e.label for e in examples]
        if None in gold:
            raise InputError(
                f"Question {examples[gold.index(None)].id} of {self.name} has no answer: nothing to score.",
                "Score a split with answers, such as dev.",
            )
        rows = {ALL_ROW: {"accuracy": metrics.accuracy(gold, predictions)}}
        for part in self.parts:
            held = [n for n, example in enumerate(examples) if example.part == part]
            if held:
                rows[part] = {"accuracy": metrics.accuracy([gold[n] for n in held], [predictions[n] for n in held])}
        return rows

    suffix: ClassVar[str] = ".tsv"

    def lines(self, predictions: Sequence[str], examples: Sequence[ChoiceExample], split: str) -> Iterator[str]:
        for example, letter in zip(examples, predictions, strict=True):
            yield f"{example.id}\t{letter}"


def _filled(question: str, option: str) -> str:
    """Gives a question with an option: in its blank, or behind it."""
    return question.replace(BLANK, option) if BLANK in question else f"{question} {option}"


TASKS = (
    Choice(
        name="race",
        title="RACE",
        folder="RACE",
        files={split: f"{split}/*/*.txt" for split in ("train", "dev", "test")},
        parts=("middle", "high"),
        hub=Hub("ehovy/race", "all", columns={"example_id": "id"}),
    ),
)

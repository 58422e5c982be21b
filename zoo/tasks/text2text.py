"""Reads, encodes and scores text to be written: question generation, summaries, translation."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError, UsageError
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import IGNORED_LABEL, Features, Ragged, token_columns
from zoo.tasks.formats import READERS, parallel
from zoo.tasks.rows import Row
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

SPACE_IN_CHINESE = re.compile(
    r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]) +| +(?=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])"
)
FORMAT_BY_SUFFIX = {".json": "jsonl", ".jsonl": "jsonl", ".tsv": "tsv", ".txt": "tsv"}


@dataclass(frozen=True)
class Text2TextExample(Example):
    """A text and the text to be written; None where nobody says it. `lead` is what stands before the source."""

    source: str
    target: str | None = None
    lead: str = ""


@dataclass(frozen=True, kw_only=True)
class Text2Text(Task[Text2TextExample, str]):
    """A task where an encoder reads the source (its lead, a separator, the source) and a decoder writes the target.

    Attributes:
        source, target: columns.
        lead: column of what stands before the source, with the tokenizer's separator between.
        renamed: other names of columns, as other releases of the same data have them.
        target_length: tokens of the target, special ones included.
        label_pad: what pads labels. A loss that counts padding (PALM's) has a word for it, and equal lengths.
        source_language, target_language: codes, for translators, whose texts have a token of their language.
        tokenize: how sacrebleu cuts words; empty for metrics that are not its.
        prepared: name of a function in PREPARATIONS that makes the columns first.
    """

    source: str = "source"
    target: str = "target"
    lead: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    target_length: int = 100
    label_pad: int = IGNORED_LABEL
    tokenize: str = ""
    source_language: str = ""
    target_language: str = ""
    prepared: str = ""

    head: ClassVar[str] = "generation"

    # --- reading ---

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        if self.format == "parallel":
            if len(files) != 2:
                raise InputError(
                    f"{self.name} needs two files, one sentence per line in each; '{files[0]}' is one.",
                    "Give the folder, or both files.",
                )
            return parallel(*files)
        if self.format != "tsv":
            return READERS[self.format](files[0], **self.reading)
        kind = FORMAT_BY_SUFFIX.get("".join(files[0].suffixes[:1]), "tsv")
        return READERS[kind](files[0], self.columns)

    def example(self, row: Row, split: str, language: str = "") -> Text2TextExample | None:
        row = row._replace(values={self.renamed.get(k, k): v for k, v in row.values.items()})
        row = PREPARATIONS[self.prepared](row) if self.prepared else row
        target = row.values.get(self.target)
        if split.startswith("test") and isinstance(target, str) and not target.strip():
            target = None
        if target is None and not split.startswith("test"):
            raise row.error(f"no '{self.target}'.", f"Expected: {', '.join(filter(None, self._wanted))}.")
        lead = row.text(self.lead) if self.lead else ""
        source = row.text(self.source)
        ident = str(row.values.get("id", row.line))
        return Text2TextExample(ident, source, None if target is None else row.text(self.target), lead)

    @property
    def _wanted(self) -> tuple[str, str, str]:
        return self.lead, self.source, self.target

    # --- to the network and back ---

    def encode(
        self,
        examples: list[Text2TextExample],
        tokenizer: Tokenizer,
        max_length: int,
        start: Sequence[int] = (),
        end: Sequence[int] = (),
    ) -> Features:
        """Gives the features of a run of examples.

        Args:
            examples: the run.
            tokenizer: of both sides.
            max_length: tokens of the source; longer ones are cut.
            start, end: ids around a target, where the decoder wants others than the tokenizer puts around a text:
                `decoder_input_ids` is all but the last of start, pieces, end; `labels` all but the first.
        """
        separator = tokenizer.specials.get("sep", " ")
        sources = [f"{e.lead}{separator}{e.source}" if e.lead else e.source for e in examples]
        of_source, of_target = self._sides(tokenizer)
        rows = of_source(sources, max_length=max_length, padding=False)
        columns = token_columns(rows)
        lost: Counter[str] = Counter()
        if all(e.target is not None for e in examples):
            targets, cut = self._targets([str(e.target) for e in examples], of_target, start, end)
            columns["decoder_input_ids"] = Ragged.of([t[:-1] for t in targets])
            columns["labels"] = Ragged.of([t[1:] for t in targets])
            lost.update({"targets that were cut": cut} if cut else {})
        numbers = np.arange(len(examples))
        width = 0 if self.label_pad == IGNORED_LABEL else self.target_length - 1
        return Features(columns, numbers, {}, tokenizer.pad_token_id or 0, lost, tokenizer, self.label_pad, width)

    def _sides(self, tokenizer: Any) -> tuple[Tokenizer, Tokenizer]:
        """Gives what encodes source and target: of a translator, the tokenizers of their languages.

        Raises:
            UsageError: a translator, and a task that does not say the languages.
            InputError: a language without a token.
        """
        if not getattr(tokenizer, "languages", ()):
            return tokenizer, tokenizer
        if not self.source_language:
            raise UsageError(
                f"This model translates, and {self.name} does not say between which languages.",
                "For your own files: --task text2text --languages en,de.",
            )
        return tokenizer.of(self.source_language), tokenizer.of(self.target_language)

    def _targets(
        self, texts: list[str], tokenizer: Tokenizer, start: Sequence[int], end: Sequence[int]
    ) -> tuple[list[np.ndarray], int]:
        """Gives the ids of targets with what stands around them, and how many were cut."""
        whole = tokenizer(texts, padding=False, truncation=False)["input_ids"]
        first, last = tokenizer.around
        pieces = [ids[len(first) : len(ids) - len(last)] for ids in whole]
        before = np.array(start, np.int64) if len(start) else first
        after = np.array(end, np.int64) if len(end) else last
        room = self.target_length - len(before) - len(after)
        return [np.concatenate([before, p[:room], after]) for p in pieces], sum(len(p) > room for p in pieces)

    def predictions(self, outputs: Outputs, features: Features, examples: Sequence[Text2TextExample]) -> list[str]:
        """Gives the texts of ids `sequences` [T] of each row, up to the first end token."""
        tokenizer = features.tokenizer
        assert tokenizer is not None
        return [self._text(np.asarray(ids).reshape(-1), tokenizer) for ids in outputs["sequences"]]

    @staticmethod
    def _text(ids: np.ndarray, tokenizer: Tokenizer) -> str:
        ends = np.flatnonzero(ids[1:] == tokenizer.sep_token_id)  # the first id may be the same token
        kept = ids[: ends[0] + 1] if len(ends) else ids
        return SPACE_IN_CHINESE.sub("", tokenizer.decode(kept.tolist())).strip()

    # --- answers out ---

    def measure(
        self, predictions: Sequence[str], examples: Sequence[Text2TextExample]
    ) -> dict[str, dict[str, float]]:
        gold = []
        for example in examples:
            if example.target is None:
                raise InputError(
                    f"Example {example.id} of {self.name} has no '{self.target}': nothing to score.",
                    "Score a split with targets, such as dev.",
                )
            gold.append(example.target)
        return {ALL_ROW: metrics.generated_scores(self.metrics, gold, predictions, self.tokenize)}

    @property
    def suffix(self) -> str:  # type: ignore[override]
        return ".txt" if self.tokenize else ".jsonl"

    def lines(self, predictions: Sequence[str], examples: Sequence[Text2TextExample], split: str) -> Iterator[str]:
        for example, text in zip(examples, predictions, strict=True):
            text = " ".join(text.split())
            yield text if self.tokenize else json.dumps({"id": example.id, self.target: text}, ensure_ascii=False)


def _first_answer(row: Row) -> Row:
    """Gives a row with the text of a question's first answer."""
    answers = row.values.get("answers")
    first = answers[0] if isinstance(answers, list) and answers else None
    text = first.get("text") if isinstance(first, dict) else first
    if not isinstance(text, str) or not text:
        raise row.error("no answer to ask for: 'answers' must begin with {text, answer_start}.")
    return row._replace(values={**row.values, "answer": text})


PREPARATIONS: dict[str, Callable[[Row], Row]] = {"first answer": _first_answer}

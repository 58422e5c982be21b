"""Reads, encodes and scores tags of words or characters: named entities, parts of speech, CoNLL's form."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.files import quote
from zoo.tasks import cluener
from zoo.tasks.base import Outputs, Task
from zoo.tasks.columns import is_plain
from zoo.tasks.example import Example
from zoo.tasks.features import IGNORED_LABEL, Column, Features, Ragged
from zoo.tasks.pieces import owners
from zoo.tasks.rows import Row, lines, shown
from zoo.tasks.schemes import OUTSIDE_TAG, TAG_PATTERN, learned, written
from zoo.tasks.tag_scores import tag_rows
from zoo.tasks.words import WORD_SPLITTERS

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

log = logging.getLogger("zoo")
GOES_ON = ("I-", "M-", "E-", "L-")  # tags of a word inside of an entity, in any scheme


@dataclass(frozen=True)
class TaggedExample(Example):
    """A sentence of words, or characters, with a tag each; None where nobody says them."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Tagging(Task[TaggedExample, list[str]]):
    """A task with a tag for each word.

    A word's tag is on its first piece that is not just the space before it; the other pieces do not count. A
    sentence that is too long becomes several rows that share `stride` pieces, and each word counts in the one row
    where most of its surroundings are seen, so nothing is lost. With `stride=None` it is cut, as some published
    recipes do: words after the cut are predicted O, so their entities count as missed, and `Features.lost` says how
    many.

    Attributes:
        labels: tags in the order of their ids.
        scheme: how tags are meant by the strict metric; empty for tags that mark no spans, such as parts of speech.
        file_scheme: that of the files, where it is another one, whose tags are read as IOB2.
        spelled: tag of the files -> tag, where they are spelled otherwise.
        stride: pieces that two rows of a long sentence share.
        unit: what its files call a word: "words", or "characters", where digits and letters stand alone too.
        word_column, tag_column: of files that have columns.
        prepared: name of a function in PREPARATIONS that makes these columns first.
        style: of the submission: "conll" (word, space, tag), "tags" (bare), "spans" (CLUENER's JSON).
    """

    labels: tuple[str, ...] = ()
    scheme: str = "IOB2"
    file_scheme: str = ""
    spelled: Mapping[str, str] = field(default_factory=dict)
    stride: int | None = 32
    unit: str = "words"
    word_column: str = "words"
    tag_column: str = "tags"
    prepared: str = ""
    style: str = "conll"
    format: str = "conll"
    metrics: tuple[str, ...] = ("f1-lenient", "f1-strict", "f1-macro", "precision", "recall", "accuracy")

    head: ClassVar[str] = "tagging"

    # --- reading ---

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        known = {*self.labels, *self.spelled, *(f"E{tag[1:]}" for tag in self.labels if tag[:2] == "I-")}
        if split.startswith("test") and is_plain(files[0], known, self.unit == "characters"):
            return self._plain(files[0])
        return super().open(files, split)

    def _plain(self, file: Path) -> Iterator[Row]:
        """Reads words of plain text, a line at a time, as the files that were learned from have them."""
        log.info("%s: plain text, each line cut into %s.", quote(str(file), 200), self.unit)
        for n, line in lines(file):
            spans = WORD_SPLITTERS[self.unit](line)
            words = list(line) if self.style == "spans" else [line[a:b] for a, b in spans]
            if line.strip():
                yield Row(str(file), n, {"text": line, self.word_column: words})

    def example(self, row: Row, split: str, language: str = "") -> TaggedExample | None:
        words, tags = self.words_and_tags(row)
        ident = str(row.values.get("id", row.line))
        if not words:
            return None
        if tags is None:
            if not split.startswith("test"):
                raise row.error("no tags.", f"Tags: {', '.join(self.labels[:40])}.")
            return TaggedExample(ident, tuple(words), None, language=language)
        for n, tag in enumerate(tags):
            if tag not in self.labels:
                line = row.line + n if self.format == "conll" else row.line
                raise row._replace(line=line).error(
                    f"the tag {shown(tag)} of {shown(words[n])} is none of {self.name}.",
                    f"Tags: {', '.join(self.labels[:40])}.",
                )
        return TaggedExample(ident, tuple(words), tuple(tags), language=language)

    def words_and_tags(self, row: Row) -> tuple[list[str], list[str] | None]:
        """Gives the words of a row and as many tags, None where it has none.

        Raises:
            InputError: they are no lists of texts, or not of one length.
        """
        row = PREPARATIONS[self.prepared](row) if self.prepared else row
        words, tags = row.get(self.word_column), row.values.get(self.tag_column)
        _check_texts(row, self.word_column, words)
        if tags is None:
            return words, None
        _check_texts(row, self.tag_column, tags)
        if len(words) != len(tags):
            raise row.error(f"{len(words)} words and {len(tags)} tags.")
        self._check_tags(row, words, tags)
        return words, learned(tags, self.spelled, self.file_scheme)

    def _check_tags(self, row: Row, words: Sequence[str], tags: Sequence[str]) -> None:
        """Raises InputError for a tag of which no other scheme can make one."""
        for word, tag in zip(words, tags if self.file_scheme else (), strict=False):
            if (name := self.spelled.get(tag, tag)) != OUTSIDE_TAG and not TAG_PATTERN.fullmatch(name):
                raise row.error(f"the tag {shown(tag)} of {shown(word)} is none of {self.file_scheme}.")

    # --- to the network and back ---

    def encode(self, examples: list[TaggedExample], tokenizer: Tokenizer, max_length: int) -> Features:
        rows = tokenizer(
            [e.words for e in examples],
            max_length=max_length,
            padding=False,
            stride=self.stride,
            is_split_into_words=True,
            return_offsets=True,
            return_tensors="np",
        )
        ids = Ragged.of(rows["input_ids"])
        columns: dict[str, Column] = {"input_ids": ids}
        if "token_type_ids" in rows:
            columns["token_type_ids"] = Ragged.of(rows["token_type_ids"])
        sample = rows.get("overflow_to_sample", np.arange(len(examples)))
        flat = {name: np.concatenate(rows[name]) for name in ("word_ids", "offsets")}
        words = owners(sample, ids.starts, flat["word_ids"], flat["offsets"])
        features = Features(columns, sample, {"words": Ragged(words, ids.starts)}, tokenizer.pad_token_id or 0)
        if all(e.tags is not None for e in examples):
            begins = np.concatenate(([0], np.cumsum([len(e.words) for e in examples])))
            index = {tag: n for n, tag in enumerate(self.labels)}
            gold = np.array([index[tag] for e in examples for tag in e.tags or ()], np.int32)
            at = np.repeat(begins[sample], ids.lengths) + words
            columns["labels"] = Ragged(np.where(words >= 0, gold[np.maximum(at, 0)], IGNORED_LABEL), ids.starts)
            features.lost = self._lost(features, examples)
        return features

    def _lost(self, features: Features, examples: Sequence[TaggedExample]) -> Counter[str]:
        """Counts words and entities that no row holds: what a perfect network would miss."""
        columns = features.columns["labels"], features.notes["words"]
        labels, words = (c for c in columns if isinstance(c, Ragged))
        best = self._spread(lambda n: labels[n], features.sample, words, examples)
        lost: Counter[str] = Counter()
        for example, tags in zip(examples, best, strict=True):
            if tags != list(example.tags or ()):
                lost["words"] += sum(a != b for a, b in zip(tags, example.tags or (), strict=True))
                if self.scheme:
                    missed = set(metrics.spans(example.tags or ())) - set(metrics.spans(tags))
                    lost["entities"] += len(missed)
        return lost

    def _spread(
        self, ids: Callable[[int], np.ndarray], sample: np.ndarray, words: Ragged, examples: Sequence[TaggedExample]
    ) -> list[list[str]]:
        """Gives tags of words from label ids of rows. Words without a piece continue the entity after them."""
        found = [[""] * len(e.words) for e in examples]
        for n in range(len(words)):
            tags, held = found[sample[n]], words[n]
            at = np.flatnonzero(held >= 0)
            for word, label in zip(held[at].tolist(), ids(n)[at].tolist(), strict=True):
                tags[word] = self.labels[label]
        for tags in found:
            following = OUTSIDE_TAG
            for n in range(len(tags) - 1, -1, -1):
                if not tags[n]:
                    goes_on = following[:2] in GOES_ON
                    tags[n] = f"{'M' if self.scheme == 'BMES' else 'I'}{following[1:]}" if goes_on else OUTSIDE_TAG
                following = tags[n]
        return found

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[TaggedExample]
    ) -> list[list[str]]:
        """Gives the most likely tag of each word, from `logits` [T, C] of each row."""
        words, logits = features.notes["words"], outputs["logits"]
        assert isinstance(words, Ragged)
        return self._spread(lambda n: np.asarray(logits[n]).argmax(axis=-1), features.sample, words, examples)

    # --- answers out ---

    def measure(
        self, predictions: Sequence[Sequence[str]], examples: Sequence[TaggedExample]
    ) -> dict[str, dict[str, float]]:
        for example in examples:
            if example.tags is None:
                raise InputError(
                    f"Sentence {example.id} of {self.name} has no tags, so there is nothing to score.",
                    "Score a split with tags, such as dev.",
                )
        gold = [e.tags or () for e in examples]
        texts = ["".join(e.words) for e in examples] if "f1-texts" in self.metrics else []
        return tag_rows(gold, predictions, self.metrics, self.scheme, self.labels, texts)

    @property
    def suffix(self) -> str:  # type: ignore[override]
        return ".jsonl" if self.style == "spans" else ".txt"

    def lines(
        self, predictions: Sequence[Sequence[str]], examples: Sequence[TaggedExample], split: str
    ) -> Iterator[str]:
        for example, tags in zip(examples, predictions, strict=True):
            if self.style == "spans":
                yield json.dumps(cluener.answer(example.id, example.words, tags), ensure_ascii=False)
                continue
            for word, tag in zip(example.words, written(tags, self.spelled, self.file_scheme), strict=True):
                yield f"{word} {tag}" if self.style == "conll" else tag
            yield ""


def _check_texts(row: Row, name: str, values: object) -> None:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        raise row.error(f"{quote(name)} must be a list of texts and is {shown(values)}.")


def _wikiann(row: Row) -> Row:
    """Takes the language off words that carry it, "en:Paris", as WikiANN's own files have them."""
    words = row.get("words")
    if not all(re.match(r"[a-z][a-z-]+:", word) for word in words):
        return row
    return row._replace(values={**row.values, "words": [word.partition(":")[2] or ":" for word in words]})


PREPARATIONS: dict[str, Callable[[Row], Row]] = {"wikiann": _wikiann, "cluener": cluener.with_tags}


def bio(*kinds: str) -> tuple[str, ...]:
    """Gives O and the two tags of each kind."""
    return (OUTSIDE_TAG, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))

"""Tagging of words or characters: People's Daily, MSRA, CLUENER, PAN-X, and any file of CoNLL's form."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.tasks.base import ALL, Example, Outputs, Task
from zoo.tasks.features import IGNORED, Features, Ragged
from zoo.tasks.rows import Row, shown

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

OUTSIDE = "O"
PREFIXES = {"BI": "IOB2", "BIES": "IOBES", "BILU": "BILOU", "BMES": "BMES"}
TAG = re.compile(r"([A-Z])-(.+)")
GOES_ON = ("I-", "M-", "E-", "L-")  # tags of a word inside of an entity, in any scheme


@dataclass(frozen=True)
class TaggedExample(Example):
    """Words, or characters, with a tag each; None where nobody says them."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Tagging(Task):
    """A tag for each word.

    A word's tag is on its first piece that is not just the space before it; the other pieces do not count. A
    sentence that is too long becomes several rows that share `stride` pieces, and each word counts in the one row
    where most of its surroundings are seen, so nothing is lost. With `stride=None` it is cut, as some published
    recipes do: words after the cut are predicted O, so their entities count as missed, and `Features.lost` says how
    many.

    Attributes:
        labels: tags in the order of their ids.
        scheme: how tags are meant by the strict metric; empty for tags that mark no spans, such as parts of speech.
        stride: pieces that two rows of a long sentence share.
        word_column, tag_column: of files that have columns.
        prepared: name of a function in PREPARED that makes these columns first.
        style: of the submission: "conll" (word, space, tag), "tags" (bare), "spans" (CLUENER's JSON).
    """

    labels: tuple[str, ...] = ()
    scheme: str = "IOB2"
    stride: int | None = 32
    word_column: str = "words"
    tag_column: str = "tags"
    prepared: str = ""
    style: str = "conll"
    format: str = "conll"
    metrics: tuple[str, ...] = ("f1-lenient", "f1-strict", "f1-macro", "precision", "recall", "accuracy")

    head: ClassVar[str] = "tagging"

    # --- reading ---

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
        """Words of a row and as many tags, None where it has none.

        Raises:
            InputError: they are no lists of texts, or not of one length.
        """
        row = PREPARED[self.prepared](row) if self.prepared else row
        words, tags = row.get(self.word_column), row.values.get(self.tag_column)
        _check_texts(row, self.word_column, words)
        if tags is None:
            return words, None
        _check_texts(row, self.tag_column, tags)
        if len(words) != len(tags):
            raise row.error(f"{len(words)} words and {len(tags)} tags.")
        return words, tags

    # --- to the network and back ---

    def encode(self, examples: list[TaggedExample], tokenizer: Tokenizer, max_length: int) -> Features:
        rows = tokenizer(
            [e.words for e in examples],
            max_length=max_length,
            padding=False,
            stride=self.stride,
            is_split_into_words=True,
            return_offsets=True,
        )
        columns: dict[str, Any] = {
            name: Ragged.of(rows[name]) for name in ("input_ids", "token_type_ids") if name in rows
        }
        ids = columns["input_ids"]
        sample = rows.get("overflow_to_sample", np.arange(len(examples)))
        flat = {name: np.concatenate(rows[name]) for name in ("word_ids", "offsets")}
        words = owners(sample, ids.starts, flat["word_ids"], flat["offsets"])
        features = Features(columns, sample, {"words": Ragged(words, ids.starts)}, tokenizer.pad_token_id or 0)
        if all(e.tags is not None for e in examples):
            begins = np.concatenate(([0], np.cumsum([len(e.words) for e in examples])))
            index = {tag: n for n, tag in enumerate(self.labels)}
            gold = np.array([index[tag] for e in examples for tag in e.tags or ()], np.int32)
            at = np.repeat(begins[sample], ids.lengths) + words
            columns["labels"] = Ragged(np.where(words >= 0, gold[np.maximum(at, 0)], IGNORED), ids.starts)
            features.lost = self._lost(features, examples)
        return features

    def _lost(self, features: Features, examples: Sequence[TaggedExample]) -> Counter[str]:
        """Words and entities that no row holds: what a perfect network would miss."""
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
        """Tags of words from label ids of rows. Words without a piece continue the entity after them, if any."""
        found = [[""] * len(e.words) for e in examples]
        for n in range(len(words)):
            tags, held = found[sample[n]], words[n]
            at = np.flatnonzero(held >= 0)
            for word, label in zip(held[at].tolist(), ids(n)[at].tolist(), strict=True):
                tags[word] = self.labels[label]
        for tags in found:
            following = OUTSIDE
            for n in range(len(tags) - 1, -1, -1):
                if not tags[n]:
                    goes_on = following[:2] in GOES_ON
                    tags[n] = f"{'M' if self.scheme == 'BMES' else 'I'}{following[1:]}" if goes_on else OUTSIDE
                following = tags[n]
        return found

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[TaggedExample]
    ) -> list[list[str]]:
        """The most likely tag of each word, from `logits` [T, C] of each row."""
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
        if not self.scheme:
            return {ALL: {"accuracy": metrics.tags_accuracy(gold, predictions)}}
        lenient = metrics.tags_score(gold, predictions)
        kinds = self._kinds(gold, predictions)
        rows = {
            "f1-lenient": lenient["f1"],
            "f1-strict": metrics.tags_score(gold, predictions, self.scheme)["f1"],
            "f1-macro": float(np.mean([row["f1"] for row in kinds.values()])) if kinds else 0.0,
            "precision": lenient["precision"],
            "recall": lenient["recall"],
            "accuracy": metrics.tags_accuracy(gold, predictions),
        }
        return {ALL: {name: rows[name] for name in self.metrics}, **kinds}

    def _kinds(
        self, gold: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
    ) -> dict[str, dict[str, float]]:
        """A row for each kind of entity of the gold, lenient reading."""
        sides = [
            [(n, *span) for n, tags in enumerate(side) for span in metrics.spans(tags)]
            for side in (gold, predictions)
        ]
        kinds = sorted({span[-1] for span in sides[0]})
        return {
            kind: metrics.entities_score(*([span for span in side if span[-1] == kind] for side in sides))
            for kind in kinds
        }

    @property
    def suffix(self) -> str:  # type: ignore[override]
        return ".jsonl" if self.style == "spans" else ".txt"

    def lines(
        self, predictions: Sequence[Sequence[str]], examples: Sequence[TaggedExample], split: str
    ) -> Iterator[str]:
        for example, tags in zip(examples, predictions, strict=True):
            if self.style == "spans":
                yield json.dumps(_cluener_answer(example, tags), ensure_ascii=False)
                continue
            for word, tag in zip(example.words, tags, strict=True):
                yield f"{word} {tag}" if self.style == "conll" else tag
            yield ""


def scheme_of(tags: Iterable[str]) -> str:
    """How tags are meant, from their first letters; empty for tags that mark no spans."""
    found = [TAG.fullmatch(tag) for tag in tags if tag != OUTSIDE]
    if not found or not all(found):
        return ""
    letters = {match[1] for match in found if match}
    return next((scheme for prefixes, scheme in PREFIXES.items() if letters <= set(prefixes)), "")


def owners(sample: np.ndarray, starts: np.ndarray, words: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which piece speaks for which word.

    Args:
        sample: [N], the sentence of each row.
        starts: [N + 1], where each row begins.
        words: [total], the word of each piece, -1 for special tokens.
        offsets: [total, 2], characters of its word that a piece covers.

    Returns:
        [total] int32: the word's number at one piece per word, -1 elsewhere. The piece is the word's first one that
        covers a character, in the row where it is furthest from both ends.
    """
    lengths = np.diff(starts)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(words)) - starts[rows]
    margin = np.minimum(place, lengths[rows] - 1 - place)
    empty = offsets[:, 0] == offsets[:, 1]
    pieces = np.flatnonzero(words >= 0)
    order = np.lexsort((pieces, empty[pieces], words[pieces], rows[pieces]))
    firsts = _first_of(pieces[order], words, rows)  # of each word in each row
    sentences = sample[rows]
    order = np.lexsort((-margin[firsts], offsets[firsts, 0], empty[firsts], words[firsts], sentences[firsts]))
    chosen = _first_of(firsts[order], words, sentences)
    out = np.full(len(words), -1, np.int32)
    out[chosen] = words[chosen]
    return out


def _first_of(sorted_pieces: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Of sorted pieces the first with each combination of keys."""
    change = np.ones(len(sorted_pieces), bool)
    if len(sorted_pieces) > 1:
        change[1:] = np.any([np.diff(key[sorted_pieces]) != 0 for key in keys], axis=0)
    return sorted_pieces[change]


def _check_texts(row: Row, name: str, values: Any) -> None:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        raise row.error(f"'{name}' must be a list of texts and is {shown(values)}.")


def _wikiann(row: Row) -> Row:
    """Takes the language off words that carry it, "en:Paris", as WikiANN's own files have them."""
    words = row.get("words")
    if not all(re.match(r"[a-z][a-z-]+:", word) for word in words):
        return row
    return row._replace(values={**row.values, "words": [word.partition(":")[2] or ":" for word in words]})


def _iob2(row: Row) -> Row:
    """A B on the first word of every entity; CoNLL's own files have it only between two of one kind (IOB1)."""
    tags, before, out = row.values.get("tags"), OUTSIDE, []
    for tag in tags or ():
        begins = tag[:2] == "I-" and before[1:] != tag[1:]
        out.append(f"B{tag[1:]}" if begins else tag)
        before = tag
    return row._replace(values={**row.values, "tags": out}) if tags else row


def _cluener(row: Row) -> Row:
    """Characters as words, and tags from spans [first, last]."""
    text = row.text("text")
    if "label" not in row.values:
        return row._replace(values={**row.values, "words": list(text)})
    tags = [OUTSIDE] * len(text)
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


def _items(row: Row, value: Any) -> Any:
    if not isinstance(value, dict):
        raise row.error(f"'label' must hold kind, text and spans and has {shown(value)}.")
    return value.items()


def _is_span(place: Any, text: str, words: str) -> bool:
    whole = isinstance(place, list) and len(place) == 2 and all(type(n) is int for n in place)
    return whole and 0 <= place[0] <= place[1] < len(text) and text[place[0] : place[1] + 1] == words


def _cluener_answer(example: TaggedExample, tags: Sequence[str]) -> dict[str, Any]:
    text, label = "".join(example.words), dict[str, dict[str, list[list[int]]]]()
    for first, last, kind in metrics.spans(tags):
        label.setdefault(kind, {}).setdefault(text[first : last + 1], []).append([first, last])
    number: Any = int(example.id) if example.id.isdecimal() else example.id
    return {"id": number, "text": text, "label": label}


PREPARED: dict[str, Callable[[Row], Row]] = {"iob2": _iob2, "wikiann": _wikiann, "cluener": _cluener}


def bio(*kinds: str) -> tuple[str, ...]:
    """O and the two tags of each kind."""
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))

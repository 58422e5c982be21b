"""Reads and scores BUCC: translations are mined among sentences of two languages. Nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo import metrics
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, token_columns
from zoo.tasks.formats import READERS
from zoo.tasks.rows import Row
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

SAMPLE, TRAINING = (
    "sample",
    "training",
)  # parts of the published data: the threshold is of the first, scores of the other
NOTHING = ("", 0.0)


@dataclass(frozen=True)
class BuccSentence(Example):
    """A sentence among which translations are looked for.

    Attributes:
        part: SAMPLE or TRAINING.
        english: which side it is of.
        copy: the same sentence stands before it, under another id, and is the one that is mined.
        repeated: it stands there more than once; a mined pair with it is left out, as in XTREME.
        gold: ids of its English translations.
    """

    text: str
    part: str
    english: bool
    copy: bool = False
    repeated: bool = False
    gold: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BuccMining(Task[BuccSentence, tuple[str, float]]):
    """A task that mines pairs by ratio margin; an answer is the id of the other sentence and the margin."""

    metrics: tuple[str, ...] = ("f1", "precision", "recall")
    max_length: int = 512

    head: ClassVar[str] = "embedding"
    trains: ClassVar[bool] = False
    suffix: ClassVar[str] = ".tsv"

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        for part, (source, target, gold) in {SAMPLE: files[:3], TRAINING: files[3:]}.items():
            translations: dict[str, list[str]] = {}
            for row in READERS["tsv"](gold, ("source", "target")):
                translations.setdefault(row.text("source"), []).append(row.text("target"))
            for side, english in ((source, False), (target, True)):
                for row in sentences(side):
                    own = () if english else tuple(translations.get(str(row.get("id")), ()))
                    more = {"part": part, "english": english, "gold": own}
                    yield row._replace(values={**row.values, **more})

    def example(self, row: Row, split: str, language: str = "") -> BuccSentence:
        known = {name: row.get(name) for name in ("part", "english", "copy", "repeated", "gold")}
        return BuccSentence(str(row.get("id")), row.text("sentence"), language=language, **known)

    def encode(self, examples: list[BuccSentence], tokenizer: Tokenizer, max_length: int) -> Features:
        rows = tokenizer([e.text for e in examples], max_length=max_length, padding=False)
        columns = token_columns(rows)
        return Features(columns, np.arange(len(examples)), {}, tokenizer.pad_token_id or 0)

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[BuccSentence]
    ) -> list[tuple[str, float]]:
        """Gives for each sentence that is mined into a pair the other's id and the margin, ("", 0.0) for others."""
        found = [NOTHING] * len(examples)
        vectors = outputs["embeddings"]
        for language, part in dict.fromkeys((e.language, e.part) for e in examples):
            at = [n for n, e in enumerate(examples) if (e.language, e.part) == (language, part) and not e.copy]
            sides = [[n for n in at if examples[n].english == english] for english in (False, True)]
            a, b = (np.stack([np.asarray(vectors[n]) for n in side]) for side in sides)
            for source, target, margin in metrics.mined_pairs(a, b):
                first, second = sides[0][source], sides[1][target]
                if not (examples[first].repeated or examples[second].repeated):
                    found[first], found[second] = (examples[second].id, margin), (examples[first].id, margin)
        return found

    def measure(
        self, predictions: Sequence[tuple[str, float]], examples: Sequence[BuccSentence]
    ) -> dict[str, dict[str, float]]:
        mined: dict[str, list[tuple[tuple[str, str], float]]] = {SAMPLE: [], TRAINING: []}
        gold: dict[str, set[tuple[str, str]]] = {SAMPLE: set(), TRAINING: set()}
        for (other, margin), example in zip(predictions, examples, strict=True):
            gold[example.part].update((example.id, translation) for translation in example.gold)
            if other and not example.english:
                mined[example.part].append(((example.id, other), margin))
        best_first = {part: sorted(pairs, key=lambda pair: -pair[1]) for part, pairs in mined.items()}
        threshold = metrics.best_margin(best_first[SAMPLE], gold[SAMPLE])
        return {ALL_ROW: metrics.mining_scores(best_first[TRAINING], gold[TRAINING], threshold)}

    def lines(
        self, predictions: Sequence[tuple[str, float]], examples: Sequence[BuccSentence], split: str
    ) -> Iterator[str]:
        yield "language\tpart\tid\tEnglish id\tmargin"
        for (other, margin), e in zip(predictions, examples, strict=True):
            if other and not e.english:
                yield f"{e.language}\t{e.part}\t{e.id}\t{other}\t{margin}"


def sentences(file: Path) -> list[Row]:
    """Reads a side of BUCC, id and sentence in a line, and says which of its sentences stand there twice.

    Returns:
        Rows of "id", "sentence", "copy" and "repeated"; see `BuccSentence`.

    Raises:
        InputError: the file is missing or malformed.
    """
    rows = list(READERS["tsv"](file, ("id", "sentence")))
    first: dict[str, str] = {}
    repeated = set()
    for row in rows:
        name, text = str(row.get("id")), row.text("sentence")
        if first.setdefault(text, name) != name:
            repeated.add(text)
    return [
        row._replace(
            values={
                **row.values,
                "copy": first[row.values["sentence"]] != str(row.values["id"]),
                "repeated": row.values["sentence"] in repeated,
            }
        )
        for row in rows
    ]


FILES = tuple(
    f"{{language}}-en.{part}.{side}" for part in (SAMPLE, TRAINING) for side in ("{language}", "en", "gold")
)
BUCC = BuccMining(
    name="bucc", title="BUCC 2018", folder="bucc2018", files={"test": FILES}, languages=("de", "fr", "ru", "zh")
)
TASKS = (BUCC,)

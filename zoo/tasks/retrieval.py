"""Reads and scores Tatoeba: for each sentence the nearest one of the other language. Nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo import metrics
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Features, token_columns
from zoo.tasks.formats import parallel
from zoo.tasks.rows import Row
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer


@dataclass(frozen=True)
class SentencePair(Example):
    """A sentence and its English translation."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Retrieval(Task[SentencePair, tuple[int, int]]):
    """A task that finds translations both ways by cosine; the rows of a run are its sentences, then translations.

    Attributes:
        codes: language -> its code in the names of files.
    """

    codes: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("en->x", "x->en")
    format: str = "parallel"
    max_length: int = 512

    head: ClassVar[str] = "embedding"
    trains: ClassVar[bool] = False

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        return parallel(*files)

    def code(self, language: str) -> str:
        return self.codes.get(language, language)

    def example(self, row: Row, split: str, language: str = "") -> SentencePair:
        return SentencePair(str(row.line), row.text("source"), row.text("target"), language=language)

    def encode(self, examples: list[SentencePair], tokenizer: Tokenizer, max_length: int) -> Features:
        return two_sided([e.source for e in examples], [e.target for e in examples], tokenizer, max_length)

    def predictions(
        self, outputs: Outputs, features: Features, examples: Sequence[SentencePair]
    ) -> list[tuple[int, int]]:
        """Gives for each pair the sentence nearest to the English one, and the English one nearest to it.

        Both are numbers within the pair's language, from `embeddings` [D] of each row.
        """
        sides = sides_of(outputs, features)
        found = np.zeros((len(examples), 2), np.int64)
        languages = np.array([e.language for e in examples])
        for language in dict.fromkeys(languages.tolist()):
            at = np.flatnonzero(languages == language)
            found[at, 0] = metrics.nearest(sides[1][at], sides[0][at])
            found[at, 1] = metrics.nearest(sides[0][at], sides[1][at])
        return [(int(a), int(b)) for a, b in found]

    def measure(
        self, predictions: Sequence[tuple[int, int]], examples: Sequence[SentencePair]
    ) -> dict[str, dict[str, float]]:
        right = np.array(predictions) == np.arange(len(examples))[:, None]
        return {ALL_ROW: dict(zip(self.metrics, (100 * right.mean(axis=0)).tolist(), strict=True))}

    suffix: ClassVar[str] = ".tsv"

    def lines(
        self, predictions: Sequence[tuple[int, int]], examples: Sequence[SentencePair], split: str
    ) -> Iterator[str]:
        yield "language\tline\tnearest to English\tnearest English"
        for example, (source, english) in zip(examples, predictions, strict=True):
            yield f"{example.language}\t{example.id}\t{source}\t{english}"


def two_sided(first: list[str], second: list[str], tokenizer: Tokenizer, max_length: int) -> Features:
    """Gives the token ids of [N] texts and of the [N] that they are compared with, all rows of one run."""
    rows = tokenizer([*first, *second], max_length=max_length, padding=False)
    columns = token_columns(rows)
    sample, side = np.tile(np.arange(len(first)), 2), np.repeat([0, 1], len(first))
    return Features(columns, sample, {"side": side}, tokenizer.pad_token_id or 0)


def sides_of(outputs: Outputs, features: Features) -> list[np.ndarray]:
    """Gives the vectors [N, D] of either side of what `two_sided` made."""
    vectors, side = np.stack([np.asarray(v) for v in outputs["embeddings"]]), np.asarray(features.notes["side"])
    sides = [np.zeros((len(vectors) // 2, vectors.shape[1]), vectors.dtype) for _ in range(2)]
    for which in (0, 1):
        sides[which][features.sample[side == which]] = vectors[side == which]
    return sides


TATOEBA_CODES = (
    "ar:ara he:heb vi:vie id:ind jv:jav tl:tgl eu:eus ml:mal ta:tam te:tel af:afr nl:nld de:deu el:ell bn:ben "
    "hi:hin mr:mar ur:urd fa:pes fr:fra it:ita pt:por es:spa bg:bul ru:rus ja:jpn ka:kat ko:kor th:tha sw:swh "
    "zh:cmn kk:kaz tr:tur et:est fi:fin hu:hun"
)
INFOXLM_LANGUAGES = "ar bg de el es fr hi ru sw th tr ur vi zh"  # the languages of its table 2
CODE_BY_LANGUAGE = dict(pair.split(":") for pair in TATOEBA_CODES.split())
TATOEBA = Retrieval(
    name="tatoeba",
    title="Tatoeba",
    folder="tatoeba",
    files={"test": ("tatoeba.{language}-eng.{language}", "tatoeba.{language}-eng.eng")},
    languages=tuple(CODE_BY_LANGUAGE),
    codes=CODE_BY_LANGUAGE,
)
TASKS = (TATOEBA, replace(TATOEBA, name="tatoeba-14", languages=tuple(INFOXLM_LANGUAGES.split())))

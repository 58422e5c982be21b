"""Defines a task: it reads files, makes token ids, turns outputs into answers, scores them, writes submissions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.files import quote, user_path, write_file
from zoo.tasks.example import E, P
from zoo.tasks.features import Features, join
from zoo.tasks.formats import READERS
from zoo.tasks.hub import Hub, hub_rows
from zoo.tasks.places import find, find_all, language_of
from zoo.tasks.rows import Row
from zoo.tasks.scores import ALL_ROW, Scores, by_language

if TYPE_CHECKING:
    from typing_extensions import Self

    from zoo.tokenization import Tokenizer

CHUNK_EXAMPLES = 1000  # examples that are tokenized at once
HELD_OUT = 20  # of the training rows of a data set without a development set, one in so many

Outputs = Mapping[str, Sequence[np.ndarray]]
Source = str | Path | Sequence[Path]


@dataclass(frozen=True, kw_only=True)
class Task(ABC, Generic[E, P]):
    """A data set with its metric. Families differ in their methods, tasks of one family only in these values.

    Attributes:
        name: what a user types.
        title: the data set's own name.
        metrics: what `score` gives, the headline first.
        folder: the data set's folder below its benchmark's folder.
        beside: folders of other data sets, there or next to it, that hold some of its files.
        files: split -> file, or the files read together (source and target of parallel text), as published;
            `{language}` stands for a code, and "*" for any characters of a name: all files that fit are read, in
            their names' order.
        format: "tsv", "csv", "jsonl", "conll", "conllu", "squad", "race".
        columns: their names, for files without a header.
        headless: splits without a header, where `columns` says it for some only; empty means all.
        languages: codes, for data sets that have several.
        train_languages: those that are trained on; several mean translate-train.
        hub: where it is published on the Hugging Face Hub.
        submission: split -> name of the file that the benchmark's server takes.
        max_length: tokens of a row when nobody says another number.
        reading: arguments of the format's reader; QQP's published file has rows without all columns, skip_short.
    """

    name: str
    title: str = ""
    metrics: tuple[str, ...]
    folder: str = ""
    beside: tuple[str, ...] = ()
    files: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    format: str = "tsv"
    columns: tuple[str, ...] = ()
    headless: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    train_languages: tuple[str, ...] = ()
    hub: Hub | None = None
    submission: Mapping[str, str] = field(default_factory=dict)
    max_length: int = 128
    reading: Mapping[str, Any] = field(default_factory=dict)

    head: ClassVar[str]
    trains: ClassVar[bool] = True  # else its data are only for scoring

    # --- reading ---

    def read(self, source: Source, split: str = "train", languages: Sequence[str] = ()) -> Iterator[E]:
        """Gives the examples of a split, one at a time.

        Args:
            source: the folder of the data set or of its benchmark, a file of the published format, the two files
                of parallel text, or "hub".
            split: "train", "dev" or "test", or another that `files` names. Train and dev must have gold answers.
            languages: only these; by default those of the file, or `train_languages` for train and all for others.

        Raises:
            InputError: a file is missing or malformed; names file and line and says what was expected.
            UsageError: there is no such split or language.
        """
        one_file = not isinstance(source, (str, Path)) or Path(source).is_file()
        trained = self.train_languages if split == "train" and not one_file else ()
        chosen = tuple(languages) or trained or self.languages
        for language in chosen:
            if language not in self.languages:
                raise UsageError(
                    f"{self.name} has no language '{language}'.", f"One of {', '.join(self.languages) or 'none'}."
                )
        count = 0
        for language, rows in self._rows(source, split, chosen):
            for row in rows:
                example = self.example(row, split, language)
                if example is None or (chosen and example.language and example.language not in chosen):
                    continue
                count += 1
                yield example
        if count == 0:
            raise InputError(
                f"{self._from(source, split, chosen)} has no example of {self.name}, split '{split}'.",
                "Is there more than a header?",
            )

    def _rows(self, source: Source, split: str, languages: Sequence[str]) -> Iterator[tuple[str, Iterator[Row]]]:
        """Gives rows and their language: empty when the rows say it themselves."""
        if source == "hub":
            if self.hub is None:
                raise UsageError(f"{self.name} is not on the Hub.", "Give a folder: --data DIR.")
            for language in languages if self.hub.by_language(split) else ("",):
                yield language, hub_rows(self.hub, split, language)
            return
        if not isinstance(source, (str, Path)):
            yield "", self.open(tuple(map(Path, source)), split)
            return
        path = user_path(source)
        if not path.is_dir():
            yield language_of(path, self.languages), self.open((path,), split)
            return
        for language, files in self.paths(path, split, languages):
            yield language, self.open(files, split)

    def paths(self, folder: Path, split: str, languages: Sequence[str]) -> Iterator[tuple[str, tuple[Path, ...]]]:
        """Gives the files of a split in a folder, with the language that their names say, or "".

        Raises:
            UsageError: there is no such split.
            InputError: a file is missing.
        """
        if split not in self.files:
            raise UsageError(f"{self.name} has no split '{split}'.", f"One of {', '.join(self.files)}.")
        names = self.files[split]
        patterns = (names,) if isinstance(names, str) else names
        for language in languages if "{language}" in "".join(patterns) else ("",):
            spelled = [p.replace("{language}", self.code(language)) for p in patterns]
            if "*" in spelled[0]:
                yield from ((language, (file,)) for file in find_all(folder, self.folder, spelled[0], self.name))
            else:
                places = [folder, folder / self.folder]
                places += [place / name for name in self.beside for place in (folder, folder.parent)]
                yield language, tuple(find(places, name, self.name) for name in spelled)

    def open(self, files: tuple[Path, ...], split: str) -> Iterator[Row]:
        """Reads the rows of local files."""
        columns = self.columns if not self.headless or split in self.headless else ()
        try:
            return READERS[self.format](files[0], columns, **self.reading)
        except (KeyError, TypeError):  # a description that came with somebody's model
            made = f"{quote(self.format)} {quote(dict(self.reading))}"
            raise UsageError(f"No file can be read as the task {self.name} says: {made}.") from None

    def code(self, language: str) -> str:
        """Gives the way a language is spelled in the names of files."""
        return language

    def _from(self, source: Source, split: str, languages: Sequence[str]) -> str:
        """Gives what was read, for a sentence."""
        if isinstance(source, (str, Path)):
            folder = user_path(source)
            found = self.paths(folder, split, languages) if folder.is_dir() else [("", (folder,))]
            source = [file for _, files in found for file in files]
        return " and ".join(f"'{s}'" for s in source)

    @abstractmethod
    def example(self, row: Row, split: str, language: str = "") -> E | None:
        """Gives the example of a row; None for a row that does not count."""

    def group(self, example: E) -> str:
        """Gives what examples that are held out together have in common, such as a query; "" for single ones."""
        return ""

    # --- to the network and back ---

    def features(
        self, examples: Iterable[E], tokenizer: Tokenizer, max_length: int | None = None, **options: Any
    ) -> Features:
        """Gives the token ids of examples.

        Args:
            examples: read a run at a time, so that a generator does.
            tokenizer: the model's.
            max_length: tokens of a row; the task's own when None.
            options: of the family, see its `encode`.

        Raises:
            InputError: there is no example.
        """
        wanted, iterator = max_length or self.max_length, iter(examples)
        if tokenizer.max_length is not None:
            wanted = min(wanted, tokenizer.max_length)
        parts = []
        while chunk := list(islice(iterator, CHUNK_EXAMPLES)):
            parts.append(self.encode(chunk, tokenizer, wanted, **options))
        if not parts:
            raise InputError(f"There is no example of {self.name} to make features of.")
        return join(parts)

    @abstractmethod
    def encode(self, examples: list[E], tokenizer: Tokenizer, max_length: int) -> Features:
        """Gives the features of a run of examples."""

    @abstractmethod
    def predictions(self, outputs: Outputs, features: Features, examples: Sequence[E]) -> list[P]:
        """Gives one answer per example.

        Args:
            outputs: what the head gives, name -> one array per row of `features`, without the batch axis; padding
                at the end is cut off.
        """

    def tuned(self, outputs: Outputs, features: Features, examples: Sequence[E]) -> Self:
        """Gives the task with what a development set can choose (a threshold) chosen; else itself."""
        return self

    # --- answers out ---

    def score(self, predictions: Sequence[P], examples: Sequence[E]) -> Scores:
        """Computes the metrics of predictions.

        Raises:
            InputError: not one prediction per example, or an example without a gold answer.
        """
        if len(predictions) != len(examples) or not examples:
            raise InputError(f"{len(predictions)} predictions for {len(examples)} examples.")
        if any(e.language for e in examples):
            source = self.train_languages[0] if len(self.train_languages) == 1 else ""
            return by_language(self.measure, predictions, examples, self.metrics[0], source)
        return Scores(self.measure(predictions, examples), ALL_ROW, self.metrics[0])

    @abstractmethod
    def measure(self, predictions: Sequence[P], examples: Sequence[E]) -> dict[str, dict[str, float]]:
        """Computes the rows of `Scores` for one language."""

    def write_predictions(
        self,
        folder: Path,
        predictions: Sequence[P],
        examples: Sequence[E],
        split: str = "test",
        replace: bool = False,
    ) -> Path:
        """Writes the file that the benchmark's server takes, whole or not at all; gives its path.

        Raises:
            UsageError: there is such a file already, without `replace`.
        """
        name = self.submission.get(split) or f"{self.name}-{split}{self.suffix}"
        return published(Path(folder) / name, self.lines(predictions, examples, split), replace)

    suffix: ClassVar[str] = ".jsonl"

    @abstractmethod
    def lines(self, predictions: Sequence[P], examples: Sequence[E], split: str) -> Iterator[str]:
        """Gives the lines of a submission."""

    # --- beside a checkpoint ---

    def to_dict(self) -> dict[str, Any]:
        """Gives what `zoo.tasks.from_dict` makes this task of again; JSON."""
        return {"family": type(self).__name__, **asdict(self)}


def published(file: Path, lines: Iterable[str], replace: bool = False) -> Path:
    """Writes lines to a file, whole or not at all; see `zoo.files.write_file`."""
    with write_file(file, replace=replace) as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return file

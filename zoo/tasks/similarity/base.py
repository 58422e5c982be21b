"""Defines a task without training: texts are embedded, and what is compared are their vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.tasks.similarity.sets import SimilarityData

Reader = Callable[[str | Path, str, str], SimilarityData]  # folder or file, split, language


@dataclass(frozen=True, kw_only=True)
class SimilarityTask:
    """A data set with its metrics, for a model with the embedding head that learned nothing of it.

    Attributes:
        name: what a user types.
        title: the data set's own name.
        metric: the headline.
        shown: metrics of the table that is printed; `scores` gives more.
        read_one: reads one language of a split.
        split: where nobody says another.
        languages: codes, or pairs of them; () for data of one language.
        found: gives the languages of a folder, where the data set has no list.
        published_as: split -> its name in mteb's results, where it is not the same.
        note: how the protocol differs from what its name says elsewhere.
    """

    name: str
    title: str
    metric: str
    shown: tuple[str, ...]
    read_one: Reader
    split: str = "test"
    languages: tuple[str, ...] = ()
    found: Callable[[Path], tuple[str, ...]] | None = None
    published_as: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def read(
        self, source: str | Path, split: str = "", languages: Sequence[str] = ()
    ) -> Iterator[tuple[str, SimilarityData]]:
        """Gives language -> its set, read one at a time.

        Args:
            source: folder or file as published, or "hub".
            split: the task's own when empty.
            languages: only these; all by default.

        Raises:
            UsageError: there is no such language or split.
            InputError: a file is missing or malformed.
        """
        for language in self.chosen(source, languages):
            yield language, self.read_one(source, split or self.split, language)

    def chosen(self, source: str | Path, languages: Sequence[str] = ()) -> tuple[str, ...]:
        """Gives the languages that `read` reads; ("",) where there is one.

        Raises:
            UsageError: there is no such language.
        """
        known = self.languages or (self.found(Path(source)) if self.found else ())
        for language in languages:
            if language not in known:
                raise UsageError(
                    f"{self.name} has no language '{language}'.", f"One of {', '.join(known) or 'none'}, or all."
                )
        return tuple(languages) or known or ("",)


def of_task(task: Any, gather: Callable[[list[Any]], SimilarityData]) -> Reader:
    """Gives the reader of a data set that `zoo.tasks.find` knows.

    Args:
        task: reads the files.
        gather: makes the set of one language's examples.
    """

    def read(source: str | Path, split: str, language: str) -> SimilarityData:
        return gather(list(task.read(source, split, (language,) if language else ())))

    return read

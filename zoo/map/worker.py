"""Answers the parts of a job: one network, one part at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from zoo.errors import InputError
from zoo.files import quote
from zoo.inference.pipelines import pipeline
from zoo.map.columns import item_of
from zoo.map.inputs import Reader
from zoo.map.job import Job, Source
from zoo.map.results import Answers, Done, write_part

NUMBERED = re.compile(r"Item \d+:? ?")


class Worker:
    """What answers the parts of a job.

    Args:
        job: as its folder says.

    Raises:
        ZooError: what `zoo.pipeline` says.
    """

    def __init__(self, job: Job) -> None:
        self.job, asked = job, job.question
        self.pipe = pipeline(asked.task, asked.model, asked.engine, asked.precision, **asked.options)
        self.pipe.shows_progress = False
        if asked.tokens:
            self.pipe.tokens = asked.tokens
        choice = self.pipe.deployed.choice
        self.by = f"{choice.engine} {choice.precision}"
        self._open: tuple[Source, Reader] | None = None

    def do(self, number: int) -> Done:
        """Answers a part and writes what came of it.

        Raises:
            InputError: the input cannot be read on.
            DiskError: the disk is full.
        """
        done, answers = Done(number, by=self.by), Answers(self.job.parts[number].source.name)
        known: list[tuple[int, Any]] = []
        found = self.pipe(self._items(number, known, done.bad), on_error="return")
        for n, answer in enumerate(found):
            row, ident = known[n]
            if isinstance(answer, InputError):
                done.bad[row] = NUMBERED.sub("", answer.message, count=1)
                continue
            answers.rows.append(row)
            answers.answers.append(answer)
            if self.job.question.ident:
                answers.ids.append(ident)
        done.rows, done.bad = len(answers.rows), dict(sorted(done.bad.items()))
        return write_part(self.job.folder, self.job.question.format, done, answers)

    def _items(self, number: int, known: list[tuple[int, Any]], bad: dict[int, str]) -> Iterator[Any]:
        """Gives the items of a part that can be read; notes their rows and ids, and what is wrong with others."""
        source, part = self.job.parts[number]
        ident = self.job.question.ident
        wanted = [*source.roles.values(), *([ident] if ident else [])]
        for record in self._reader(source).records(part):
            missing = [] if record.reason else [c for c in wanted if c not in record.values]
            if record.reason or missing:
                bad[record.row] = record.reason or f"has no {quote(missing[0])}"
                continue
            known.append((record.row, record.values.get(ident)))
            yield item_of([record.values[column] for column in source.roles.values()])

    def _reader(self, source: Source) -> Reader:
        if self._open is None or self._open[0] is not source:
            self._open = source, self.job.reader(source)
        return self._open[1]

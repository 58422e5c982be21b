"""What a job is to do, as its folder says it: job.json, written once and compared when the job goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from zoo import files
from zoo.errors import InputError, UsageError
from zoo.files import Fields, clean, quote, read_object
from zoo.map.columns import find_columns
from zoo.map.inputs import Form, Part, Reader, form_of, open_reader

log = logging.getLogger("zoo")

FORMAT = 1
JOB_FILE = "job.json"
MAX_JOB_BYTES = 1 << 28  # some million parts
OTHER = "Give another --out."
OPTIONS = {"ident": "id", "part_rows": "part-rows"}  # of the command, where a field has another name
ANOTHER = "Give the command as it was, or another --out."


@dataclass(frozen=True)
class Question:
    """What is asked of every row; all of it must stay as it is while a job lasts.

    Attributes:
        model: name or absolute folder.
        digest: of the model's files.
        task: the pipeline.
        options: of the pipeline.
        engine, precision: as asked for.
        tokens: of a batch, padding included; 0 for the pipeline's own.
        columns: role -> column, as given.
        ident: the column that rows are known by; "" for none.
        format: of the results, of `zoo.map.results.FORMATS`.
        part_rows: rows of a part.
    """

    model: str
    digest: str
    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "auto"
    precision: str = "auto"
    tokens: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    ident: str = ""
    format: str = "jsonl"
    part_rows: int = 4096


@dataclass(frozen=True)
class Source:
    """An input file.

    Attributes:
        name: as the user wrote it.
        path: absolute.
        bytes, modified, sha256: of the file as it was when the job began; `modified` in nanoseconds.
        form: how it is read.
        roles: role -> column.
        parts: in their order.
    """

    name: str
    path: str
    bytes: int
    modified: int
    sha256: str
    form: Form
    roles: Mapping[str, str]
    parts: tuple[Part, ...]

    def unchanged(self) -> bool:
        """Tells whether the file is what it was: by size and time, or where only the time differs by its digest."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        if now.st_size != self.bytes:
            return False
        return now.st_mtime_ns == self.modified or files.sha256(Path(self.path)) == self.sha256


class Place(NamedTuple):
    """Where a part is: its file and what of it."""

    source: Source
    part: Part


class Job:
    """A job, whose folder may be moved to another process or machine.

    Attributes:
        folder: of the results.
        parts: every part, of all files, in their order.
        rows: of all of them.
    """

    def __init__(self, folder: Path, question: Question, sources: tuple[Source, ...]) -> None:
        self.folder, self.question, self.sources = folder, question, sources
        self.parts = [Place(source, part) for source in sources for part in source.parts]
        self.rows = sum(place.part.rows for place in self.parts)

    def reader(self, source: Source) -> Reader:
        """Opens an input for the columns that the job needs.

        Raises:
            UsageError: it has changed since the job began.
        """
        if not source.unchanged():
            raise changed(source, self.folder)
        ident = [self.question.ident] if self.question.ident else []
        return open_reader(Path(source.path), source.form, [*dict.fromkeys([*source.roles.values(), *ident])])

    def write(self) -> None:
        """Writes job.json, in place of one of a job of which nothing is done."""
        document = {"format": FORMAT, "question": asdict(self.question), "sources": list(map(asdict, self.sources))}
        files.write_json(self.folder / JOB_FILE, document, replace=True)


def read_job(folder: Path) -> Job:
    """Reads job.json.

    Raises:
        InputError: it is not there or damaged.
    """
    file = folder / JOB_FILE
    document = read_object(file, MAX_JOB_BYTES, error=InputError)
    about = Fields(document, quote(str(file), 200), InputError)
    if about.whole("format", 0) != FORMAT:
        raise InputError(f"{about.source} is not of format {FORMAT}.", OTHER)
    try:
        question = Question(**about.object("question", {}))
        return Job(folder, question, tuple(map(_source, about.items("sources", [], dict))))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{about.source} is damaged: {clean(str(error))}.", OTHER) from None


def _source(about: Mapping[str, Any]) -> Source:
    form, parts = dict(about["form"]), tuple(Part(*map(int, part)) for part in about["parts"])
    form["header"] = tuple(form["header"])
    return Source(**{**about, "form": Form(**form), "parts": parts})


def new_job(folder: Path, question: Question, inputs: Mapping[Path, str]) -> Job:
    """Makes a job: looks at every input, hashes it and cuts it into parts.

    Raises:
        InputError, UsageError: a file that cannot be read, or a column that is not found.
    """
    sources = []
    for path, name in inputs.items():
        form = form_of(path, [*question.columns.values(), question.ident])
        roles = find_columns(name, form.header, question.task, question.columns)
        if question.ident and question.ident not in form.header:
            raise UsageError(f"{quote(name, 200)} has no column {quote(question.ident)} for --id.")
        about = os.stat(path)
        source = Source(name, str(path), about.st_size, about.st_mtime_ns, files.sha256(path), form, roles, ())
        reader = open_reader(path, form, list(roles.values()))
        sources.append(replace(source, parts=tuple(reader.cut(question.part_rows))))
        _say(sources[-1])
    return Job(folder, question, tuple(sources))


def check(job: Job, question: Question, inputs: Mapping[Path, str]) -> None:
    """Compares a job that goes on with what is asked for now.

    Raises:
        UsageError: something differs; names it.
    """
    where = f"{quote(str(job.folder), 200)} holds another job"
    before, now = asdict(job.question), asdict(question)
    for name in before:
        if before[name] != now[name]:
            said = f"{OPTIONS.get(name, name)} was {quote(before[name])} and is {quote(now[name])}"
            if name == "digest":
                said = f"the files of the model {quote(question.model, 200)} have changed since it began"
            raise UsageError(f"{where}: {said}.", ANOTHER)
    held, asked = [source.path for source in job.sources], [str(path) for path in inputs]
    if held != asked:
        other = next((p for p in [*asked, *held] if (p in held) != (p in asked)), "")
        said = f"{quote(other, 200)} is {'new' if other in asked else 'missing'}" if other else "in another order"
        raise UsageError(f"{where}, of other inputs: {said}.", ANOTHER)
    for source in job.sources:
        if not source.unchanged():
            raise changed(source, job.folder)


def changed(source: Source, folder: Path) -> UsageError:
    """Makes the error for an input that is no longer what it was."""
    said = f"{quote(source.name, 200)} has changed since the job in {quote(str(folder), 200)} began."
    return UsageError(said, OTHER)


def _say(source: Source) -> None:
    """Says in a line which columns were taken."""
    rows = sum(part.rows for part in source.parts)
    taken = ", ".join(f"{role}={column}" for role, column in source.roles.items())
    log.info("%s: %s rows, %s", source.name, f"{rows:,}", taken)

"""The input files of a job: found, described, cut into parts, and read part by part."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from zoo.errors import InputError, UsageError
from zoo.files import clean, parse_json, quote, user_path
from zoo.map import lines
from zoo.map.lines import Found, Lines, Problem, by_line, by_quotes, by_tabs
from zoo.tasks.formats import DELIMITERS, SNIFFED_RECORDS

KINDS = {".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "txt", ".parquet": "parquet"}
PACKED = ".gz"
TEXT = "text"  # what the lines of a text file are called
MAX_JSON_LEVELS = 32
HINT = f"One of {', '.join(KINDS)}; texts may be packed ({PACKED})."


class Part(NamedTuple):
    """Some records of a file that follow one another.

    Attributes:
        place: where they begin; bytes, unpacked, of a text file, records of a parquet file.
        row: of the first one, counted from 1: the line on which it starts, or the number of the record.
        rows: how many there are.
    """

    place: int
    row: int
    rows: int


class Record(NamedTuple):
    """A row of a file.

    Attributes:
        row: as of `Part`.
        values: column -> value; empty where it cannot be read.
        reason: why it cannot be read.
    """

    row: int
    values: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Form:
    """How a file is read.

    Attributes:
        kind: of KINDS.
        delimiter: of DELIMITERS, of a csv.
        header: names of the columns, of a table; of the first record, of others.
        named: a table's first row has their names.
    """

    kind: str
    delimiter: str = ""
    header: tuple[str, ...] = ()
    named: bool = True


class Reader(Protocol):
    """Reads the parts of a file. In their order each byte is read once."""

    def cut(self, rows: int) -> Iterator[Part]:
        """Cuts the file into parts of so many records."""
        ...

    def records(self, part: Part) -> Iterator[Record]:
        """Gives the records of a part."""
        ...


def find(given: Sequence[str]) -> dict[Path, str]:
    """Gives file -> its name in messages and results, in the order given; patterns (*, ?, **) are expanded.

    Raises:
        InputError: there is no such file.
        UsageError: one is of a kind that is not read, or is named twice.
    """
    found: dict[Path, str] = {}
    for text in given:
        path = user_path(text)
        names = [str(path)]
        if glob.has_magic(str(path)) and not path.exists():
            names = sorted(name for name in glob.glob(str(path), recursive=True) if os.path.isfile(name))
        if not names:
            raise InputError(f"No file is called {quote(text, 200)}.", "Put quotes around a pattern.")
        for name in names:
            kind_of(Path(name))
            if not os.path.isfile(name):
                raise InputError(f"There is no file {quote(name, 200)}.", "Give files, or a pattern in quotes.")
            if found.setdefault(Path(os.path.abspath(name)), name) != name:
                raise UsageError(f"{quote(name, 200)} is named twice.", "Name each file once.")
    return found


def kind_of(file: Path) -> str:
    """Gives what a file is by its name, of KINDS.

    Raises:
        UsageError: it is none of them.
    """
    kind = KINDS.get(Path(file.name.lower().removesuffix(PACKED)).suffix)
    if kind is None or (kind == "parquet" and file.name.lower().endswith(PACKED)):
        raise UsageError(f"{quote(str(file), 200)} is of no kind that is read here.", HINT)
    return kind


def form_of(file: Path, numbered: Iterable[str] = ()) -> Form:
    """Finds out how a file is read, from its name and its first records.

    Args:
        numbered: columns that the user named; a number that is none of the header's names says that there is no
            header.

    Raises:
        InputError: there are no records.
    """
    kind = kind_of(file)
    if kind == "parquet":
        from zoo.map.parquet import columns

        return Form(kind, header=tuple(columns(file)))
    if kind == "txt":
        return Form(kind, header=(TEXT,), named=False)
    if kind == "jsonl":
        return Form(kind, header=_keys(file), named=False)
    delimiter = _delimiter(file) if kind == "csv" else "tab"
    first = next(_first(file, Form(kind, delimiter)), None)
    if first is None:
        raise InputError(f"{quote(str(file), 200)} is empty.")
    if isinstance(first, Problem):
        raise InputError(f"The first row of {quote(str(file), 200)} cannot be read: {first.reason}.")
    header = tuple(str(cell).strip() for cell in first)
    if any(column.isdecimal() and column not in header for column in numbered):
        return Form(kind, delimiter, tuple(str(n) for n in range(1, len(header) + 1)), named=False)
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise UsageError(
            f"{quote(str(file), 200)} has two columns {quote(twice)}.", "Number them: --columns text=1."
        )
    return Form(kind, delimiter, header)


def open_reader(file: Path, form: Form, columns: Sequence[str]) -> Reader:
    """Opens a file.

    Args:
        columns: those that are wanted.

    Raises:
        InputError: it cannot be opened.
    """
    if form.kind == "parquet":
        from zoo.map.parquet import Parquet

        return Parquet(file, columns)
    return TextFile(file, form)


class TextFile:
    """A reader of text files."""

    def __init__(self, file: Path, form: Form) -> None:
        self.file, self.form = file, form
        self.stream = lines.open_text(file)
        self._split: Callable[[Lines], Iterator[Found]] = by_tabs if form.kind == "tsv" else by_line
        if form.kind == "csv":
            self._split = by_quotes(DELIMITERS[form.delimiter])

    def cut(self, rows: int) -> Iterator[Part]:
        """See `Reader`."""
        place, row, count = 0, 1, 0
        for n, found in enumerate(self._found(0, 1)):
            if n == 0 and self.form.named:
                place, row = found.place, found.next_line
                continue
            count += 1
            if count == rows:
                yield Part(place, row, count)
                place, row, count = found.place, found.next_line, 0
        if count:
            yield Part(place, row, count)

    def records(self, part: Part) -> Iterator[Record]:
        """See `Reader`."""
        return map(self._record, islice(self._found(part.place, part.row), part.rows))

    def contents(self) -> Iterator[str | list[str] | Problem]:
        """Gives every record as it is in the file, a header too."""
        return (found.content for found in self._found(0, 1))

    def _found(self, place: int, line: int) -> Iterator[Found]:
        return self._split(Lines(self.stream, str(self.file), place, line))

    def _record(self, found: Found) -> Record:
        content, header = found.content, self.form.header
        if isinstance(content, Problem):
            return Record(found.line, {}, content.reason)
        if isinstance(content, list):
            if len(content) == len(header):
                return Record(found.line, dict(zip(header, content, strict=True)))
            return Record(found.line, {}, f"{len(content)} columns where {len(header)} were expected")
        if self.form.kind == "txt":
            return Record(found.line, {TEXT: content})
        value = _object(content)
        return Record(found.line, {}, value) if isinstance(value, str) else Record(found.line, value)


def _object(text: str) -> dict[str, Any] | str:
    """Reads a line of JSON; gives why it is no object."""
    try:
        value = parse_json(text, "it", MAX_JSON_LEVELS, InputError)
    except InputError as error:
        return error.message.removeprefix("it ").rstrip(".")
    return value if isinstance(value, dict) else f"{quote(value, 60)} is not an object {{...}}"


def _first(file: Path, form: Form) -> Iterator[str | list[str] | Problem]:
    return islice(TextFile(file, form).contents(), SNIFFED_RECORDS)


def _keys(file: Path) -> tuple[str, ...]:
    """Gives the keys of the first object of a .jsonl."""
    found = [
        content if isinstance(content, Problem) else _object(str(content))
        for content in _first(file, Form("jsonl"))
    ]
    for value in found:
        if isinstance(value, dict):
            return tuple(value)
    if not found:
        raise InputError(f"{quote(str(file), 200)} is empty.")
    why = found[0].reason if isinstance(found[0], Problem) else found[0]
    raise InputError(
        f"The first rows of {quote(str(file), 200)} cannot be read: {clean(str(why), 200)}.",
        "Expected one object {...} per line.",
    )


def _delimiter(file: Path) -> str:
    """Gives the name of what separates columns: the first by which a table's first rows have as many."""
    for name in DELIMITERS:
        rows = list(_first(file, Form("csv", name)))
        if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and isinstance(rows[0], list):
            return name
    first = next(_first(file, Form("txt")), "")
    return next((name for name, sign in DELIMITERS.items() if sign in first), "comma")

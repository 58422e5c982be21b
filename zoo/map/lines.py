"""Reads the records of text files from any place on: lines, and rows of tables whose quoted values span lines.

Nothing here holds more than one record. A record that cannot be read is a `Problem`, and the next one follows.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from zoo.errors import InputError
from zoo.files import clean, open_regular, quote
from zoo.tasks.rows import BYTE_ORDER_MARK, GZIP_MAGIC, csv_values

MAX_RECORD_BYTES = 1 << 22  # of a row, so that a row cannot fill the memory
TOO_LONG = f"has more than {MAX_RECORD_BYTES:,} bytes"


class Problem(NamedTuple):
    """Why a record cannot be read."""

    reason: str


class Found(NamedTuple):
    """A record, and where the next one begins.

    Attributes:
        line: on which it starts, counted from 1.
        content: a line's text, or the cells of a table's row.
        place: bytes, unpacked, in front of the next record.
        next_line: on which that starts.
    """

    line: int
    content: str | list[str] | Problem
    place: int
    next_line: int


class Line(NamedTuple):
    """A line of a file. `cut`: it was too long, and `data` is its beginning."""

    data: bytes
    size: int
    number: int
    cut: bool


def open_text(file: Path) -> BinaryIO | gzip.GzipFile:
    """Opens a file, unpacked where it is gzip.

    Raises:
        InputError: it is missing, or no regular file.
    """
    raw = open_regular(file, InputError)
    packed = raw.read(2) == GZIP_MAGIC
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if packed else raw


class Lines:
    """The lines of an open file from a place on; some can be given back.

    Args:
        stream: from `open_text`. Where it is packed, going on is cheap and going back is not.
        file: as messages name it.
        place, line: where to begin.
    """

    def __init__(self, stream: BinaryIO | gzip.GzipFile, file: str, place: int, line: int) -> None:
        self.stream, self.file, self.place, self.line = stream, file, place, line
        self._back: deque[Line] = deque()
        try:
            if stream.tell() != place:
                stream.seek(place)
        except (EOFError, zlib.error, OSError) as error:
            raise self._damaged(error) from None

    def take(self) -> Line | None:
        """Gives the next line, None behind the last.

        Raises:
            InputError: the file cannot be read on.
        """
        found = self._back.popleft() if self._back else self._read()
        if found is not None:
            self.place, self.line = self.place + found.size, self.line + 1
        return found

    def give_back(self, lines: list[Line]) -> None:
        """Puts lines in front of the next one."""
        self._back.extendleft(reversed(lines))
        self.place -= sum(line.size for line in lines)
        self.line -= len(lines)

    def _read(self) -> Line | None:
        try:
            data = self.stream.readline(MAX_RECORD_BYTES + 1)
            size = len(data)
            cut = size > MAX_RECORD_BYTES and not data.endswith(b"\n")
            while cut and (more := self.stream.readline(MAX_RECORD_BYTES)):
                size += len(more)
                if more.endswith(b"\n"):
                    break
        except (EOFError, zlib.error, OSError) as error:
            raise self._damaged(error) from None
        return Line(data, size, self.line, cut) if data else None

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            f"{quote(self.file, 200)} cannot be read behind line {self.line - 1}: {clean(str(error))}.",
            "Is it complete?",
        )


def text_of(line: Line) -> str | Problem:
    """Gives a line's text without its end."""
    if line.cut:
        return Problem(TOO_LONG)
    data = line.data.removeprefix(BYTE_ORDER_MARK) if line.number == 1 else line.data
    try:
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Problem(f"byte {error.start + 1} of the line is not UTF-8")


def by_line(lines: Lines) -> Iterator[Found]:
    """Gives a record for each line that is not blank."""
    while line := lines.take():
        text = text_of(line)
        if isinstance(text, Problem) or text.strip():
            yield Found(line.number, text, lines.place, lines.line)


def by_tabs(lines: Lines) -> Iterator[Found]:
    """Gives the cells of each line, with tabs between and no quotes."""
    for found in by_line(lines):
        content = found.content
        yield found._replace(content=content.split("\t") if isinstance(content, str) else content)


def by_quotes(delimiter: str) -> Callable[[Lines], Iterator[Found]]:
    """Makes a reader of tables with quotes, as spreadsheets write them."""

    def read(lines: Lines) -> Iterator[Found]:
        feed = _Feed(lines)
        reader = csv_values(feed, delimiter, strict=True)
        while True:
            feed.clear()
            begin = lines.line
            content: list[str] | Problem
            try:
                content = next(reader)
            except StopIteration:
                return
            except (csv.Error, _BadLine) as error:
                content = Problem(clean(str(error), 200))
                lines.give_back(feed.taken[1:])  # rows that only a wrong quote joined to this one
            if content:
                yield Found(begin, content, lines.place, lines.line)

    return read


class _BadLine(Exception):
    pass


class _Feed:
    """The lines of a table as its reader takes them, with those of the current row."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.taken: list[Line] = []
        self.size = 0

    def clear(self) -> None:
        self.taken, self.size = [], 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.lines.take()
        if line is None:
            raise StopIteration
        self.taken.append(line)
        self.size += len(line.data)
        text = text_of(line)
        if isinstance(text, Problem):
            raise _BadLine(text.reason)
        if self.size > MAX_RECORD_BYTES:
            raise _BadLine(f"{TOO_LONG}: is a quote not closed?")
        return text + "\n"

"""Reads the lines of a file, and keeps the place of each row so that an error can name it."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from zoo.errors import InputError
from zoo.files import clean, open_regular, quote

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
MAX_FIELD_BYTES = 2**27  # of a value in a table with commas; Python's own limit of 2**17 is less than an article
QUOTED_CHARACTERS = 60  # of a value that an error repeats


class Row(NamedTuple):
    """A record of a file.

    Attributes:
        file: as it is named in errors.
        line: counted from 1; of a JSON document the number of the record.
        values: column -> value; text, or what JSON says.
        unit: what `line` counts.
    """

    file: str
    line: int
    values: Mapping[str, Any]
    unit: str = "line"

    @property
    def place(self) -> str:
        """Gives file and line, for a sentence."""
        return f"'{self.file}', {self.unit} {self.line}"

    def error(self, what: str, hint: str = "") -> InputError:
        """Makes an error that names this row."""
        return InputError(f"{self.place}: {what}", hint)

    def get(self, column: str) -> Any:
        """Gives the value of a column.

        Raises:
            InputError: there is none; names those that are there.
        """
        try:
            return self.values[column]
        except KeyError:
            raise self.error(
                f"there is no {quote(column)}.",
                f"Found: {clean(', '.join(map(str, self.values)), 200) or 'nothing'}.",
            ) from None

    def text(self, column: str) -> str:
        """Gives the value of a column that must be text and not only spaces."""
        value = self.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{quote(column)} must be text and is {shown(value)}.")
        return value

    def whole(self, column: str, value: object = None) -> int:
        """Gives a value that must be a whole number."""
        value = self.get(column) if value is None else value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"{quote(column)} must be a whole number and is {shown(value)}.")
        return value


def finite(row: Row, column: str, value: object = None) -> float:
    """Gives the number of a column; raises InputError for what is none."""
    value = row.get(column) if value is None else value
    try:
        number = float("nan" if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise row.error(f"{quote(column)} must be a number and is {shown(value)}.")
    return number


def number_of(ident: str) -> int | str:
    """Gives an id as JSON should have it: a number where it is one, of a size that a computer has."""
    return int(ident) if ident.isdecimal() and len(ident) < 19 else ident


def shown(value: object) -> str:
    """Gives a value as an error repeats it, cut when it is long."""
    return quote(value, QUOTED_CHARACTERS)


def csv_values(text: Iterable[str], delimiter: str, strict: bool = False) -> Iterator[list[str]]:
    """Gives the values of each row of a table with quotes; raises csv.Error where the quotes make no sense.

    Python has one limit of a value's length for the whole process; it is raised here, and stays so.
    """
    csv.field_size_limit(max(MAX_FIELD_BYTES, csv.field_size_limit()))
    return csv.reader(text, delimiter=delimiter, strict=strict)


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """Gives number and text of each line, without its end. Only line feeds end a line; gzip is unpacked.

    Raises:
        InputError: the file is missing, empty, no regular one, not UTF-8 or a damaged archive.
    """
    n = 0
    try:
        with open_regular(file, InputError) as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if packed else raw
            for n, line in enumerate(stream, 1):
                line = line.removeprefix(BYTE_ORDER_MARK) if n == 1 else line
                yield n, line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        at = f"'{file}', line {n}"
        raise InputError(
            f"{at}: byte {error.start + 1} of the line is not UTF-8.", "Save the file as UTF-8."
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"'{file}' is a damaged archive after line {n}: {error}", "Download it again.") from None
    except OSError as error:
        raise InputError(f"'{file}' cannot be read: {error.strerror or error}.") from None
    if n == 0:
        raise InputError(f"'{file}' is empty.", "Is the download complete?")

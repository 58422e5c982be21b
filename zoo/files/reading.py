"""Reads small files from outside within bounds: size, depth, kinds of values, regular files only."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

from zoo.errors import CheckpointError, ZooError
from zoo.files.quoting import clean, quote

MAX_SMALL_FILE_BYTES = 16 << 20  # a configuration, an index or a table
MAX_JSON_DEPTH = 64  # levels of a JSON document
GET_AGAIN_HINT = "Get it again."
T = TypeVar("T")
JsonObject = dict[str, Any]  # as json.loads gives it: whoever reads a field checks its kind, see `Fields`


def open_regular(file: Path, error: type[ZooError] = CheckpointError) -> BinaryIO:
    """Opens a regular file for reading; a link to one too. Pipes and devices are refused without waiting for them.

    Raises:
        error: there is no such file, it may not be read, or it is of another kind.
    """
    name = quote(str(file), 200)
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except ValueError:
        raise error(f"{name} is no name of a file.") from None
    except OSError as problem:
        if problem.errno == errno.ENOENT:
            raise error(f"There is no file {name}.") from None
        raise error(f"{name} cannot be read: {problem.strerror}.") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise error(f"{name} is not a regular file.", "Give a file; a folder, pipe or device will not do.")
    return os.fdopen(handle, "rb")


def read_bytes(file: Path, limit: int = MAX_SMALL_FILE_BYTES, error: type[ZooError] = CheckpointError) -> bytes:
    """Reads a whole file of at most `limit` bytes.

    Raises:
        error: as `open_regular`, or the file is larger.
    """
    with open_regular(file, error) as stream:
        try:
            data = stream.read(limit + 1)
        except OSError as problem:
            raise error(f"{quote(str(file), 200)} cannot be read: {problem.strerror}.") from None
    if len(data) > limit:
        raise error(
            f"{quote(str(file), 200)} has more than {limit:,} bytes; such a file has none so large.", GET_AGAIN_HINT
        )
    return data


def read_text(file: Path, limit: int = MAX_SMALL_FILE_BYTES, error: type[ZooError] = CheckpointError) -> str:
    """Reads a UTF-8 file of at most `limit` bytes, without a byte order mark at its start.

    Raises:
        error: as `read_bytes`, or the bytes are not UTF-8.
    """
    try:
        return read_bytes(file, limit, error).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{quote(str(file), 200)} is not UTF-8 at byte {problem.start}.", GET_AGAIN_HINT) from None


def read_json(
    file: Path,
    limit: int = MAX_SMALL_FILE_BYTES,
    depth: int = MAX_JSON_DEPTH,
    error: type[ZooError] = CheckpointError,
) -> Any:
    """Reads a JSON document: finite numbers, at most `depth` levels, text that can be printed.

    Raises:
        error: as `read_text`, or the text is not such a document; names the file.
    """
    return parse_json(read_text(file, limit, error), quote(str(file), 200), depth, error)


def read_object(
    file: Path,
    limit: int = MAX_SMALL_FILE_BYTES,
    depth: int = MAX_JSON_DEPTH,
    error: type[ZooError] = CheckpointError,
) -> JsonObject:
    """Reads a JSON document that is an object, as `read_json`.

    Raises:
        error: as `read_json`, or it is something else.
    """
    content = read_json(file, limit, depth, error)
    if not isinstance(content, dict):
        raise error(f"{quote(str(file), 200)} is not a JSON object.", GET_AGAIN_HINT)
    return content


def parse_json(
    text: str | bytes, source: str, depth: int = MAX_JSON_DEPTH, error: type[ZooError] = CheckpointError
) -> Any:
    """Reads JSON from memory, as `read_json`.

    Args:
        source: what a message calls the text, such as "'a/config.json'".
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        content = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        _check(content, depth, surrogates="\\u" in text)
    except RecursionError:
        raise error(f"{source} is nested too deeply.", GET_AGAIN_HINT) from None
    except ValueError as problem:
        raise error(f"{source} cannot be read as JSON: {str(problem)[:120]}.", GET_AGAIN_HINT) from None
    return content


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is beyond the numbers of a computer")
    return number


def _check(content: object, depth: int, surrogates: bool) -> None:
    """Raises ValueError for too many levels and for half characters, which no terminal can print."""
    level = [content]
    for _ in range(depth + 1):
        if surrogates:
            for text in (t for item in level for t in _texts(item)):
                text.encode("utf-8")
        level = [part for item in level if isinstance(item, dict | list) for part in _parts(item)]
        if not level:
            return
    raise ValueError(f"it has more than {depth} levels")


def _texts(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        yield from item


def _parts(item: dict[str, object] | list[object]) -> Iterator[object]:
    yield from item.values() if isinstance(item, dict) else item


class Fields:
    """The fields of a JSON object, each read as what it must be.

    Args:
        content: the object.
        source: what a message calls it, such as "'a/config.json'".
        error: what is raised for a field of another kind or beyond its range.
    """

    def __init__(self, content: Mapping[str, object], source: str, error: type[ZooError] = CheckpointError) -> None:
        self.content, self.source, self.error = content, source, error

    def __contains__(self, name: str) -> bool:
        return self.content.get(name) is not None

    def whole(self, name: str, default: T, low: int = 0, high: int = 1 << 31) -> int | T:
        """Gives a whole number from `low` to `high`; `default` where the field is missing or null."""
        value = self.content.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._refuse(name, f"a whole number from {low:,} to {high:,}")
        return value

    def number(self, name: str, default: T, low: float = -1e30, high: float = 1e30) -> float | T:
        """Gives a number from `low` to `high`; `default` where the field is missing or null."""
        value = self.content.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self._refuse(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str, default: T) -> bool | T:
        """Gives true or false."""
        return self._of(name, default, bool, "true or false")

    def text(self, name: str, default: T, longest: int = 10_000) -> str | T:
        """Gives a text of at most `longest` characters."""
        value = self._of(name, default, str, "a text")
        if isinstance(value, str) and len(value) > longest:
            self._refuse(name, f"a text of at most {longest:,} characters")
        return value

    def object(self, name: str, default: T) -> JsonObject | T:
        """Gives an object as it is; read its fields by another `Fields`."""
        return self._of(name, default, dict, "an object")

    def items(self, name: str, default: T, kind: type, longest: int = 1 << 20) -> list[Any] | T:
        """Gives a list whose items are all of one kind."""
        value = self._of(name, default, list, "a list")
        if isinstance(value, list) and (len(value) > longest or not all(isinstance(v, kind) for v in value)):
            self._refuse(name, f"a list of at most {longest:,} items, each {kind.__name__}")
        return value

    def choice(self, name: str, default: T, known: Sequence[str]) -> str | T:
        """Gives one of some texts."""
        value = self.content.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in known:
            self._refuse(name, f"one of {', '.join(known)}")
        return value

    def below(self, name: str) -> Fields:
        """Gives the fields of an object in this one; none of them where it is missing."""
        return Fields(self.object(name, {}), f"{clean(name)} of {self.source}", self.error)

    def _of(self, name: str, default: T, kind: type, called: str) -> Any:
        value = self.content.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            self._refuse(name, called)
        return value

    def _refuse(self, name: str, called: str) -> NoReturn:
        raise self.error(f"{self.source} has {clean(name)}={quote(self.content.get(name))}; it must be {called}.")

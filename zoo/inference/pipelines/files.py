"""Files as items, and answers as lines of a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError, ZooError
from zoo.files import user_path
from zoo.inference.pipelines.hybrid import HybridEmbedding
from zoo.tasks.base import published
from zoo.tasks.rows import lines

SUFFIXES = (".txt", ".jsonl")


def items_of(file: str | os.PathLike[str]) -> Iterator[Any]:
    """The items of a file, one at a time: the lines of a .txt, the values of a .jsonl; either may be packed (.gz).

    Raises:
        InputError: the file cannot be read, or a line is not JSON; names the line.
        UsageError: another kind of file.
    """
    path = user_path(file)
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in SUFFIXES:
        raise UsageError(f"'{path}' is no file of items.", f"One item a line, as {' or '.join(SUFFIXES)}.")
    return (_value(path, n, line) if kind == ".jsonl" else line for n, line in lines(path))


def _value(file: Path, number: int, line: str) -> Any:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{file}', line {number}: not JSON: {error}", "Expected one item per line.") from None
    return tuple(value) if isinstance(value, list) else value  # a pair


def write_answers(file: str | os.PathLike[str], answers: Iterable[Any], overwrite: bool = False) -> int:
    """Writes a line of JSON for each answer, {"error": ...} for an error; the file is whole or not there.

    Returns:
        How many there were.
    """
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for answer in answers:
            count += 1
            yield json.dumps(answer, ensure_ascii=False, default=plain)

    published(user_path(file), counted(), overwrite)
    return count


def plain(value: Any) -> Any:
    """What JSON has in place of an array or an error; the `default` of json.dumps."""
    if isinstance(value, ZooError):
        return {"error": str(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, HybridEmbedding):
        return {kind: given for kind, given in vars(value).items() if given is not None}
    raise TypeError(f"{type(value).__name__} is no JSON")

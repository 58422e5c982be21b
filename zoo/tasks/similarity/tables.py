"""Finds tables in a folder, and texts and numbers in their rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.tasks.formats import READERS
from zoo.tasks.rows import Row

TABLES = (".jsonl", ".jsonl.gz", ".json", ".csv", ".tsv")  # endings


def first(row: Row, columns: str) -> Any:
    """Gives the value of the first of some columns that a row has."""
    for name in columns.split():
        if name in row.values:
            return row.values[name]
    return row.get(columns.split()[0])  # which is an error that names what is there


def text(row: Row, columns: str) -> str:
    """Gives a text, as `first`; it must not be empty."""
    name = next((name for name in columns.split() if name in row.values), columns.split()[0])
    return row.text(name)


def number(row: Row, columns: str, binary: bool = False) -> float:
    """Gives a number, as `first`; 1 or 0 where it must be.

    Raises:
        InputError: it is none; says which row.
    """
    value = first(row, columns)
    try:
        made = float(value)
    except (TypeError, ValueError):
        made = float("nan")
    if not math.isfinite(made) or (binary and made not in (0.0, 1.0)):
        raise row.error(f"{quote(value)} is not {'1 or 0' if binary else 'a number'}.")
    return made


def rows_of(file: Path) -> Iterator[Row]:
    """Reads a table by its ending."""
    kind = next(suffix for suffix in TABLES if file.name.endswith(suffix)) if file.name.endswith(TABLES) else ""
    if not kind:
        raise UsageError(f"'{file}' has no ending that is known.", f"One of {', '.join(TABLES)}.")
    return READERS["jsonl" if kind.startswith(".json") else kind[1:]](file)


def table_in(folder: Path, *names: str) -> Path:
    """Gives the first of some files that is there, with any ending of a table."""
    for name in names:
        for suffix in TABLES:
            if (file := folder / f"{name}{suffix}").is_file():
                return file
    wanted = " or ".join(f"{name}{{{','.join(TABLES)}}}" for name in names)
    raise InputError(f"'{folder}' has no {wanted}.", "Give the folder of the data set: --data DIR.")


def file_in(folder: Path, part: str, name: str) -> Path:
    """Gives a file of a folder or of its part, packed or not."""
    for place in (folder, folder / part):
        for suffix in ("", ".gz"):
            if (file := place / f"{name}{suffix}").is_file():
                return file
    raise InputError(f"'{folder}' has no '{name}'.", "Give the folder as published: --data DIR.")

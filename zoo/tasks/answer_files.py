"""Writes rows with their answers, all columns that came and those of the answer: csv, tsv, JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.files import quote, write_file
from zoo.tasks.file_kinds import kind_by_name, kind_of
from zoo.tasks.formats import DELIMITERS, delimiter_of

PREFIX = "predicted_"  # of an answer's column where the file has one of the same name
WRITTEN = ("csv", "tsv", "json")

Values = Mapping[str, Any]


def joined(rows: Sequence[Values], answers: Sequence[Values]) -> list[dict[str, Any]]:
    """Gives each row with its answer behind; names that the rows have already get a prefix."""
    taken = {column for row in rows for column in row}
    prefix = PREFIX if any(name in taken for answer in answers for name in answer) else ""
    return [
        {**row, **{prefix + name: value for name, value in answer.items()}}
        for row, answer in zip(rows, answers, strict=True)
    ]


def form_of(out: Path, came: Path | None) -> str:
    """Gives csv, tsv or json: as the name of the new file says, else as that which was read.

    Raises:
        UsageError: it names a form that is not written.
    """
    asked = kind_by_name(out)
    if asked in ("parquet", "words"):
        raise UsageError(f"--out: answers are not written as {quote(out.suffix)}.", "Name it .csv, .tsv or .jsonl.")
    form = asked if asked in WRITTEN else kind_of(came) if came else "tsv"
    return {"txt": "tsv", "words": "json", "parquet": "json"}.get(form, form)


def write(out: Path, rows: Sequence[Values], came: Path | None, replace: bool = False) -> None:
    """Writes rows to a file, whole or not at all.

    Args:
        out: its name says the form, see `form_of`.
        rows: with their answers.
        came: the file that was read, whose form and separator are kept.
        replace: a file that is there.
    """
    form = form_of(out, came)
    with write_file(out, replace=replace) as stream:
        if form == "json":
            stream.writelines(_json(rows, out.suffix.lower() == ".json"))
            return
        kept = came is not None and form == "csv" == kind_of(came)
        sign = DELIMITERS[delimiter_of(came)] if kept and came else "\t" if form == "tsv" else ","
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.writer(stream, delimiter=sign, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row.get(column)) for column in columns] for row in rows)


def _json(rows: Iterable[Values], array: bool) -> Iterator[str]:
    lines = [json.dumps(dict(row), ensure_ascii=False, default=str) for row in rows]
    if array:
        yield "[\n" + ",\n".join(lines) + "\n]\n"
    else:
        yield from (f"{line}\n" for line in lines)


def cell(value: Any) -> str:
    """Gives a value as a table has it: lists and dicts as JSON."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | dict) else str(value)

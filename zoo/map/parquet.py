"""Reads and writes parquet files. Needs the extra `parquet`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError, to_install
from zoo.files import clean, open_regular, quote
from zoo.map.inputs import Part, Record

BATCH_ROWS = 1024  # rows that are unpacked at once
BUFFER_BYTES = 1 << 20  # that are read at once of a column


def check() -> None:
    """Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError("Parquet needs the package pyarrow.", to_install("parquet")) from None


def columns(file: Path) -> list[str]:
    """Gives the names of a file's columns.

    Raises:
        InputError: it is no parquet file.
    """
    found = list(_open(file).schema_arrow.names)
    if len(set(found)) < len(found):
        raise InputError(f"{quote(str(file), 200)} has two columns of one name.")
    return found


class Parquet:
    """A reader of parquet files (`zoo.map.inputs.Reader`)."""

    def __init__(self, file: Path, columns: Sequence[str]) -> None:
        self.file, self.columns = file, list(columns)
        self.opened = _open(file)
        self._at = -1  # the record that `_rows` gives next
        self._rows: Iterator[dict[str, Any]] = iter(())

    def cut(self, rows: int) -> Iterator[Part]:
        """See `zoo.map.inputs.Reader`."""
        total = self.opened.metadata.num_rows
        for place in range(0, total, rows):
            yield Part(place, place + 1, min(rows, total - place))

    def records(self, part: Part) -> Iterator[Record]:
        """See `zoo.map.inputs.Reader`."""
        if part.place != self._at:
            self._at, self._rows = part.place, self._from(part.place)
        for values in islice(self._rows, part.rows):
            self._at += 1
            yield Record(self._at, values)

    def _from(self, place: int) -> Iterator[dict[str, Any]]:
        """Gives the rows from a place on; row groups in front of it are not read."""
        about, first, skipped = self.opened.metadata, 0, 0
        while first < about.num_row_groups and skipped + about.row_group(first).num_rows <= place:
            skipped += about.row_group(first).num_rows
            first += 1
        groups = list(range(first, about.num_row_groups))
        return islice(self._unpacked(groups), place - skipped, None)

    def _unpacked(self, groups: list[int]) -> Iterator[dict[str, Any]]:
        import pyarrow

        try:
            for batch in self.opened.iter_batches(BATCH_ROWS, row_groups=groups, columns=self.columns):
                yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise _damaged(self.file, error) from None


def write(file: Path, columns: dict[str, Sequence[Any]]) -> None:
    """Writes columns of equal length.

    Vectors become a list of float32 of fixed length, dicts a struct, lists a text of JSON (an empty one has no
    type, and all parts are to have the same); ids of several kinds become texts.
    """
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({name: _column(values) for name, values in columns.items()}), file)


def _column(values: Sequence[Any]) -> Any:
    import pyarrow

    if isinstance(values[0], np.ndarray):
        stacked = np.stack(values)
        return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(stacked.reshape(-1)), stacked.shape[1])
    if isinstance(values[0], list):
        values = [json.dumps(value, ensure_ascii=False) for value in values]
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError):
        texts = (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values)
        return pyarrow.array(list(texts))


def _open(file: Path) -> Any:
    check()
    import pyarrow
    from pyarrow import parquet

    open_regular(file, InputError).close()
    try:
        return parquet.ParquetFile(file, buffer_size=BUFFER_BYTES)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(
        f"{quote(str(file), 200)} cannot be read as parquet: {clean(str(error), 200)}.", "Is it complete?"
    )

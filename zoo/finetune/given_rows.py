"""Rows that a program gives: lists of dicts, data frames, data sets. The run keeps them as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo import files
from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.finetune import parallel

FOLDER = "data"  # in the folder of a run


def rows_of(data: Any, split: str) -> Iterator[dict[str, Any]]:
    """Gives rows as dicts of JSON's values; a missing value is None, a class number its name.

    Args:
        data: an iterable of dicts, a data frame of pandas or polars, or a `datasets.Dataset`.
        split: train, dev or test, for messages.

    Raises:
        UsageError: it is something else.
        InputError: a row is no dict, or has a value that no file of text can hold.
    """
    if isinstance(data, str | bytes | Path):
        raise UsageError(
            f"{split}={quote(data)} is a name, not rows.", f"For a file: {split}_file={quote(str(data))}."
        )
    if isinstance(data, Mapping):
        held = ", ".join(map(str, list(data)[:6]))
        raise UsageError(
            f"{split} is one mapping with {quote(held)}, not rows.",
            "Give a list of dicts, one for each row; of several splits each by its name: train=..., dev=....",
        )
    if hasattr(data, "to_dicts"):  # polars
        data = data.to_dicts()
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas
        data = data.to_dict(orient="records")
    if not isinstance(data, Iterable):
        raise UsageError(
            f"{split} is of the type {type(data).__name__}, which has no rows.", "Give a list of dicts."
        )
    names = _class_names(data)
    for n, row in enumerate(data, 1):
        place = f"{split}, row {n}"
        if not isinstance(row, Mapping):
            raise InputError(
                f"{place}: {quote(row)} is not a dict.", "Such as {'text': 'a good film', 'label': 'pos'}."
            )
        yield {str(k): _plain(_named(v, names.get(k)), f"{place}, {quote(str(k))}") for k, v in row.items()}


def _class_names(data: Any) -> dict[Any, list[str]]:
    """Column -> names of its classes, as `datasets.Dataset` has them; of lists of classes too."""
    features = getattr(data, "features", None)
    if not isinstance(features, Mapping):
        return {}
    found = {column: getattr(getattr(about, "feature", about), "names", None) for column, about in features.items()}
    return {column: names for column, names in found.items() if isinstance(names, list)}


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_named(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _plain(value: Any, place: str) -> Any:
    """A value as JSON has it."""
    if hasattr(value, "tolist"):  # numpy's
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, Mapping):
        return {str(k): _plain(v, place) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, place) for one in value]
    if isinstance(value, bytes) or not hasattr(value, "isoformat"):  # what has it is a date
        if type(value).__name__ in ("NAType", "NaTType"):  # pandas' missing values
            return None
        raise InputError(
            f"{place}: a value of the type {type(value).__name__}.", "Texts, numbers, lists and dicts do."
        )
    return None if type(value).__name__ == "NaTType" else value.isoformat()


@contextmanager
def written(out: Path, given: Mapping[str, Any], goes_on: bool = False) -> Iterator[dict[str, str]]:
    """Writes rows into the folder of a run; gives option -> file, such as train_file.

    Args:
        out: the folder of the run; where the block fails and leaves no run there, the rows go again.
        given: split -> rows.
        goes_on: a run that was begun with them goes on.

    Raises:
        UsageError: no rows, or others than those that the run began with.
        InputError: as `rows_of`.
    """
    places = {split: out / FOLDER / f"{split}.jsonl" for split in given}
    if parallel.rank() == 0:
        for split, place in places.items():
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(given[split], split)]
            if not lines:
                raise InputError(f"{split} has no rows.")
            if goes_on and place.is_file() and place.read_text("utf-8") != "".join(lines):
                raise UsageError(
                    f"{split}: these are not the rows that the run in '{out}' began with.",
                    "Leave them out: resume=RUN has them; or give another out=.",
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            with files.write_file(place, replace=True) as stream:
                stream.writelines(lines)
    parallel.wait()
    try:
        yield {f"{split}_file": str(place) for split, place in places.items()}
    except BaseException:
        if parallel.rank() == 0 and not any(out.glob("**/run.json")):
            _remove(out, places)
        raise


def _remove(out: Path, places: Mapping[str, Path]) -> None:
    for place in places.values():
        place.unlink(missing_ok=True)
    for folder in (out / FOLDER, out):
        with suppress(OSError):  # something else is in it
            folder.rmdir()

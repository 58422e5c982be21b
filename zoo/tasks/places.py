"""Where the files of a data set are: in its folder, in its benchmark's, or beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.errors import InputError
from zoo.files import clean


def find(places: Sequence[Path], name: str, task: str) -> Path:
    """Gives a file of a data set, packed or not.

    Args:
        places: folders to look in; the first is the one that an error names.
        name: of the file.
        task: what needs it.

    Raises:
        InputError: it is in none.
    """
    for place in places:
        for suffix in ("", ".gz"):
            if (file := place / (name + suffix)).is_file():
                return file
    raise _missing(places[0], name, task)


def find_all(folder: Path, below: str, pattern: str, task: str) -> list[Path]:
    """Gives the files that fit a pattern, in their names' order, from a folder or the one below it.

    Raises:
        InputError: there is none.
    """
    for place in (folder, folder / below):
        try:
            found = sorted(file for file in place.glob(pattern) if file.is_file())
        except (OSError, ValueError, NotImplementedError):  # a description that came with somebody's model
            found = []
        if found:
            return found
    raise _missing(folder, pattern, task)


def _missing(folder: Path, name: str, task: str) -> InputError:
    """Makes the error that names a file which is not there, and what is."""
    try:
        held = clean(", ".join(sorted(p.name for p in folder.iterdir())[:8]), 200)
    except OSError as error:
        return InputError(f"'{folder}' cannot be read: {error.strerror or error}.")
    return InputError(
        f"'{folder}' has no '{name}', which {task} needs; it holds {held or 'nothing'}.",
        "Give the folder as published, or one file.",
    )


def language_of(file: Path, languages: Sequence[str]) -> str:
    """Gives the language code that a file's name has as a part: "dev-de.tsv", "xquad.de.json"."""
    parts = file.name.replace("-", ".").replace("_", ".").split(".")
    return next((part for part in parts if part in languages), "")

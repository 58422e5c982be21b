"""Reads and writes the hidden list of the files that we wrote into a folder (`.zoo-files.json`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zoo.files.disk import sync
from zoo.files.quoting import quote
from zoo.files.reading import Fields, read_object

MANIFEST_FILE = ".zoo-files.json"
MANIFEST_FORMAT = 1


def manifest(folder: Path) -> dict[str, int]:
    """Gives the files of a folder that we wrote: relative name -> bytes then. Empty where there is no list."""
    if not (folder / MANIFEST_FILE).is_file():
        return {}
    found = Fields(read_object(folder / MANIFEST_FILE), quote(str(folder / MANIFEST_FILE), 200)).object("files", {})
    # The list may come with a folder from elsewhere: a name in it must not lead out of the folder.
    return {n: s for n, s in found.items() if _inside(n) and isinstance(s, int)}


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "\0" not in name and not name.startswith("/") and ".." not in parts


def last_file(folder: Path) -> str:
    """Gives the file that was written last, without which the folder is not finished; "" where there is no list."""
    file = folder / MANIFEST_FILE
    return Fields(read_object(file), quote(str(file), 200)).text("last", "") if file.is_file() else ""


def sizes(folder: Path) -> dict[str, int]:
    """Gives every file below a folder, with its bytes."""
    found = {p.relative_to(folder).as_posix(): p.lstat().st_size for p in folder.rglob("*") if not p.is_dir()}
    found.pop(MANIFEST_FILE, None)
    return found


def strangers(folder: Path, owned: Mapping[str, int]) -> list[Path]:
    """Gives the files that are not ours or were changed since, links, and empty folders."""
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            strange = not any(path.iterdir())
        else:
            strange = name != MANIFEST_FILE and (path.is_symlink() or owned.get(name) != path.lstat().st_size)
        found += [path] if strange else []
    return found


def write_manifest(folder: Path, names: Mapping[str, int], last: str) -> None:
    """Writes the list; `last` is the file without which the folder is not finished."""
    content = {"format": MANIFEST_FORMAT, "last": last, "files": dict(sorted(names.items()))}
    partial = folder / f"{MANIFEST_FILE}.new"
    partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    sync(partial)
    os.replace(partial, folder / MANIFEST_FILE)

"""Gives temporary folders beside a target, and removes those that a killed process left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo import signals
from zoo.errors import ZooError
from zoo.files.disk import lock, room_of, short_name

TARGET_FILE = "target"  # in a temporary folder: the name of what is being written


@contextmanager
def temporary_folder(target: Path, tidy: bool = True) -> Iterator[Path]:
    """Gives a temporary folder on the target's disk, marked as the target's, so that one left by a kill can go."""
    room, start = room_of(target), _start(target)
    if tidy:
        _tidy(target, room, start)
    folder = Path(tempfile.mkdtemp(prefix=start, dir=room))

    def clear() -> None:
        _restore(folder, target)
        shutil.rmtree(folder, ignore_errors=True)

    with signals.cleanup(clear):
        try:
            (folder / TARGET_FILE).write_text(target.name, "utf-8")
            yield folder
        finally:
            clear()


def remove_leftovers(target: Path) -> None:
    """Removes the lock and the temporary folders that a killed process left, unless one works on the target."""
    with suppress(OSError, ZooError):
        room, hidden = room_of(target), f".{short_name(target)}.zoo-"
        if any(entry.name.startswith(hidden) for entry in room.iterdir()):
            with lock(target, wait=False):
                _tidy(target, room, _start(target))


def _start(target: Path) -> str:
    """Gives how the names of a target's temporary folders start."""
    return f".{short_name(target)}.zoo-tmp-"


def _tidy(target: Path, room: Path, start: str) -> None:
    """Removes what bears our mark: under the lock nobody else is at work, so it is left over."""
    for entry in room.iterdir():
        mark = entry / TARGET_FILE
        if entry.name.startswith(start) and mark.is_file() and mark.read_text("utf-8") == target.name:
            _restore(entry, target)
            shutil.rmtree(entry, ignore_errors=True)


def _restore(scratch: Path, target: Path) -> None:
    """Puts back what was moved away, where the new folder did not take its place."""
    if (scratch / "old").exists() and not target.exists():
        os.rename(scratch / "old", target)

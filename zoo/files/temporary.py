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
    folder = _made(room, start, target)

    def clear() -> None:
        _restore(folder, target)
        _remove(folder)

    with signals.cleanup(clear):
        try:
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


def _made(room: Path, start: str, target: Path) -> Path:
    """Makes a temporary folder and marks it as the target's."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=start, dir=room))
        try:
            (folder / TARGET_FILE).write_bytes(os.fsencode(target.name))
            return folder
        except FileNotFoundError:  # another process tidied it away before it was marked
            continue
        except BaseException:  # a full disk, a signal
            _remove(folder)
            raise


def _tidy(target: Path, room: Path, start: str) -> None:
    """Removes what bears our mark: under the lock nobody else is at work, so it is left over."""
    for entry in room.iterdir():
        if entry.name.startswith(start) and _is_ours(entry, target):
            _restore(entry, target)
            _remove(entry)


def _is_ours(entry: Path, target: Path) -> bool:
    """Tells whether a folder bears our mark, or holds nothing: it was killed before the mark was written."""
    mark = entry / TARGET_FILE
    if mark.is_file():
        return mark.read_bytes() in (os.fsencode(target.name), b"")
    return entry.is_dir() and not any(entry.iterdir())


def _remove(folder: Path) -> None:
    """Removes a temporary folder, its mark last: a kill in between leaves what `_tidy` knows."""
    with suppress(FileNotFoundError):
        for entry in list(folder.iterdir()):
            if entry.is_dir():
                # In one step, as a thread may be about to publish it.
                gone = entry.rename(folder / f"{entry.name}-gone")
                shutil.rmtree(gone, ignore_errors=True)
            elif entry.name != TARGET_FILE:
                entry.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _restore(scratch: Path, target: Path) -> None:
    """Puts back what was moved away, where the new folder did not take its place."""
    if (scratch / "old").exists() and not target.exists():
        os.rename(scratch / "old", target)

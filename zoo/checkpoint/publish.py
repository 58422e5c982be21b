"""A folder appears finished or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from zoo.errors import CheckpointError


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `target` that takes its place when the block ends without an error.

    An older folder at `target` stays as it is until then. Other processes that publish the same target wait. What a
    killed process left behind is removed by the next one.

    Raises:
        CheckpointError: `target` is a file.
    """
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not target.is_dir():
        raise CheckpointError(f"'{target}' is a file; a folder was to be written there.", "Give another --out.")
    with FileLock(target.parent / f".{target.name}.lock"):
        work, old = (target.parent / f".{target.name}.{kind}" for kind in ("tmp", "old"))
        _tidy(target, work, old)
        work.mkdir()
        try:
            yield work
            _sync_tree(work)
            if target.exists():
                os.rename(target, old)
            os.rename(work, target)
            _sync(target.parent)
        finally:
            _tidy(target, work, old)


def _tidy(target: Path, work: Path, old: Path) -> None:
    """Under the lock nobody else is at work, so whatever lies around is left over."""
    if old.exists() and not target.exists():  # killed between the two renames
        os.rename(old, target)
    for folder in (work, old):
        if folder.exists():
            shutil.rmtree(folder)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Turns what goes wrong on a disk into sentences, and locks targets that several processes write."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo import signals
from zoo.errors import DiskError, UsageError, ZooError
from zoo.files.digests import sha256_of
from zoo.files.quoting import quote

log = logging.getLogger("zoo")

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
OTHER_OUT_HINT = "Give another --out."
SECONDS_UNTIL_NOTICE = 2.0  # after which it is said that a lock is waited for
MAX_WAIT_SECONDS = 3600.0  # for a lock
MAX_NAME_BYTES = 120  # of a target, so that it fits into the name of something temporary


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turns what goes wrong with files inside into a sentence about `target`, or about another file that is named.

    Raises:
        DiskError: the disk is full, or another file cannot be read.
        UsageError: the target may not or cannot be written.
    """
    try:
        yield
    except OSError as problem:
        made = _sentence(problem, Path(os.path.abspath(target)))
        if made is None:
            raise
        raise made from problem


def _sentence(problem: OSError, target: Path) -> ZooError | None:
    if problem.errno is None or isinstance(problem, ConnectionError | BrokenPipeError | TimeoutError):
        return None
    where, why = quote(str(target), 200), problem.strerror or os.strerror(problem.errno)
    if problem.errno in DISK_FULL_ERRORS:
        return DiskError(
            f"The disk of {where} is full; nothing was published.", "Make room, or give another --out."
        )
    named = next((str(n) for n in (problem.filename2, problem.filename) if isinstance(n, str | os.PathLike)), None)
    if named is not None and not _touches(Path(os.path.abspath(named)), target):
        return DiskError(f"{quote(named, 200)} cannot be used: {why}.")
    return UsageError(f"{where} cannot be written to: {why}.", OTHER_OUT_HINT)


def _touches(path: Path, target: Path) -> bool:
    """Tells whether a path is the target, above it, in it, or temporary beside it."""
    return path == target or path in target.parents or target.parent in path.parents


def real_file(target: str | os.PathLike[str]) -> Path:
    """Gives the absolute path behind the name of a file; a link is followed and stays.

    Raises:
        UsageError: it is no name at all.
    """
    given = os.fspath(target)
    if "\0" in given or not given:
        raise UsageError(f"{quote(given, 200)} is no name of a file.", "Give another name.")
    return Path(os.path.realpath(os.path.expanduser(given)))


def real_folder(target: str | os.PathLike[str]) -> Path:
    """Gives the absolute folder behind a name; a link to a folder is followed and stays.

    Raises:
        UsageError: it is a file, is below one, or is no name at all.
    """
    given = os.fspath(target)
    where = quote(given, 200)
    if "\0" in given or not given:
        raise UsageError(f"{where} is no name of a folder.", OTHER_OUT_HINT)
    path = Path(os.path.realpath(os.path.expanduser(given)))
    with explained(path):
        there = next(p for p in (path, *path.parents) if os.path.lexists(p))
        if there.is_dir():
            return path
    if there == path:
        raise UsageError(f"{where} is a file; a folder was to be written there.", OTHER_OUT_HINT)
    raise UsageError(f"{quote(str(there), 200)} is a file, so there can be no folder {where}.", OTHER_OUT_HINT)


def room_of(target: Path) -> Path:
    """Gives the folder for what is temporary: beside the target, or in it where its parent is not ours to use."""
    if target.is_dir():
        parent = target.parent
        if not os.access(parent, os.W_OK) or target.stat().st_dev != parent.stat().st_dev or parent == target:
            return target
    return target.parent


def short_name(target: Path) -> str:
    """Gives the target's name, or where that is long a digest of it."""
    name = target.name or "root"
    return name if len(os.fsencode(name)) <= MAX_NAME_BYTES else sha256_of([os.fsencode(name)])[:32]


@contextmanager
def lock(target: Path, *, wait: bool = True, longest: float = MAX_WAIT_SECONDS) -> Iterator[None]:
    """Keeps other processes of the zoo from writing the same target; the system frees it when a process dies.

    Args:
        target: a file or folder; what holds it must exist.
        wait: wait for the other process, and say so; else refuse at once.
        longest: seconds to wait.

    Raises:
        UsageError: another process is at work there, or no lock can be made there.
    """
    from filelock import FileLock, Timeout  # late: reading needs none

    file = room_of(target) / f".{short_name(target)}.zoo-lock"
    busy = f"Another process is writing {quote(str(target), 200)}."
    held = FileLock(file)
    with explained(target):
        _touch(file)  # filelock would try for ever where this cannot be
        try:
            held.acquire(timeout=SECONDS_UNTIL_NOTICE if wait else 0)
        except Timeout:
            if not wait:
                raise UsageError(busy, "Wait until it is done, or give another --out.") from None
            log.info("%s Waiting for it.", busy)
            try:
                held.acquire(timeout=longest, poll_interval=0.2)
            except Timeout:
                raise UsageError(f"{busy} It has not ended for {longest:.0f} s.", OTHER_OUT_HINT) from None

    def free() -> None:
        with suppress(OSError):
            file.unlink()  # while it is held: whoever waits for it sees that it is gone, and makes a new one
        held.release()

    with signals.cleanup(free):
        try:
            yield
        finally:
            free()


def _touch(file: Path) -> None:
    """Makes a file that may be there; its folder may have gone with another process that failed."""
    for last in (False, False, True):
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o644))
            return
        except FileNotFoundError:
            if last or file.parent.exists():
                raise
            file.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def parents(target: Path, keep: bool = True) -> Iterator[None]:
    """Makes the folders above a target; those that it made go again when the block fails, or without `keep`."""
    missing = []
    for folder in target.parents:
        if folder.exists():
            break
        missing.append(folder)
    made: list[Path] = []

    def clear() -> None:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()

    with signals.cleanup(clear):
        try:
            for folder in reversed(missing):
                with suppress(FileExistsError):
                    folder.mkdir()
                    made.append(folder)
            yield
            if keep:
                made.clear()
        finally:
            clear()


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Writes folders and files whole or not at all, and never over what somebody else wrote.

A folder that we wrote has a hidden list of our files (`.zoo-files.json`). What is not on it is a stranger's: it
stays where it is, and where it has a name that we need the writer refuses.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from zoo import signals
from zoo.errors import UsageError
from zoo.files.disk import explained, lock, parents, real_file, real_folder, room_of, sync
from zoo.files.manifest import MANIFEST_FILE, last_file, manifest, sizes, strangers, write_manifest
from zoo.files.quoting import quote
from zoo.files.temporary import temporary_folder

RENAME_EXCHANGE, AT_FDCWD = 2, -100  # as Linux defines them, for renameat2


@contextmanager
def publish(target: str | os.PathLike[str], *, last: str = "config.json", add: bool = False) -> Iterator[Path]:
    """Gives an empty folder, whose files are moved to `target` when the block ends without an error.

    A target that is new, empty or wholly ours changes in one step. In a folder with other files ours are renamed
    into place one by one; those that an earlier call wrote there and this one does not are removed. Other
    processes that write the same target wait. What a killed process left behind is removed by the next one.

    Args:
        target: a folder, or a link to one, which stays a link.
        last: the file without which the folder is not taken for a finished one; it is renamed last.
        add: the files go into a folder as one more thing; what we wrote there earlier stays.

    Yields:
        The folder to fill. Beside it, in its parent, is room for what is not to be published.

    Raises:
        UsageError: the target is a file, may not be written, has a stranger's file with a name of ours, or
            something else of ours (without `add`).
        DiskError: the disk is full.
    """
    folder = real_folder(target)
    with explained(folder), parents(folder), lock(folder), temporary_folder(folder) as scratch:
        _refuse(folder, (last,), None if add else last)
        work = scratch / "new"
        work.mkdir()
        yield work
        names = sizes(work)
        _refuse(folder, names, None if add else last)
        for path in (*work.rglob("*"), work):
            sync(path)
        with signals.deferred():
            if _whole(folder) and not (add and folder.exists()):
                write_manifest(work, names, last)
                _swap(work, folder, scratch)
            else:
                _merge(work, folder, names, last, add)
            sync(folder.parent)


@contextmanager
def scratch(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary folder on the disk of a target that is to be published later; it goes with the block.

    Raises:
        UsageError: the target is a file, or nothing can be written there.
        DiskError: the disk is full.
    """
    folder = real_folder(target)
    name = folder.with_name(f"{folder.name}-on-the-way")  # its own: `publish` tidies up what bears the target's
    with explained(folder), parents(folder), lock(name), temporary_folder(name) as made:
        yield made


def probe(target: str | os.PathLike[str], *, last: str = "config.json") -> None:
    """Raises at once what `publish` would raise, as far as that can be known before there is anything to write."""
    folder = real_folder(target)
    with explained(folder), parents(folder, keep=False):
        _refuse(folder, (last,), last)
        with temporary_folder(folder, tidy=False):
            pass


def remove(folder: Path) -> None:
    """Removes the files of ours from a folder, and the folder when nothing else is in it.

    What a killed process left beside it goes too.
    """
    owned = manifest(folder)
    with explained(folder), lock(folder), temporary_folder(folder):
        for name in sorted(owned, key=lambda n: n != last_file(folder)):
            with suppress(FileNotFoundError):
                (folder / name).unlink()
            _prune(folder / name, folder)
        (folder / MANIFEST_FILE).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def new_file(file: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Gives a name to write to; the file is moved to `file` when the block ends without an error.

    Args:
        file: a name, or a link to a file, which stays a link.
        replace: replace a file that is there: for files of ours, or where the user said so.

    Raises:
        UsageError: there is a file already (without `replace`), a folder or device, or it may not be written.
        DiskError: the disk is full.
    """
    path = real_file(file)
    with explained(path), parents(path):
        _refuse_file(path, replace)
        with lock(path), temporary_folder(path) as scratch:
            made = scratch / f"new{path.suffix}"  # some libraries write by the ending
            yield made
            sync(made)
            _refuse_file(path, replace)
            os.replace(made, path)


@contextmanager
def write_file(file: str | os.PathLike[str], *, replace: bool = False, mode: str = "w") -> Iterator[IO[Any]]:
    """Gives a stream, whose content is at `file` when the block ends without an error; see `new_file`.

    Args:
        mode: "w" for UTF-8 text with line ends as given, "wb" for bytes.
    """
    how: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with new_file(file, replace=replace) as path, open(path, mode, **how) as stream:
        yield stream


def probe_file(file: str | os.PathLike[str], *, replace: bool = False) -> None:
    """Raises at once what `new_file` would raise, as far as that can be known before there is anything to write."""
    path = real_file(file)
    with explained(path), parents(path, keep=False):
        _refuse_file(path, replace)
        with temporary_folder(path, tidy=False):
            pass


def write_json(file: str | os.PathLike[str], content: object, *, replace: bool = False) -> None:
    """Writes a JSON document, whole or not at all; see `write_file`."""
    with write_file(file, replace=replace) as stream:
        stream.write(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def _refuse(folder: Path, names: Mapping[str, int] | tuple[str, ...], last: str | None) -> None:
    """Raises UsageError where a stranger has a file of such a name, or the folder is something else of ours."""
    owned = manifest(folder) if folder.is_dir() else {}
    if owned and last is not None and last_file(folder) not in ("", last):
        raise UsageError(
            f"{quote(str(folder), 200)} has {quote(last_file(folder))} and is something else that the zoo wrote.",
            "Give another folder, or remove this one.",
        )
    taken = [n for n in names if n not in owned and os.path.lexists(folder / n)]
    taken += [n for n in names if any(p.is_symlink() or p.is_file() for p in _between(folder, n))]
    if taken:
        more = f" and {len(taken) - 1} more of that kind" if len(taken) > 1 else ""
        raise UsageError(
            f"{quote(str(folder), 200)} has {quote(taken[0])}{more}, which the zoo has no record of writing, so "
            "it stays as it is and nothing was written.",
            "Give a new or empty folder, or move the file away.",
        )


def _between(folder: Path, name: str) -> list[Path]:
    """Gives the folders between a folder and a file below it."""
    return [folder / parent for parent in PurePosixPath(name).parents if parent.name]


def _refuse_file(path: Path, replace: bool) -> None:
    where = quote(str(path), 200)
    if path.is_dir():
        raise UsageError(f"{where} is a folder; a file was to be written there.", "Give a file.")
    if os.path.lexists(path) and not path.is_file():
        raise UsageError(f"{where} is not a regular file.", "Give a file.")
    if path.is_file() and not replace:
        raise UsageError(
            f"There is a file {where} already; it stays as it is.",
            "Give another name, or --overwrite where the command has it.",
        )


def _whole(folder: Path) -> bool:
    """Tells whether a folder can be replaced in one step: all in it is ours, and no process works inside it."""
    if not folder.exists():
        return True
    if room_of(folder) == folder or folder in (here := Path(os.path.realpath(os.curdir)), *here.parents):
        return False
    return not strangers(folder, manifest(folder))


def _swap(work: Path, target: Path, scratch: Path) -> None:
    """Puts `work` where `target` is; what was there goes to `scratch`."""
    if not target.exists() or not any(target.iterdir()):
        os.rename(work, target)
        return
    old = work
    if not _exchange(work, target):
        old = scratch / "old"
        os.rename(target, old)
        os.rename(work, target)
    for path in strangers(old, manifest(old)):  # came between the look and the change
        place = target / path.relative_to(old)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(place):
            os.rename(path, place)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two folders in one step, so that nobody sees neither; False where the system cannot."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return swap(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def _merge(work: Path, target: Path, names: Mapping[str, int], last: str, add: bool) -> None:
    """Renames our files into a folder that has others. A kill in between leaves it without `last`."""
    target.mkdir(exist_ok=True)
    owned = manifest(target)
    last = last_file(target) or last if add else last
    write_manifest(target, {**owned, **names}, last)
    if last in owned and last in names:
        (target / last).unlink(missing_ok=True)
    for name in sorted(names, key=lambda n: n == last):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, target / name)
    for name in () if add else owned.keys() - names.keys():
        path = target / name
        # One of another size was changed since, and is no longer ours.
        if path.is_file() and not path.is_symlink() and path.stat().st_size == owned[name]:
            path.unlink()
            _prune(path, target)
    if not add:
        write_manifest(target, names, last)
    sync(target)


def _prune(file: Path, folder: Path) -> None:
    """Removes the folders between, when they are empty now."""
    for between in file.relative_to(folder).parents:
        if between.name:
            with suppress(OSError):
                (folder / between).rmdir()

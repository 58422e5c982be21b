"""Unpacks an archive of a model folder that a stranger has made."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from zoo.checkpoint.layout import damaged, shown
from zoo.errors import CheckpointError, ZooError
from zoo.files import clean, is_name, open_regular, quote

MAX_MEMBERS = 10_000
# An archive may unpack to MAX_GROWTH times its size and FREE_BYTES: weights hardly shrink, so more is an attack.
MAX_GROWTH, FREE_BYTES = 20, 64 << 20
MAX_PADDING_MB = 16  # behind the last member
MAX_DEPTH, MAX_PATH_CHARACTERS = 16, 1_000  # folders in folders, characters of a path
_MAX_READ_BYTES = 4 << 20  # also the directory of a zip: some 40,000 members
_MAX_HEADER_BYTES = 64 << 10  # of a tar member's extended header
_MANY_DIGITS = re.compile(rb"\d{100}")
_EXTENDED_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
# Others ask for gigabytes of memory in a few bytes.
_KNOWN_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Limited:
    """A file for tarfile and zipfile that is read in small pieces only: their headers could ask for gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.in_header = file, False
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(_MAX_READ_BYTES + 1 if size < 0 else min(size, _MAX_READ_BYTES + 1))
        if len(data) > _MAX_READ_BYTES:
            raise ValueError(f"a header of more than {_MAX_READ_BYTES >> 20} MB")
        if self.in_header and _MANY_DIGITS.search(data):  # tarfile's search takes the square of their number
            raise ValueError("a header with a number of a hundred digits")
        return data


class _PlainInfo(tarfile.TarInfo):
    """A header of a file or folder in a tar; refuses those that tarfile would read on and on for."""

    def _proc_member(self, archive: Any) -> Any:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise ValueError("a file with holes")
        if self.type in _EXTENDED_HEADERS and self.size > _MAX_HEADER_BYTES:
            raise ValueError(f"a header of {self.size} bytes")
        archive.fileobj.in_header = self.type in _EXTENDED_HEADERS
        return super()._proc_member(archive)  # type: ignore[misc]

    def _refuse(self, *arguments: object) -> None:
        raise ValueError("a file with holes")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse


def extract(archive: Path, into: Path) -> list[Path]:
    """Unpacks a .tar, .tar.gz or .zip into an empty folder; only plain files and folders, and only below it.

    Returns:
        The files, in the order of the archive.

    Raises:
        CheckpointError: the archive is damaged or of another kind, or a member is a link or device, has a path
            that leads out, comes twice or grows beyond reason; or `into` is not empty. Nothing is left behind.
    """
    archive, into = Path(archive), Path(into)
    if not os.path.exists(archive):
        raise CheckpointError(f"There is no archive {quote(str(archive), 200)}.")
    open_regular(archive).close()
    try:
        if into.exists() and not (into.is_dir() and not any(into.iterdir())):
            raise CheckpointError(
                f"{quote(str(into), 200)} is not an empty folder; an archive was to be unpacked there."
            )
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{quote(str(into), 200)} cannot be made: {error.strerror}.") from None
    try:
        return [into / name for name in _unpack(archive, into)]
    except BaseException as error:
        for path in into.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if isinstance(error, ZooError) or not isinstance(error, Exception):
            raise
        # tarfile, zipfile, gzip and zlib raise whatever comes to hand on bytes that are not as they should be.
        raise damaged(f"{shown(archive)} cannot be unpacked: {clean(_reason(error), 120)}.") from None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _unpack(archive: Path, folder: Path) -> list[PurePosixPath]:
    limit = archive.stat().st_size * MAX_GROWTH + FREE_BYTES
    names: dict[PurePosixPath, None] = {}
    for name, size, source in _members(archive):
        path = _inside(name, archive)
        limit -= size
        if limit < 0 or len(names) >= MAX_MEMBERS:
            raise CheckpointError(
                f"{shown(archive)} unpacks to more than {MAX_GROWTH} times its size or {MAX_MEMBERS} files, "
                "which no model does."
            )
        if path in names:
            raise CheckpointError(f"{quote(name)} is twice in {shown(archive)}; which one is meant is unclear.")
        names[path] = None
        _write(source, folder / path, size)
    return list(names)


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Gives name, size and an open reader of every file; refuses what is no file or folder."""
    with open(archive, "rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        yield from _zip_members(archive)
    elif start[:2] == b"\x1f\x8b":
        with gzip.open(archive) as packed:
            yield from _tar_members(archive, packed)  # type: ignore[arg-type]
            for _ in range(MAX_PADDING_MB):  # only at its end does gzip compare the checksum
                if not packed.read(1 << 20):
                    return
            raise ValueError("there is more behind its end")
    else:
        with open(archive, "rb") as plain:
            yield from _tar_members(archive, plain)


def _zip_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with open(archive, "rb") as file, zipfile.ZipFile(_Limited(file)) as packed:  # type: ignore[arg-type]
        for info in packed.infolist():
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(info.filename, archive)
            if info.compress_type not in _KNOWN_COMPRESSIONS:
                raise ValueError(
                    f"{quote(info.filename)} is compressed in a way that archives of models do not use"
                )
            if not info.is_dir():
                with packed.open(info) as source:
                    yield info.filename, info.file_size, source


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(fileobj=_Limited(file), mode="r:", tarinfo=_PlainInfo) as packed:  # type: ignore[call-overload]
        for count, member in enumerate(packed):
            if not (member.isdir() or member.isreg()) or member.issparse():
                raise _refused(member.name, archive)
            if count > 2 * MAX_MEMBERS:
                raise ValueError("more members than any model has")
            packed.members = []  # tarfile keeps a record of each otherwise
            source = packed.extractfile(member) if member.isreg() else None
            if source is not None:
                yield member.name, member.size, source
            else:
                _inside(member.name, archive)
        file.seek(packed.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut off")


def _refused(name: str, archive: Path) -> CheckpointError:
    return CheckpointError(
        f"{quote(name)} in {shown(archive)} is a link or a device, not a file; nothing was unpacked."
    )


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    parts = path.parts
    if path.is_absolute() or ".." in parts or any(sign in name for sign in "\\:\0"):
        raise CheckpointError(f"{quote(name)} in {shown(archive)} leads out of the folder; nothing was unpacked.")
    if len(name) > MAX_PATH_CHARACTERS or len(parts) > MAX_DEPTH or not all(map(is_name, parts)):
        raise CheckpointError(f"{quote(name)} in {shown(archive)} is no name of a file; nothing was unpacked.")
    return path


def _write(source: IO[bytes], path: Path, size: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = open(path, "xb")  # noqa: SIM115
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ValueError(f"{quote(path.name)} is both a file and a folder") from None
    with target:
        shutil.copyfileobj(source, target, 1 << 20)
        if target.tell() != size:
            raise EOFError(f"{quote(path.name)} is cut off")

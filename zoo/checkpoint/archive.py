"""Unpacks an archive of a model folder that a stranger has made."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from zoo.checkpoint.layout import damaged
from zoo.errors import CheckpointError

MAX_MEMBERS = 10_000
MAX_RATIO, MAX_SMALL = 20, 64 << 20  # weights hardly shrink: what grows more than this is a bomb
_MAX_READ = 16 << 20
MAX_TAIL = 16  # MB of padding behind the last member
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


class _Limited:
    """Reads for tarfile, in pieces of a sensible size only: its own headers could ask for gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)


def extract(archive: Path, into: Path) -> list[Path]:
    """Unpacks a .tar, .tar.gz or .zip into an empty folder; only plain files and folders, and only below it.

    Returns:
        The files, in the order of the archive.

    Raises:
        CheckpointError: the archive is damaged or of another kind, or a member is a link or device, has a path
            that leads out, comes twice or grows beyond reason; or `into` is not empty. Nothing is left behind.
    """
    archive, into = Path(archive), Path(into)
    if not archive.is_file():
        raise CheckpointError(f"There is no archive '{archive}'.")
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise CheckpointError(f"'{into}' is not an empty folder; an archive was to be unpacked there.")
    into.mkdir(parents=True, exist_ok=True)
    try:
        return [into / name for name in _unpack(archive, into)]
    except BaseException as error:
        for path in into.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if isinstance(error, _BROKEN):
            raise damaged(f"{archive} cannot be unpacked: {error}.") from None
        raise


def _unpack(archive: Path, folder: Path) -> list[PurePosixPath]:
    limit = archive.stat().st_size * MAX_RATIO + MAX_SMALL
    names: dict[PurePosixPath, None] = {}
    for name, size, source in _members(archive):
        path = _inside(name, archive)
        limit -= size
        if limit < 0 or len(names) >= MAX_MEMBERS:
            raise CheckpointError(
                f"{archive} unpacks to more than {MAX_RATIO} times its size or {MAX_MEMBERS} files, "
                "which no model does."
            )
        if path in names:
            raise CheckpointError(f"'{name}' is twice in {archive}; which one is meant is unclear.")
        names[path] = None
        _write(source, folder / path, size)
    return list(names)


def _members(archive: Path) -> Iterator[tuple[str, int, Any]]:
    """Name, size and an open reader of every file; refuses what is no file or folder."""
    with open(archive, "rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        yield from _zip_members(archive)
    elif start[:2] == b"\x1f\x8b":
        with gzip.open(archive) as packed:
            yield from _tar_members(archive, packed)  # type: ignore[arg-type]
            for _ in range(MAX_TAIL):  # only at its end does gzip compare the checksum
                if not packed.read(1 << 20):
                    return
            raise ValueError("there is more behind its end")
    else:
        with open(archive, "rb") as plain:
            yield from _tar_members(archive, plain)


def _zip_members(archive: Path) -> Iterator[tuple[str, int, Any]]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(info.filename, archive)
            if not info.is_dir():
                with packed.open(info) as source:
                    yield info.filename, info.file_size, source


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[tuple[str, int, Any]]:
    with tarfile.open(fileobj=_Limited(file), mode="r:") as packed:  # type: ignore[call-overload]
        for member in packed:
            if not (member.isdir() or member.isreg()) or member.issparse():
                raise _refused(member.name, archive)
            packed.members = []  # tarfile keeps a record of each otherwise
            if member.isreg():
                yield member.name, member.size, packed.extractfile(member)
            else:
                _inside(member.name, archive)
        file.seek(packed.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut off")


def _refused(name: str, archive: Path) -> CheckpointError:
    return CheckpointError(f"'{name[:200]}' in {archive} is a link or a device, not a file; nothing was unpacked.")


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    bad = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    if bad or (not path.parts and name.strip("./")):
        raise CheckpointError(f"'{name[:200]}' in {archive} leads out of the folder; nothing was unpacked.")
    return path


def _write(source: Any, path: Path, size: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = open(path, "xb")  # noqa: SIM115
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ValueError(f"'{path.name}' is both a file and a folder") from None
    with target:
        shutil.copyfileobj(source, target, 1 << 20)
        if target.tell() != size:
            raise EOFError(f"'{path.name}' is cut off")

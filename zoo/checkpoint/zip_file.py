"""Where the members of an uncompressed zip archive lie, for reading them in place."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from zoo.checkpoint.layout import damaged
from zoo.errors import CheckpointError

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
MAX_MEMBERS = 1_000_000
_FULL = 0xFFFFFFFF
_SAVE = "Load it with torch.jit.load and save its state_dict()."


def members(data: memoryview, file: Path) -> dict[str, tuple[int, int]]:
    """Name of each member -> its first byte and the byte behind it.

    Raises:
        CheckpointError: the archive is cut off or damaged, or has duplicate, overlapping, compressed or
            encrypted members.
    """
    try:
        found = _members(data, file)
    except (struct.error, UnicodeDecodeError, IndexError):
        raise damaged(f"{file} is a damaged zip archive.") from None
    last, last_name = 0, ""
    for name, (start, end) in sorted(found.items(), key=lambda item: item[1]):
        if start < last and end > start:
            raise damaged(f"'{last_name}' and '{name}' overlap in the zip archive {file}.")
        last, last_name = max(last, end), name
    return found


def _members(data: memoryview, file: Path) -> dict[str, tuple[int, int]]:
    count, at, end = _directory(data, file)
    if count > MAX_MEMBERS:
        raise CheckpointError(f"{file} is a zip archive with {count} members, which no checkpoint has.")
    found: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        if at + 46 > end or data[at : at + 4] != _ENTRY:
            raise damaged(f"{file} is a damaged zip archive: its directory is cut off.")
        fields = struct.unpack("<4s6H3I5H2I", data[at : at + 46])
        flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_size, extra_size, comment_size, offset = fields[10], fields[11], fields[12], fields[16]
        at += 46
        name = bytes(data[at : at + name_size]).decode("utf-8")
        extra = data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if at > end:
            raise damaged(f"{file} is a damaged zip archive: its directory is cut off.")
        size, packed, offset = _wide(extra, size, packed, offset)
        if name in found:
            raise CheckpointError(f"'{name}' is twice in the zip archive {file}; which one is meant is unclear.")
        if "/code/" in name:
            raise CheckpointError(f"{file} is a TorchScript program; only state dicts are read.", _SAVE)
        if method != 0 or size != packed:
            raise CheckpointError(
                f"'{name}' is compressed in the zip archive {file}; torch stores its members as they are.",
                "Unpack the archive, or save the checkpoint again with torch.save.",
            )
        if flags & 1:
            raise CheckpointError(f"'{name}' is encrypted in the zip archive {file}.")
        start = _start(data, offset, name, file)
        if start + size > len(data):
            raise damaged(f"'{name}' ends beyond the end of the zip archive {file}.")
        if name.endswith(".pkl") and zlib.crc32(data[start : start + size]) != crc:
            raise damaged(f"'{name}' in the zip archive {file} has a wrong checksum.")
        found[name] = (start, start + size)
    return found


def _directory(data: memoryview, file: Path) -> tuple[int, int, int]:
    """Number of members, first byte of the directory, byte behind it."""
    tail = max(0, len(data) - 65557)
    where = bytes(data[tail:]).rfind(_END)
    if where < 0:
        raise damaged(f"{file} is a zip archive that is cut off: its directory is missing.")
    where += tail
    count, size, start = struct.unpack("<10xHII", data[where : where + 20])
    if where >= 20 and data[where - 20 : where - 16] == _LOCATOR64:
        where = struct.unpack("<8xQ", data[where - 20 : where - 4])[0]
        if where + 56 > len(data) or data[where : where + 4] != _END64:
            raise damaged(f"{file} is a damaged zip archive: its directory is missing.")
        count, size, start = struct.unpack("<32xQQQ", data[where : where + 56])
    if start + size > len(data):
        raise damaged(f"{file} is a zip archive that is cut off: its directory is missing.")
    return count, start, start + size


def _wide(extra: memoryview, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes above 4 GB stand in the extra field, in this order, where the short field is full."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        if kind == 1:
            values = list(struct.unpack(f"<{length // 8}Q", extra[at + 4 : at + 4 + length // 8 * 8]))
            size = values.pop(0) if size == _FULL else size
            packed = values.pop(0) if packed == _FULL else packed
            offset = values.pop(0) if offset == _FULL else offset
            break
        at += 4 + length
    return size, packed, offset


def _start(data: memoryview, offset: int, name: str, file: Path) -> int:
    header = data[offset : offset + 30]
    if len(header) < 30 or header[:4] != _LOCAL:
        raise damaged(f"'{name}' is not where the directory of the zip archive {file} says.")
    name_size, extra_size = struct.unpack("<26xHH", header)
    start = offset + 30
    if bytes(data[start : start + name_size]) != name.encode():
        raise damaged(f"'{name}' has another name at its place in the zip archive {file}.")
    return start + name_size + extra_size

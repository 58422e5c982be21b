"""Finds the members of an uncompressed zip archive, for reading them in place."""

from __future__ import annotations

import struct

from zoo.checkpoint.layout import ZipMember, damaged
from zoo.errors import CheckpointError
from zoo.files import quote

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
MAX_MEMBERS, MAX_NAME_BYTES = 200_000, 1_000
_IN_EXTRA_FIELD = 0xFFFFFFFF
_TORCHSCRIPT_HINT = "Load it with torch.jit.load and save its state_dict()."


def members(data: memoryview, source: str) -> dict[str, ZipMember]:
    """Gives the members by name. Their checksums are not compared here.

    Raises:
        CheckpointError: the archive is cut off or damaged, or has duplicate, overlapping, compressed or
            encrypted members.
    """
    try:
        found = _members(data, source)
    except (struct.error, UnicodeDecodeError, IndexError):
        raise damaged(f"{source} is a damaged zip archive.") from None
    last, last_name = 0, ""
    for part in sorted(found.values(), key=lambda part: (part.start, part.end)):
        if part.start < last and part.end > part.start:
            raise damaged(f"{quote(last_name)} and {quote(part.name)} overlap in the zip archive {source}.")
        last, last_name = max(last, part.end), part.name
    return found


def _members(data: memoryview, source: str) -> dict[str, ZipMember]:
    count, at, end = _directory(data, source)
    if count > MAX_MEMBERS:
        raise CheckpointError(f"{source} is a zip archive with {count} members, which no checkpoint has.")
    found: dict[str, ZipMember] = {}
    for _ in range(count):
        if at + 46 > end or data[at : at + 4] != _ENTRY:
            raise damaged(f"{source} is a damaged zip archive: its directory is cut off.")
        fields = struct.unpack("<4s6H3I5H2I", data[at : at + 46])
        flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_size, extra_size, comment_size, offset = fields[10], fields[11], fields[12], fields[16]
        at += 46
        if name_size > MAX_NAME_BYTES:
            raise damaged(f"{source} is a zip archive with a name of {name_size} bytes, which no checkpoint has.")
        name = bytes(data[at : at + name_size]).decode("utf-8")
        extra = data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if at > end:
            raise damaged(f"{source} is a damaged zip archive: its directory is cut off.")
        size, packed, offset = _wide(extra, size, packed, offset)
        if name in found:
            raise CheckpointError(
                f"{quote(name)} is twice in the zip archive {source}; which one is meant is unclear."
            )
        if "/code/" in name:
            raise CheckpointError(
                f"{source} is a TorchScript program; only state dicts are read.", _TORCHSCRIPT_HINT
            )
        if method != 0 or size != packed:
            raise CheckpointError(
                f"{quote(name)} is compressed in the zip archive {source}; torch stores its members as they are.",
                "Unpack the archive, or save the checkpoint again with torch.save.",
            )
        if flags & 1:
            raise CheckpointError(f"{quote(name)} is encrypted in the zip archive {source}.")
        start = _start(data, offset, name, source)
        if start + size > len(data):
            raise damaged(f"{quote(name)} ends beyond the end of the zip archive {source}.")
        found[name] = ZipMember(name, start, start + size, crc)
    return found


def _directory(data: memoryview, source: str) -> tuple[int, int, int]:
    """Gives the number of members, first byte of the directory, byte behind it."""
    tail = max(0, len(data) - 65557)
    where = bytes(data[tail:]).rfind(_END)
    if where < 0:
        raise damaged(f"{source} is a zip archive that is cut off: its directory is missing.")
    where += tail
    count, size, start = struct.unpack("<10xHII", data[where : where + 20])
    if where >= 20 and data[where - 20 : where - 16] == _LOCATOR64:
        where = struct.unpack("<8xQ", data[where - 20 : where - 4])[0]
        if where + 56 > len(data) or data[where : where + 4] != _END64:
            raise damaged(f"{source} is a damaged zip archive: its directory is missing.")
        count, size, start = struct.unpack("<32xQQQ", data[where : where + 56])
    if start + size > len(data):
        raise damaged(f"{source} is a zip archive that is cut off: its directory is missing.")
    return count, start, start + size


def _wide(extra: memoryview, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Gives sizes above 4 GB from the extra field, in this order, where the short field is full."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        if kind == 1:
            values = list(struct.unpack(f"<{length // 8}Q", extra[at + 4 : at + 4 + length // 8 * 8]))
            size = values.pop(0) if size == _IN_EXTRA_FIELD else size
            packed = values.pop(0) if packed == _IN_EXTRA_FIELD else packed
            offset = values.pop(0) if offset == _IN_EXTRA_FIELD else offset
            break
        at += 4 + length
    return size, packed, offset


def _start(data: memoryview, offset: int, name: str, source: str) -> int:
    header = data[offset : offset + 30]
    if len(header) < 30 or header[:4] != _LOCAL:
        raise damaged(f"{quote(name)} is not where the directory of the zip archive {source} says.")
    name_size, extra_size = struct.unpack("<26xHH", header)
    start = offset + 30
    if bytes(data[start : start + name_size]) != name.encode():
        raise damaged(f"{quote(name)} has another name at its place in the zip archive {source}.")
    return start + name_size + extra_size

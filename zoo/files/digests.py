"""Gives digests of files and bytes: sha256, and the name that git gives to a content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK_BYTES = 1 << 24  # read at once


def sha256(file: Path) -> str:
    """Gives the sha256 of a file's bytes, as 64 hexadecimal digits."""
    return sha256_of(_blocks(file))


def sha256_of(blocks: Iterable[bytes | memoryview]) -> str:
    """Gives the sha256 of blocks of bytes, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def git_blob_name(file: Path) -> str:
    """Gives git's name of a file's content (the sha1 of its size and bytes), as 40 hexadecimal digits."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    for block in _blocks(file):
        digest.update(block)
    return digest.hexdigest()


def _blocks(file: Path) -> Iterator[bytes]:
    with open(file, "rb", buffering=0) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block

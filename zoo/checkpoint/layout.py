"""Describes where the tensors of a file lie, with the checks that the parsers of all formats share."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError
from zoo.files import clean, quote

MAX_DIMENSIONS, MAX_SIZE, MAX_ELEMENTS = 32, 1 << 48, 1 << 56
MAX_EXPANDED = 256 << 20  # bytes of a view that repeats elements of its storage


def damaged(problem: str) -> CheckpointError:
    """Makes the error for a file that is not as its publisher wrote it."""
    return CheckpointError(
        problem, "The file is damaged or cut off: get it again and compare its sha256 with the publisher's."
    )


def shown(file: Path) -> str:
    """Gives a path as a message shows it."""
    return clean(str(file), 300)


@dataclass(frozen=True)
class ZipMember:
    """A member of a zip archive: name, first byte, byte behind it, and the CRC-32 that the archive has of it."""

    name: str
    start: int
    end: int
    crc: int

    def is_whole(self, data: memoryview) -> bool:
        """Compares the checksum; one pass over the bytes."""
        return zlib.crc32(data[self.start : self.end]) == self.crc


@dataclass(frozen=True)
class StoredTensor:
    """The place of a tensor in a file.

    Attributes:
        start: byte offset of its first element; strides: steps in elements, None when contiguous.
        utf8: bytes that its data takes as UTF-8 text (Python 2 compatible pickles write bytes so), 0 otherwise.
        inline: data that is not in the file as it is; `start` counts from its beginning then.
    part: the member of an archive that the data is a part of, whose checksum is compared before it is used.
    """

    info: TensorInfo
    start: int
    strides: tuple[int, ...] | None = None
    utf8: int = 0
    inline: bytes | str | None = None
    part: ZipMember | None = None


@dataclass(frozen=True)
class FileContent:
    """The tensors and texts that a parser finds in one file."""

    format: str
    tensors: Mapping[str, StoredTensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)


def check_shape(name: str, shape: object, source: str) -> tuple[int, ...]:
    """Gives a shape from a file as a tuple of sensible sizes.

    Args:
        source: what a message calls the file.

    Raises:
        CheckpointError: it is no list of sizes, or no array could be that large.
    """
    sizes = tuple(shape) if isinstance(shape, list | tuple) and len(shape) <= MAX_DIMENSIONS else None
    if sizes is not None and not all(type(n) is int and 0 <= n < MAX_SIZE for n in sizes):
        sizes = None
    if sizes is None or math.prod(n or 1 for n in sizes) >= MAX_ELEMENTS:
        raise damaged(f"{quote(name)} in {source} has the impossible shape {quote(shape)}.")
    return sizes


def keys_of(root: object) -> str:
    """Gives the first keys of a dict for a message; empty for anything else."""
    return ", ".join(quote(key, 40) for key in islice(root, 8)) if isinstance(root, dict) else ""


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Gives the strides, in elements, of a contiguous array."""
    return tuple(math.prod(shape[n + 1 :]) for n in range(len(shape)))


def last_element(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Counts the elements from the first to the last one, both included; 0 for an empty tensor."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))


def view(stored: StoredTensor, buffer: memoryview | bytes) -> np.ndarray:
    """Gives the tensor as a view of the file; only UTF-8 data is decoded into memory."""
    info = stored.info
    dtype = NUMPY_DTYPES[info.dtype]
    start = stored.start
    if stored.inline is not None:
        buffer = stored.inline.encode() if isinstance(stored.inline, str) else stored.inline
    elif stored.utf8:
        try:
            raw = str(memoryview(buffer)[start : start + stored.utf8], "utf-8").encode("latin-1")
        except UnicodeError as error:
            raise damaged(f"{quote(info.name)} has data that is not bytes ({clean(str(error))}).") from None
        if len(raw) != math.prod(info.shape) * dtype.itemsize:
            raise damaged(f"{quote(info.name)} has {len(raw)} bytes of data, which is not its size.")
        buffer, start = raw, 0
    if 0 in info.shape:
        return np.empty(info.shape, dtype)
    strides = None if stored.strides is None else tuple(step * dtype.itemsize for step in stored.strides)
    return np.ndarray(info.shape, dtype, buffer, start, strides)


def simplify(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """Gives strides, or None for those that mean a contiguous array (a step over one element has no meaning)."""
    contiguous = row_major(shape)
    same = all(n == 1 or a == b for n, a, b in zip(shape, strides, contiguous, strict=True))
    return None if same or 0 in shape else strides

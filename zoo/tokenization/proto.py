"""Reads and writes fields in protocol-buffer encoding: all that a SentencePiece model's file needs.

Field numbers are those of sentencepiece_model.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PIECES_FIELD, TRAINER_FIELD, NORMALIZER_FIELD = 1, 2, 3  # of the model
NAME_FIELD, CHARMAP_FIELD = 1, 2  # of the normaliser
LENGTH_DELIMITED = 2  # the kind of field that has a length
FIXED_SIZES = {1: 8, 5: 4}  # bytes of the kinds that have not


def field(number: int, content: bytes) -> bytes:
    """Gives a field of bytes."""
    return bytes([number << 3 | LENGTH_DELIMITED]) + _varint(len(content)) + content


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Gives numbers and contents of the fields of bytes; others are passed over.

    Raises:
        ValueError: the bytes are no such message.
    """
    return ((number, value) for number, kind, value in values(data) if kind == LENGTH_DELIMITED)


def values(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Gives number, kind and value of every field: an int of kind 0, bytes of the others.

    Raises:
        ValueError: the bytes are no such message.
    """
    at = 0
    while at < len(data):
        tag, at = _read(data, at)
        kind, value, size = tag & 7, None, 0
        if kind == 0:
            value, at = _read(data, at)
        elif kind in FIXED_SIZES:
            size = FIXED_SIZES[kind]
        elif kind == LENGTH_DELIMITED:
            size, at = _read(data, at)
        else:
            raise ValueError(f"there is no kind of field {kind}")
        if at + size > len(data):
            raise ValueError("a field is longer than the message")
        yield tag >> 3, kind, data[at : at + size] if value is None else value
        at += size


def charmap_of(model: bytes) -> bytes:
    """Gives the table of SentencePiece's normalisation; empty where the model has none.

    Raises:
        ValueError: as `fields`.
    """
    at, piece, end = 0, PIECES_FIELD << 3 | LENGTH_DELIMITED, len(model) - 1
    while at < end and model[at] == piece and model[at + 1] < 128:  # the pieces come first, and are many
        at += 2 + model[at + 1]
    normalizer = next((content for number, content in fields(model[at:]) if number == NORMALIZER_FIELD), b"")
    return next((content for number, content in fields(normalizer) if number == CHARMAP_FIELD), b"")


def whole(number: int, value: int) -> bytes:
    """Gives a field of a whole number."""
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def _read(data: bytes, at: int) -> tuple[int, int]:
    """Gives a number of variable length, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number does not end")

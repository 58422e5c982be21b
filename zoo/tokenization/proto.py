"""Fields of bytes in protocol-buffer encoding: all that is needed of a SentencePiece model's file.

Field numbers are those of sentencepiece_model.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

PIECES, TRAINER, NORMALIZER = 1, 2, 3  # of the model
NAME, CHARMAP = 1, 2  # of the normaliser
BYTES = 2  # the kind of field that has a length
SIZES = {1: 8, 5: 4}  # bytes of the kinds that have not


def field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return bytes([number << 3 | BYTES]) + _varint(len(content)) + content


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the fields of bytes; others are passed over.

    Raises:
        ValueError: the bytes are no such message.
    """
    at = 0
    while at < len(data):
        tag, at = _read(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _read(data, at)
        elif kind in SIZES:
            at += SIZES[kind]
        elif kind == BYTES:
            size, at = _read(data, at)
            if at + size > len(data):
                raise ValueError("a field is longer than the message")
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"there is no kind of field {kind}")


def charmap_of(model: bytes) -> bytes:
    """The table of SentencePiece's normalisation; empty where the model has none.

    Raises:
        ValueError: as `fields`.
    """
    at, piece, end = 0, PIECES << 3 | BYTES, len(model) - 1
    while at < end and model[at] == piece and model[at + 1] < 128:  # the pieces come first, and are many
        at += 2 + model[at + 1]
    normalizer = next((content for number, content in fields(model[at:]) if number == NORMALIZER), b"")
    return next((content for number, content in fields(normalizer) if number == CHARMAP), b"")


def _varint(value: int) -> bytes:
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def _read(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number does not end")

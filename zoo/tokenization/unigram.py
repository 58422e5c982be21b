"""XLM-R's SentencePiece model, rebuilt from a tokenizer.json for folders that have nothing else.

The file holds the pieces, their scores and the character map, which is all that the sentencepiece library needs;
so such a folder gets the original's ids too, and not those of the `tokenizers` library, which normalises otherwise.
Field numbers are those of sentencepiece_model.proto.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

from zoo.tokenization.sentence import FIRST, MASK

NORMAL, UNKNOWN, CONTROL = 1, 2, 3


def model_of(document: dict[str, Any]) -> bytes | None:
    """The content of a .model file; None when the tokenizer is not one of XLM-R's kind."""
    model, normalizer = document.get("model"), document.get("normalizer")
    if not isinstance(model, dict) or model.get("type") != "Unigram" or model.get("byte_fallback"):
        return None
    vocab: list[tuple[str, float]] = model.get("vocab") or []
    names = [piece for piece, _ in vocab]
    charmap = next(
        (base64.b64decode(n["precompiled_charsmap"]) for n in _parts(normalizer) if _is_charmap(n)), None
    )
    if tuple(names[:4]) != FIRST or charmap is None:
        return None
    last = len(vocab) - (names[-1] == MASK)
    special = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces = [*special, *((piece, score, NORMAL) for piece, score in vocab[4:last])]
    body = b"".join(
        _field(1, _field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
        for piece, score, kind in pieces
    )
    trainer = b"\x18\x01"  # model_type: unigram
    return body + _field(2, trainer) + _field(3, _field(1, b"nmt_nfkc") + _field(2, charmap))


def added_of(document: dict[str, Any]) -> dict[str, int]:
    """Tokens that were added to the model, with their ids."""
    return {token["content"]: token["id"] for token in document.get("added_tokens") or []}


def _parts(normalizer: Any) -> Iterator[dict[str, Any]]:
    if isinstance(normalizer, dict):
        yield from normalizer.get("normalizers") or [normalizer]


def _is_charmap(part: dict[str, Any]) -> bool:
    return part.get("type") == "Precompiled"


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes in protocol-buffer encoding."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content

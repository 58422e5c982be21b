"""XLM-R's SentencePiece model, rebuilt from a tokenizer.json for folders that have nothing else.

The file holds the pieces, their scores and the character map, which is all that the sentencepiece library needs;
so such a folder gets the original's ids too, and not those of the `tokenizers` library, which normalises otherwise.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.tokenization import proto
from zoo.tokenization.sentence import FIRST, MASK, SPACE

CHARMAP = "Precompiled"
NORMAL, UNKNOWN, CONTROL = 1, 2, 3


def model_of(document: Mapping[str, Any]) -> bytes | None:
    """The content of a .model file; None when the tokenizer is not one of XLM-R's kind."""
    model, normalizer = document.get("model"), document.get("normalizer")
    if not isinstance(model, dict) or model.get("type") != "Unigram" or model.get("byte_fallback"):
        return None
    vocab: list[tuple[str, float]] = model.get("vocab") or []
    names = [piece for piece, _ in vocab]
    charmap = next(
        (base64.b64decode(n["precompiled_charsmap"]) for n in _parts(normalizer) if n.get("type") == CHARMAP), None
    )
    if tuple(names[:4]) != FIRST or charmap is None or not _is_plain(document):
        return None
    last = len(vocab) - (names[-1] == MASK)
    if MASK in names[:last]:
        return None
    special = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces = [*special, *((piece, score, NORMAL) for piece, score in vocab[4:last])]
    body = b"".join(
        proto.field(
            proto.PIECES,
            proto.field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]),
        )
        for piece, score, kind in pieces
    )
    trainer = b"\x18\x01"  # model_type: unigram
    normal = proto.field(proto.NAME, b"nmt_nfkc") + proto.field(proto.CHARMAP, charmap)
    return body + proto.field(proto.TRAINER, trainer) + proto.field(proto.NORMALIZER, normal)


def _is_plain(document: Mapping[str, Any]) -> bool:
    """True when nothing changes the text but what the sentencepiece library does too."""
    normal = all(n.get("type") == CHARMAP or _is_runs(n) for n in _parts(document.get("normalizer")))
    cut = [*_parts(document.get("pre_tokenizer"))]
    spaced = all(
        p.get("type") == "WhitespaceSplit"
        or (
            p.get("type") == "Metaspace"
            and p.get("replacement") == SPACE
            and p.get("prepend_scheme", "always" if p.get("add_prefix_space", True) else "never") == "always"
        )
        for p in cut
    )
    return normal and spaced


def _is_runs(part: dict[str, Any]) -> bool:
    """True for the rule that makes one space of several."""
    pattern = part.get("pattern")
    return (
        part.get("type") == "Replace"
        and pattern in ({"Regex": " {2,}"}, {"Regex": " +"})
        and part.get("content") in (" ", SPACE)
    )


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield from part.get("normalizers") or part.get("pretokenizers") or [part]

"""Rebuilds XLM-R's SentencePiece model from a tokenizer.json, for folders that have nothing else.

The file holds the pieces, their scores and the character map, which is all that the sentencepiece library needs;
so such a folder gets the original's ids too, and not those of the `tokenizers` library, which normalises otherwise.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from zoo.files import JsonObject
from zoo.tokenization import proto
from zoo.tokenization.sentence import FIRST_TOKENS, MASK_TOKEN, SPACE_MARK

CHARMAP_TYPE = "Precompiled"
NORMAL_PIECE, UNKNOWN_PIECE, CONTROL_PIECE = 1, 2, 3


def model_of(document: JsonObject) -> bytes | None:
    """Gives the content of a .model file; None when the tokenizer is not one of XLM-R's kind."""
    model, normalizer = document.get("model"), document.get("normalizer")
    if not isinstance(model, dict) or model.get("type") != "Unigram" or model.get("byte_fallback"):
        return None
    vocab: list[tuple[str, float]] = model.get("vocab") or []
    names = [piece for piece, _ in vocab]
    charmap = next(
        (base64.b64decode(n["precompiled_charsmap"]) for n in _parts(normalizer) if n.get("type") == CHARMAP_TYPE),
        None,
    )
    if tuple(names[:4]) != FIRST_TOKENS or charmap is None or not _is_plain(document):
        return None
    last = len(vocab) - (names[-1] == MASK_TOKEN)
    if MASK_TOKEN in names[:last]:
        return None
    special = [("<unk>", 0.0, UNKNOWN_PIECE), ("<s>", 0.0, CONTROL_PIECE), ("</s>", 0.0, CONTROL_PIECE)]
    pieces = [*special, *((piece, score, NORMAL_PIECE) for piece, score in vocab[4:last])]
    body = b"".join(
        proto.field(
            proto.PIECES_FIELD,
            proto.field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]),
        )
        for piece, score, kind in pieces
    )
    trainer = b"\x18\x01"  # model_type: unigram
    normal = proto.field(proto.NAME_FIELD, b"nmt_nfkc") + proto.field(proto.CHARMAP_FIELD, charmap)
    return body + proto.field(proto.TRAINER_FIELD, trainer) + proto.field(proto.NORMALIZER_FIELD, normal)


def _is_plain(document: JsonObject) -> bool:
    """Tells whether nothing changes the text but what the sentencepiece library does too."""
    normal = all(n.get("type") == CHARMAP_TYPE or _is_runs(n) for n in _parts(document.get("normalizer")))
    cut = [*_parts(document.get("pre_tokenizer"))]
    spaced = all(
        p.get("type") == "WhitespaceSplit"
        or (
            p.get("type") == "Metaspace"
            and p.get("replacement") == SPACE_MARK
            and p.get("prepend_scheme", "always" if p.get("add_prefix_space", True) else "never") == "always"
        )
        for p in cut
    )
    return normal and spaced


def _is_runs(part: JsonObject) -> bool:
    """Tells whether a rule makes one space of several."""
    pattern = part.get("pattern")
    return (
        part.get("type") == "Replace"
        and pattern in ({"Regex": " {2,}"}, {"Regex": " +"})
        and part.get("content") in (" ", SPACE_MARK)
    )


def _parts(part: object) -> Iterator[JsonObject]:
    if isinstance(part, dict):
        yield from part.get("normalizers") or part.get("pretokenizers") or [part]

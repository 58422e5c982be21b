"""Bounds what a tokenizer.json may ask for: no text or table grows without limit, whatever the file says."""

from __future__ import annotations

import base64
import binascii

from zoo.errors import CheckpointError
from zoo.files import Fields, JsonObject, quote
from zoo.tokenization.added import MOST_IDS, read_id

MAX_GROWTH = 128  # characters that normalisation may make of one
MAX_PARTS = 64  # of a normaliser or decoder
MAX_WORD_CHARACTERS = 1000  # of a word that is looked up piece by piece; BERT's limit is 100
# Signs of a pattern that may match between two characters; such a match adds its replacement and takes nothing.
EMPTY_MATCH_SIGNS = ("*", "?", "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\G", "|", "{0", "{,", "()")
GROWTH_BY_TYPE = {"ByteLevel": 4}  # bytes of a character, each spelled as one


def check(document: JsonObject, source: str) -> None:
    """Looks at the parts of a tokenizer.json that decide how large things become.

    Raises:
        CheckpointError: an id beyond every vocabulary, or a text that would grow without limit.
    """
    model = Fields(document, source).below("model")
    vocab = model.content.get("vocab")
    if isinstance(vocab, dict):
        largest = max((n for n in vocab.values() if isinstance(n, int)), default=0)
        read_id(largest, f"A token of {source}")
    elif isinstance(vocab, list) and len(vocab) > MOST_IDS:
        raise CheckpointError(f"{source} has {len(vocab):,} tokens; no model has so many.")
    model.whole("max_input_chars_per_word", 100, 0, MAX_WORD_CHARACTERS)
    for name in ("normalizer", "decoder"):
        left = [MAX_PARTS]
        if (growth := _growth(document.get(name), source, left)) > MAX_GROWTH or left[0] < 0:
            how = (
                f"makes {growth:,.0f} characters of one"
                if growth > MAX_GROWTH
                else f"has more than {MAX_PARTS} parts"
            )
            raise CheckpointError(f"The {name} of {source} {how}; up to {MAX_GROWTH} are read.")


def _growth(part: object, source: str, left: list[int]) -> float:
    """Gives how many characters a normaliser or decoder makes of one, at most. Counts its parts down."""
    left[0] -= 1
    if not isinstance(part, dict) or left[0] < 0:
        return 1
    kind = part.get("type")
    if kind == "Sequence":
        total = 1.0
        for one in part.get("normalizers") or part.get("decoders") or []:
            total = min(total * _growth(one, source, left), 1e12)
        return total
    if kind == "Replace":
        return _of_replacement(part.get("pattern"), part.get("content"))
    if kind == "Prepend":
        return max(1, len(str(part.get("prepend", ""))))
    if kind == "Precompiled":
        return _of_charmap(part.get("precompiled_charsmap"), source)
    return GROWTH_BY_TYPE.get(str(kind), 1)


def _of_replacement(pattern: object, content: object) -> float:
    size = len(content) if isinstance(content, str) else 0
    text = next(iter(pattern.values()), "") if isinstance(pattern, dict) and pattern else ""
    if not isinstance(text, str) or not text:
        return 1 + size
    if isinstance(pattern, dict) and "String" in pattern:
        return max(1, size / len(text))
    return 1 + size if any(sign in text for sign in EMPTY_MATCH_SIGNS) else max(1, size)


def _of_charmap(charmap: object, source: str) -> float:
    try:
        if not isinstance(charmap, str):
            raise TypeError("no text")
        return longest(base64.b64decode(charmap))
    except (TypeError, ValueError, binascii.Error):
        raise CheckpointError(f"{source} has precompiled_charsmap={quote(charmap)}; it must be base64.") from None


def check_charmap(charmap: bytes, source: str) -> None:
    """Looks at the table of a SentencePiece model.

    Raises:
        CheckpointError: a text would grow without limit.
    """
    if (growth := longest(charmap)) > MAX_GROWTH:
        raise CheckpointError(f"{source} makes {growth:,} characters of one; up to {MAX_GROWTH} are read.")


def longest(charmap: bytes) -> int:
    """Gives the length of the longest replacement in SentencePiece's table, in bytes.

    They stand one after the other behind the trie, whose size comes first; each is ended by 0.
    """
    start = 4 + int.from_bytes(charmap[:4], "little")
    return max(1, *(len(text) for text in charmap[start:].split(b"\0")))

"""BERT's published tokenization rules, written again in plain Python: slow, short, and free of our own code."""

from __future__ import annotations

import re
import unicodedata

IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_space(char: str) -> bool:
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


def is_control(char: str) -> bool:
    return char not in "\t\n\r" and unicodedata.category(char) in ("Cc", "Cf")


def is_punctuation(char: str) -> bool:
    ascii_sign = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_sign or unicodedata.category(char).startswith("P")


def is_ideograph(char: str) -> bool:
    return any(low <= ord(char) <= high for low, high in IDEOGRAPHS)


def clean(text: str) -> str:
    kept = (c for c in text if c not in "\0\ufffd" and not is_control(c))
    return "".join(" " if is_space(c) else c for c in kept)


def words(text: str, lower: bool = True) -> list[str]:
    """Text to words and punctuation signs."""
    spaced = "".join(f" {c} " if is_ideograph(c) else c for c in clean(text))
    found = []
    for word in spaced.split():
        if lower:
            word = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in word if unicodedata.category(c) != "Mn")
        apart = "".join(f" {c} " if is_punctuation(c) else c for c in word)
        found += apart.split()
    return found


def pieces(word: str, vocab: dict[str, int], unk: str = "[UNK]") -> list[str]:
    """A word to the longest pieces of the vocabulary, from the left."""
    if len(word) > 100:
        return [unk]
    found, start = [], 0
    while start < len(word):
        stop = len(word)
        while stop > start and ("##" if start else "") + word[start:stop] not in vocab:
            stop -= 1
        if stop == start:
            return [unk]
        found.append(("##" if start else "") + word[start:stop])
        start = stop
    return found


def tokenize(text: str, vocab: dict[str, int], specials: tuple[str, ...], lower: bool = True) -> list[str]:
    """Text to pieces; special tokens in it stay whole."""
    found = []
    for part in re.split(f"({'|'.join(map(re.escape, specials))})", text):
        found += [part] if part in specials else [p for word in words(part, lower) for p in pieces(word, vocab)]
    return found

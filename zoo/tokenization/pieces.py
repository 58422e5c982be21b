"""Defines what a tokenizer makes of one text before special tokens are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Pieces(NamedTuple):
    """The tokens of one text.

    Attributes:
        ids: [T] int64.
        offsets: [T, 2], first character and the one after the last.
        words: [T], the number of the word each token came from, for texts that were given as words.
    """

    ids: np.ndarray
    offsets: np.ndarray | None = None
    words: np.ndarray | None = None


class Engine(Protocol):
    """The interface of what cuts text into tokens; it knows nothing of special tokens around a text.

    Attributes:
        vocab: token -> id.
        tokens: id -> token.
        before_word: what a word of a text that comes as words needs before it.
        special: tokens that decoding leaves out.
    """

    vocab: dict[str, int]
    tokens: list[str]
    before_word: str
    special: frozenset[str]

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]: ...

    def decode(self, tokens: list[str]) -> str: ...


def join(words: list[Pieces], offsets: bool, shift: int) -> Pieces:
    """Gives the tokens of a text that was given as words; `shift` characters were put before each."""
    spans = None
    if offsets:
        spans = np.concatenate([np.zeros((0, 2), np.int64), *(w.offsets for w in words if w.offsets is not None)])
        spans = np.maximum(spans - shift, 0)
    return Pieces(
        np.concatenate([np.zeros(0, np.int64), *(w.ids for w in words)]),
        spans,
        np.repeat(np.arange(len(words)), [len(w.ids) for w in words]),
    )

"""What a tokenizer makes of one text before special tokens are added."""

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
    """What cuts text into tokens; knows nothing of special tokens around it.

    Attributes:
        vocab: token -> id.
        tokens: id -> token.
        before_word: what a word of a text that comes as words needs before it.
    """

    vocab: dict[str, int]
    tokens: list[str]
    before_word: str

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]: ...

    def decode(self, tokens: list[str]) -> str: ...

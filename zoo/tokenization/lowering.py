"""Lower-cases a text before it is cut into pieces, whatever the model's own normalisation does."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from zoo.tokenization.pieces import Engine, Pieces


class LoweringEngine:
    """An engine that gets its texts in lower case, letter by letter (the sigma at a word's end is no other one).

    Args:
        engine: cuts the texts.
        whole: tokens that stay as they are where a text spells them.
    """

    def __init__(self, engine: Engine, whole: Collection[str]) -> None:
        self.engine = engine
        self.vocab, self.tokens, self.before_word = engine.vocab, engine.tokens, engine.before_word
        self.special = engine.special
        longest_first = sorted(whole, key=len, reverse=True)
        self._whole = re.compile("|".join(map(re.escape, longest_first))) if whole else None

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Gives the tokens of each text; offsets are those of the text as it was given."""
        parts = [self._parts(text) for text in texts]
        found = self.engine.encode([_joined(part) for part in parts], offsets)
        return [_back(part, pieces) for part, pieces in zip(parts, found, strict=True)] if offsets else found

    def decode(self, tokens: list[str]) -> str:
        """Gives the text of a run of ordinary tokens."""
        return self.engine.decode(tokens)

    def lowered(self, text: str) -> str:
        """Gives what the engine gets for a text."""
        return _joined(self._parts(text))

    def _parts(self, text: str) -> list[tuple[str, str]]:
        """Gives the text in parts, each beside what the engine gets for it."""
        parts, last = [], 0
        for found in self._whole.finditer(text) if self._whole else ():
            before = text[last : found.start()]
            parts += [(before, lower(before)), (found.group(), found.group())]
            last = found.end()
        return [*parts, (text[last:], lower(text[last:]))]


def _joined(parts: Sequence[tuple[str, str]]) -> str:
    return "".join(lowered for _, lowered in parts)


def lower(text: str) -> str:
    """Gives a text in lower case, each letter by itself."""
    return "".join(map(str.lower, text)) if "Σ" in text else text.lower()


def _back(parts: Sequence[tuple[str, str]], pieces: Pieces) -> Pieces:
    """Offsets of the text itself, where its lower case is longer: İ is the one letter that becomes two."""
    if pieces.offsets is None or all(len(given) == len(lowered) for given, lowered in parts):
        return pieces
    lengths = [len(lower(c)) if given != lowered else 1 for given, lowered in parts for c in given]
    letter = np.append(np.repeat(np.arange(len(lengths)), lengths), len(lengths))  # that each lowered one came from
    begin, end = pieces.offsets.T
    after = np.where(end > begin, letter[np.maximum(end, 1) - 1] + 1, letter[begin])
    return pieces._replace(offsets=np.stack([letter[begin], after], axis=1))

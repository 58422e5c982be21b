"""Finds the tokens that a text spells out, by the rules of the `tokenizers` library."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import tokenizers
from tokenizers import models, normalizers

from zoo.tokenization.added import AddedToken
from zoo.tokenization.forks import quiet_forks


class TextPart(NamedTuple):
    """A stretch of a text.

    Attributes:
        start, stop: characters of the text.
        token: the token that it spells; None for ordinary text.
    """

    start: int
    stop: int
    token: str | None


class TokenSplitter:
    """A splitter of texts at tokens that are kept whole.

    Args:
        added: the tokens and how each is looked for.
        charmap: SentencePiece's normalisation, for those that are looked for after it.
    """

    def __init__(self, added: Sequence[AddedToken], charmap: bytes | None = None) -> None:
        spelled = {token.content for token in added}
        rest = "?"  # what the library calls the text between them
        while rest in spelled:
            rest += "?"
        self._inner = tokenizers.Tokenizer(models.WordLevel({rest: 0}, unk_token=rest))
        normal = any(token.normalized for token in added)
        if normal and charmap:
            self._inner.normalizer = normalizers.Precompiled(charmap)
        self._inner.add_tokens([token.token for token in added])
        self._names = {i: t.content for i, t in self._inner.get_added_tokens_decoder().items()}
        # What is looked for before normalisation stands in the text as it is.
        self._pattern = None if normal else re.compile("|".join(map(re.escape, spelled)) or "(?!)")

    def split(self, texts: Sequence[str]) -> dict[int, list[TextPart]]:
        """Gives the parts of those texts that spell a token, by the numbers of the texts."""
        chosen = [n for n, text in enumerate(texts) if self._pattern is None or self._pattern.search(text)]
        found = {}
        quiet_forks()
        for n, row in zip(chosen, self._inner.encode_batch([texts[n] for n in chosen]), strict=True):
            if any(i in self._names for i in row.ids):
                found[n] = [
                    TextPart(*span, self._names.get(i)) for i, span in zip(row.ids, row.offsets, strict=True)
                ]
        return found

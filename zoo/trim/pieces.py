"""Tells which pieces of a vocabulary a text needs so that a smaller vocabulary cuts it in the same way.

A unigram model takes the segmentation with the highest sum of scores. Taking pieces away takes segmentations away,
and adds some only where a single character becomes unknown. That scores less than every piece: the lowest score of
the vocabulary minus a constant. So a piece with the lowest score always stays, which keeps the score of unknown
characters, and the best segmentation stays the best while all its pieces are there.

WordPiece takes the longest piece that fits, again and again. Pieces that it did not take are not missed. A word
that cannot be cut to its end becomes unknown as a whole; it needs the pieces that were found on the way, because
without one of them a shorter piece might lead to another end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from tokenizers import models

from zoo.errors import NotYetError
from zoo.tokenization import Tokenizer
from zoo.tokenization.lowering import LoweringEngine
from zoo.tokenization.pieces import Pieces
from zoo.tokenization.sentence import FIRST_TOKENS, MASK_TOKEN, SentencePiece
from zoo.tokenization.wordpiece import DISPUTED_CHARACTERS, CharacterReplacer
from zoo.trim.scripts import Scripts
from zoo.trim.vocabulary import NORMAL_PIECE, is_unigram, pieces_of_model

ASCII = [chr(code) for code in range(33, 127)]
DISPUTED = re.compile(f"[{DISPUTED_CHARACTERS}]")
BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")


class PieceRules:
    """What the pieces of a tokenizer are needed for.

    Args:
        tokenizer: of the model that is trimmed.

    Raises:
        NotYetError: its pieces are merged from others (byte-level BPE), so none can be taken away.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.engine = tokenizer.engine
        self._inner: Any = self.engine
        self._lowered: Callable[[str], str] = str
        if isinstance(self.engine, LoweringEngine):
            self._inner, self._lowered = self.engine.engine, self.engine.lowered
        self.prefix = ""  # of a piece that goes on a word
        self._limit = 0  # characters of a word that WordPiece cuts
        if isinstance(self._inner, SentencePiece):
            if not is_unigram(self._inner.model.serialized_model_proto()):
                raise _merged("a SentencePiece model that is not unigram")
            return
        model = self._inner.inner.model
        if isinstance(model, models.WordPiece):
            self.prefix, self._limit = model.continuing_subword_prefix, model.max_input_chars_per_word
        elif not isinstance(model, models.Unigram):
            raise _merged(type(model).__name__)

    def needed(self, texts: Sequence[str], encoded: Sequence[Pieces] | None = None) -> list[np.ndarray]:
        """Gives the ids that each text needs to be cut as it is now, sorted, each once.

        Args:
            texts: N of them.
            encoded: what the tokenizer's engine makes of them, where it is known.
        """
        unknown = self.tokenizer.unk_token_id
        found = []
        for text, pieces in zip(texts, encoded or self.engine.encode(texts, False), strict=True):
            ids = np.unique(pieces.ids)
            if self._limit and unknown in ids:
                ids = np.union1d(ids, [*self._on_the_way(text)])
            found.append(ids.astype(np.int64))
        return found

    def fixed(self) -> set[int]:
        """Gives the ids that stay whatever the corpus says: special tokens and what the rules themselves need."""
        layout, vocab = self.tokenizer.layout, self.engine.vocab
        around = (self.tokenizer.specials.get(name, name) for name in (*layout.start, *layout.middle, *layout.end))
        named = {*around, *self.tokenizer.specials.values(), *self.engine.special, *self._of_the_rules()}
        return {vocab[token] for token in named if token in vocab}

    def spelling(self, ids: Iterable[int], scripts: Scripts) -> set[int]:
        """Gives the pieces of one character for all characters of ASCII, of these pieces, and of scripts.

        With them a new word of known characters is never unknown.
        """
        tokens = self.engine.tokens
        wanted = {*ASCII, *(char for i in ids for char in tokens[i].removeprefix(self.prefix))}
        single = ((i, token.removeprefix(self.prefix)) for i, token in enumerate(tokens))
        return {i for i, text in single if text in wanted or (len(text) == 1 and scripts.has(text))}

    def _of_the_rules(self) -> Iterator[str]:
        """Gives tokens without which the rules would be other ones."""
        if isinstance(self._inner, SentencePiece):
            yield from (*FIRST_TOKENS, MASK_TOKEN)
            pieces = pieces_of_model(self._inner.model.serialized_model_proto())
            yield from (piece.text for piece in pieces if piece.kind != NORMAL_PIECE)
            yield min((p for p in pieces if p.kind == NORMAL_PIECE), key=lambda p: p.score).text
            return
        yield from (token.content for token in self._inner.inner.get_added_tokens_decoder().values())
        if isinstance(self._inner.prepare, CharacterReplacer):  # it leaves the vocabulary's characters alone
            yield from filter(DISPUTED.search, self.engine.tokens)
        if not self._limit:
            scores = json.loads(self._inner.inner.to_str())["model"]["vocab"]
            yield min(scores, key=lambda pair: pair[1])[0]
            yield from filter(BYTE_PIECE.fullmatch, self.engine.tokens)

    def _on_the_way(self, text: str) -> Iterator[int]:
        """Gives the pieces that are found in words which become unknown in the end."""
        inner, unknown = self._inner.inner, self.tokenizer.unk_token_id
        given = self._lowered(text)
        given = self._inner.prepare(given) if self._inner.prepare else given
        row = inner.encode(given, add_special_tokens=False)
        for i, (start, stop) in zip(row.ids, row.offsets, strict=True):
            if i == unknown:
                word = given[start:stop]
                word = inner.normalizer.normalize_str(word) if inner.normalizer else word
                cut = inner.pre_tokenizer.pre_tokenize_str(word) if inner.pre_tokenizer else [(word, None)]
                for part, _ in cut:
                    yield from self._cut(part) if len(part) <= self._limit else ()

    def _cut(self, word: str) -> list[int]:
        """Gives the pieces that are found in a word before it cannot be cut further; none of one that can."""
        vocab, at = self.engine.vocab, 0
        found: list[int] = []
        while at < len(word):
            start = self.prefix if at else ""
            stop = next((n for n in range(len(word), at, -1) if start + word[at:n] in vocab), at)
            if stop == at:
                return found
            found.append(vocab[start + word[at:stop]])
            at = stop
        return []


def _merged(what: str) -> NotYetError:
    return NotYetError(
        f"The tokenizer is {what}: its pieces are merged from others, and none can be taken away alone.",
        "SentencePiece's unigram models and WordPiece can be trimmed.",
    )

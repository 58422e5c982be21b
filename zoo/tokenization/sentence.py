"""SentencePiece as XLM-R uses it: the sentencepiece library itself, so that ids cannot differ from the original."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import sentencepiece

from zoo.errors import CheckpointError
from zoo.tokenization.pieces import Pieces

SPACE = "\u2581"
FIRST = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
)  # fairseq's own ids 0-3; its other pieces are one further than in the model
MASK = "<mask>"
FEW = 128  # texts for which starting threads takes longer than it saves


class SentencePiece:
    """A SentencePiece model with fairseq's ids.

    Args:
        model: the content of the .model file.
        added: tokens after those of the model, with their ids. They and the special ones are kept whole where a
            text spells them.
        file: named in errors.
        dictionary: the tokens that follow fairseq's own four, for models whose order is not the model's: a piece
            that is not among them is unknown.

    Raises:
        CheckpointError: the model is damaged or not XLM-R's.
    """

    before_word = ""

    def __init__(
        self, model: bytes, added: Mapping[str, int], file: Path, dictionary: Sequence[str] | None = None
    ) -> None:
        try:
            self.model = sentencepiece.SentencePieceProcessor(model_proto=model)
            pieces = [self.model.id_to_piece(i) for i in range(self.model.get_piece_size())]
        except Exception as error:
            raise CheckpointError(f"'{file}' is not a SentencePiece model.", "Download it again.") from error
        if pieces[:3] != ["<unk>", "<s>", "</s>"]:
            raise CheckpointError(
                f"'{file}' starts with the pieces {pieces[:3]}, XLM-R's model starts with <unk>, <s>, </s>.",
                "Use the tokenizer.json of this model instead.",
            )
        self.tokens = [*FIRST, *(dictionary if dictionary is not None else (*pieces[3:], MASK))]
        added = {token: i for token, i in sorted(added.items(), key=itemgetter(1)) if token not in (*FIRST, MASK)}
        if list(added.values()) != list(range(len(self.tokens), len(self.tokens) + len(added))):
            raise CheckpointError(
                f"The added tokens have the ids {sorted(added.values())}; they must follow without "
                f"a gap after the {len(self.tokens)} tokens of '{file}'."
            )
        self.tokens += added
        self.vocab = {token: i for i, token in enumerate(self.tokens)}
        # Longest first: of two tokens that start alike the text means the longer one.
        whole = sorted({*FIRST, MASK, *added} & self.vocab.keys(), key=len, reverse=True)
        self._whole = re.compile("|".join(map(re.escape, whole)))
        if dictionary is None:
            self._ids = np.arange(1, len(pieces) + 1)
        else:
            self._ids = np.array([self.vocab.get(piece, FIRST.index("<unk>")) for piece in pieces])
        self._ids[:3] = (3, 0, 2)

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Tokens of each text, without the special tokens around it."""
        split = {n: self._parts(text) for n, text in enumerate(texts) if self._whole.search(text)}
        if not split:
            return self._encode(list(texts), offsets)
        flat = [part for n, text in enumerate(texts) for _, part in split.get(n, [(0, text)])]
        done = iter(self._encode(flat, offsets))
        return [
            self._join([(at, part, next(done)) for at, part in split[n]]) if n in split else next(done)
            for n in range(len(texts))
        ]

    def _parts(self, text: str) -> list[tuple[int, str]]:
        """Text, special token, text, special token, ..., text; each with the character where it starts."""
        parts, last = [], 0
        for found in self._whole.finditer(text):
            parts += [(last, text[last : found.start()]), (found.start(), found.group())]
            last = found.end()
        return [*parts, (last, text[last:])]

    def _encode(self, texts: list[str], offsets: bool) -> list[Pieces]:
        threads = -1 if len(texts) > FEW else 1
        rows = self.model.encode(texts, out_type=int, num_threads=threads)
        ids = [self._ids[row] if row else self._ids[:0] for row in rows]
        if not offsets:
            return [Pieces(row) for row in ids]
        surfaces = self.model.encode(texts, out_type=str, num_threads=threads)
        return [Pieces(i, self._offsets(t, s)) for i, t, s in zip(ids, texts, surfaces, strict=True)]

    def _join(self, parts: list[tuple[int, str, Pieces]]) -> Pieces:
        """Tokens of a text from those of its parts; every second part is a special token."""
        ids, offsets = [], []
        for n, (at, part, pieces) in enumerate(parts):
            ids.append(np.array([self.vocab[part]]) if n % 2 else pieces.ids)
            if pieces.offsets is not None:
                offsets.append(np.array([[at, at + len(part)]]) if n % 2 else pieces.offsets + at)
        return Pieces(np.concatenate(ids), np.concatenate(offsets) if offsets else None)

    def _offsets(self, text: str, pieces: list[str]) -> np.ndarray:
        """Characters of the text that each piece came from, without the space before it.

        `at[n]` is the character at which normalised character n starts. A piece that ends inside an expansion
        ("k" of the one sign for "kg") gets the whole sign; a piece that is only a space covers nothing.
        """
        if not pieces:
            return np.zeros((0, 2), np.int64)
        at = np.asarray(self.model.normalize(text, with_offsets=True)[1])
        stops = np.cumsum([len(p) for p in pieces])
        begins = np.concatenate(([0], stops[:-1])) + [p.startswith(SPACE) for p in pieces]
        after = np.searchsorted(at, at[stops - 1], side="right")
        ends = at[np.minimum(after, len(at) - 1)]
        return np.stack([at[begins], np.where(begins == stops, at[begins], ends)], axis=1)

    def decode(self, tokens: list[str]) -> str:
        """Text of a run of ordinary pieces."""
        return "".join(tokens).replace(SPACE, " ").removeprefix(" ")

"""Runs SentencePiece as XLM-R does, by the sentencepiece library itself, so that ids cannot differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from zoo.errors import CheckpointError
from zoo.files import quote
from zoo.tokenization.added import AddedToken, merge, place
from zoo.tokenization.bounds import check_charmap
from zoo.tokenization.pieces import Pieces
from zoo.tokenization.proto import charmap_of
from zoo.tokenization.spelled import TextPart, TokenSplitter

SPACE_MARK = "\u2581"  # what SentencePiece writes for a space
# fairseq's own ids 0-3; its other pieces are one further than in the model.
FIRST_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
MASK_TOKEN = "<mask>"
MAX_TEXTS_OF_ONE_THREAD = 128  # texts for which starting threads takes longer than it saves


class SentencePiece:
    """A SentencePiece model with fairseq's ids.

    Args:
        model: the content of the .model file.
        added: tokens in or after those of the model. They and the special ones are kept whole where a text spells
            them.
        file: named in errors.
        dictionary: the tokens that follow fairseq's own four, for models whose order is not the model's: a piece
            that is not among them is unknown.

    Raises:
        CheckpointError: the model is damaged or not XLM-R's, or an added token would get another id.
    """

    before_word = ""

    def __init__(
        self, model: bytes, added: Sequence[AddedToken], file: Path, dictionary: Sequence[str] | None = None
    ) -> None:
        source = quote(str(file), 200)
        try:
            self.model = sentencepiece.SentencePieceProcessor(model_proto=model)
            pieces = [self.model.id_to_piece(i) for i in range(self.model.get_piece_size())]
            self._charmap = charmap_of(model)
        except Exception as error:
            raise CheckpointError(f"{source} is not a SentencePiece model.", "Download it again.") from error
        if pieces[:3] != ["<unk>", "<s>", "</s>"]:
            raise CheckpointError(
                f"{source} starts with the pieces {quote(pieces[:3])}, XLM-R's model starts with <unk>, <s>, </s>.",
                "Use the tokenizer.json of this model instead.",
            )
        check_charmap(self._charmap, source)
        self.tokens = [*FIRST_TOKENS, *(dictionary if dictionary is not None else (*pieces[3:], MASK_TOKEN))]
        self.vocab = {token: i for i, token in enumerate(self.tokens)}
        if dictionary is None:
            self._ids = np.arange(1, len(pieces) + 1)
        else:
            self._ids = np.array([self.vocab.get(piece, FIRST_TOKENS.index("<unk>")) for piece in pieces])
        self._ids[:3] = (3, 0, 2)

        self.add(added)

    def add(self, tokens: Sequence[AddedToken]) -> None:
        """Adds tokens that are kept whole; each must have the id that it gets.

        Raises:
            CheckpointError: a token would get another id than its file says.
        """
        placed = place(tokens, self.vocab, len(self.tokens))
        self.tokens += [token.content for token in placed if token.content not in self.vocab]
        self.vocab = {token: i for i, token in enumerate(self.tokens)}
        own = [
            AddedToken(token, special=True, normalized=False)
            for token in (*FIRST_TOKENS, MASK_TOKEN)
            if token in self.vocab
        ]
        whole = merge([own, placed], ())
        self._spelled = TokenSplitter(whole, self._charmap)
        self.special = frozenset(token.content for token in whole if token.special)

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Gives the tokens of each text, without the special tokens around it."""
        split = self._spelled.split(texts)
        if not split:
            return self._encode(list(texts), offsets)
        flat = [
            text[part.start : part.stop] if part else text
            for n, text in enumerate(texts)
            for part in split.get(n, [None])
            if part is None or part.token is None
        ]
        done = iter(self._encode(flat, offsets))
        return [self._join(split[n], done, offsets) if n in split else next(done) for n in range(len(texts))]

    def _encode(self, texts: list[str], offsets: bool) -> list[Pieces]:
        threads = -1 if len(texts) > MAX_TEXTS_OF_ONE_THREAD else 1
        rows = self.model.encode(texts, out_type=int, num_threads=threads)
        ids = [self._ids[row] if row else self._ids[:0] for row in rows]
        if not offsets:
            return [Pieces(row) for row in ids]
        surfaces = self.model.encode(texts, out_type=str, num_threads=threads)
        return [Pieces(i, self._offsets(t, s)) for i, t, s in zip(ids, texts, surfaces, strict=True)]

    def _join(self, parts: list[TextPart], ordinary: Iterator[Pieces], offsets: bool) -> Pieces:
        """Gives a text's tokens from its parts; `ordinary` has those of parts that are no token themselves."""
        ids, spans = [], []
        for part in parts:
            if part.token is not None:
                ids.append(np.array([self.vocab[part.token]]))
                spans.append(np.array([[part.start, part.stop]]))
                continue
            pieces = next(ordinary)
            ids.append(pieces.ids)
            if pieces.offsets is not None:
                spans.append(pieces.offsets + part.start)
        return Pieces(np.concatenate(ids), np.concatenate(spans) if offsets else None)

    def _offsets(self, text: str, pieces: list[str]) -> np.ndarray:
        """Gives the characters of the text that each piece came from, without the space before it.

        `at[n]` is the character at which normalised character n starts. A piece that ends inside an expansion
        ("k" of the one sign for "kg") gets the whole sign; a piece that is only a space covers nothing.
        """
        if not pieces:
            return np.zeros((0, 2), np.int64)
        at = np.asarray(self.model.normalize(text, with_offsets=True)[1])
        stops = np.cumsum([len(p) for p in pieces])
        begins = np.concatenate(([0], stops[:-1])) + [p.startswith(SPACE_MARK) for p in pieces]
        after = np.searchsorted(at, at[stops - 1], side="right")
        ends = at[np.minimum(after, len(at) - 1)]
        return np.stack([at[begins], np.where(begins == stops, at[begins], ends)], axis=1)

    def decode(self, tokens: list[str]) -> str:
        """Gives the text of a run of ordinary pieces."""
        return "".join(tokens).replace(SPACE_MARK, " ").removeprefix(" ")

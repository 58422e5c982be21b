"""The `tokenizers` library: BERT's WordPiece from a vocab.txt, and whatever a tokenizer.json describes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from zoo.errors import CheckpointError, ZooError
from zoo.tokenization.pieces import Pieces


def _quiet_in_children() -> None:
    """A forked child of a process that used threads must not start more; the library would warn in each."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


os.register_at_fork(after_in_child=_quiet_in_children)


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turns everything that a damaged file makes the library raise into a CheckpointError.

    A panic of its Rust code arrives as a BaseException of its own.
    """
    try:
        yield
    except (ZooError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise CheckpointError(f"'{file}' cannot be used: {error}", "Is the download complete?") from error


class Fast:
    """A `tokenizers.Tokenizer` without the truncation and padding that its file may have baked in."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        inner.no_truncation()
        inner.no_padding()
        self.inner = inner
        self.vocab = inner.get_vocab(with_added_tokens=True)
        self.tokens = [""] * (max(self.vocab.values(), default=-1) + 1)
        for token, i in self.vocab.items():
            self.tokens[i] = token

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Tokens of each text, without the special tokens around it."""
        encode = self.inner.encode_batch if offsets else self.inner.encode_batch_fast
        rows = encode(list(texts), add_special_tokens=False)
        if not offsets:
            return [Pieces(np.array(row.ids, np.int64)) for row in rows]
        return [Pieces(np.array(r.ids, np.int64), np.array(r.offsets, np.int64).reshape(-1, 2)) for r in rows]

    def decode(self, tokens: list[str]) -> str:
        """Text of a run of ordinary tokens."""
        return self.inner.decoder.decode(tokens) if self.inner.decoder else " ".join(tokens)


def wordpiece(
    vocab: dict[str, int], specials: Sequence[str], unk: str, lower: bool, strip: bool | None, chinese: bool
) -> Fast:
    """BERT's rules over a vocabulary.

    Args:
        specials: tokens that are kept whole where a text spells them.
        lower: lower-case; also removes accents unless `strip` says otherwise.
        chinese: cut around every CJK ideograph.
    """
    inner = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=unk, max_input_chars_per_word=100))
    inner.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower
    )
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in specials])
    return Fast(inner)


def from_json(file: Path) -> Fast:
    """A tokenizer.json as it is.

    Raises:
        CheckpointError: the file is damaged or of a newer format.
    """
    with readable(file):
        return Fast(tokenizers.Tokenizer.from_str(file.read_text("utf-8")))

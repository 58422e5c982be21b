"""Runs the `tokenizers` library, and whatever a tokenizer.json describes, as an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tokenizers

from zoo.errors import CheckpointError, ZooError
from zoo.files import clean, quote
from zoo.tokenization.added import AddedToken, read_id
from zoo.tokenization.forks import quiet_forks
from zoo.tokenization.layout import Layout
from zoo.tokenization.pieces import Pieces

# Texts at a time: enough for every core, and so few that what the library allocates for them is used again. That is
# a tenth faster than whole files on an idle machine, and more than twice as fast on a busy one.
BLOCK_TEXTS = 32 * (os.cpu_count() or 1)
MAX_SPECIAL_TOKENS = 64  # special tokens of a pair; the classes of upstream have 3 or 4


@contextmanager
def readable(file: Path, hint: str = "Is the download complete?") -> Iterator[None]:
    """Turns everything that a damaged file makes the library raise into a CheckpointError.

    A panic of its Rust code, such as a pattern that takes too many steps, arrives as a BaseException of its own.
    """
    try:
        yield
    except (ZooError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise CheckpointError(f"{quote(str(file), 200)} cannot be used: {clean(str(error), 200)}", hint) from error


class FastEngine:
    """A `tokenizers.Tokenizer` without the truncation, padding and chance that its file may have baked in.

    Args:
        file: what it was read from, for messages.
        prepare: changes a text before the library sees it, to one of the same length.

    Raises:
        CheckpointError: an id beyond every vocabulary.
    """

    def __init__(
        self, inner: tokenizers.Tokenizer, file: Path, prepare: Callable[[str], str] | None = None
    ) -> None:
        inner.no_truncation()
        inner.no_padding()
        if getattr(inner.model, "dropout", None):
            inner.model.dropout = None
        self.inner, self.file, self.prepare = inner, file, prepare
        self.vocab = inner.get_vocab(with_added_tokens=True)
        self.special = frozenset(t.content for t in inner.get_added_tokens_decoder().values() if t.special)
        largest = max(self.vocab.values(), default=-1)
        read_id(max(largest, 0), f"A token of {quote(str(file), 200)}")
        # Byte-level BPE gives a word after a space another id than one without.
        a, spaced = (inner.encode(text, add_special_tokens=False).ids for text in ("a", " a"))
        self.before_word = "" if a == spaced else " "
        self.tokens = [""] * (largest + 1)
        for token, i in self.vocab.items():
            self.tokens[i] = token

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Gives the tokens of each text, without the special tokens around it.

        Raises:
            CheckpointError: the rules of the file do not come to an end with a text.
        """
        quiet_forks()
        encode = self.inner.encode_batch if offsets else self.inner.encode_batch_fast
        found = []
        for start in range(0, len(texts), BLOCK_TEXTS):
            block = texts[start : start + BLOCK_TEXTS]
            given = [self.prepare(t) for t in block] if self.prepare else list(block)
            with readable(self.file, "The rules in it do not work for one of these texts; use another tokenizer."):
                rows = encode(given, add_special_tokens=False)
            found += [
                Pieces(
                    np.array(row.ids, np.int64),
                    np.array(row.offsets, np.int64).reshape(-1, 2) if offsets else None,
                )
                for row in rows
            ]
        return found

    def decode(self, tokens: list[str]) -> str:
        """Gives the text of a run of ordinary tokens."""
        return self.inner.decoder.decode(tokens) if self.inner.decoder else " ".join(tokens)


def add_tokens(inner: tokenizers.Tokenizer, added: Sequence[AddedToken]) -> None:
    """Adds tokens with their flags; what is there already gets the flags of `added`.

    Raises:
        CheckpointError: a token would get another id than its file says.
    """
    inner.add_tokens([token.token for token in added])
    for token in added:
        if token.id not in (None, inner.token_to_id(token.content)):
            raise CheckpointError(
                f"The added token {quote(token.content)} has the id {token.id} and would get "
                f"{inner.token_to_id(token.content)}.",
                "The ids of added tokens must follow the vocabulary without a gap.",
            )


def layout_of(inner: tokenizers.Tokenizer, source: str) -> Layout:
    """Gives the places where a tokenizer.json puts special tokens, found by encoding a pair.

    Raises:
        CheckpointError: there are more of them than any row has room for.
    """
    if inner.num_special_tokens_to_add(True) > MAX_SPECIAL_TOKENS:
        raise CheckpointError(
            f"{source} puts more than {MAX_SPECIAL_TOKENS} special tokens around a pair of texts."
        )
    pair = inner.encode("a", "b")
    whose = [
        -1 if special else which for special, which in zip(pair.special_tokens_mask, pair.sequence_ids, strict=True)
    ]
    if 0 not in whose or 1 not in whose:
        return Layout((), (), ())
    first, second = whose.index(0), whose.index(1)
    after_first, after_second = first + whose.count(0), second + whose.count(1)
    kinds = (pair.type_ids[0], pair.type_ids[first], pair.type_ids[second])
    return Layout(
        tuple(pair.tokens[:first]),
        tuple(pair.tokens[after_first:second]),
        tuple(pair.tokens[after_second:]),
        kinds if any(kinds) else None,
    )

"""The `tokenizers` library as an engine, and whatever a tokenizer.json describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import AddedToken

from zoo.errors import CheckpointError, ZooError
from zoo.tokenization.layout import Layout
from zoo.tokenization.pieces import Pieces


def _before_fork() -> None:
    """A child of a process that used threads must not start more; the library would warn in each child."""
    global _unset
    _unset = SWITCH not in os.environ
    os.environ.setdefault(SWITCH, "false")


def _after_fork() -> None:
    if _unset:
        os.environ.pop(SWITCH, None)


# Texts at a time: enough for every core, and so few that what the library allocates for them is used again. That is
# a tenth faster than whole files on an idle machine, and more than twice as fast on a busy one.
BLOCK = 32 * (os.cpu_count() or 1)
SWITCH, _unset = "TOKENIZERS_PARALLELISM", False
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)


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
    """A `tokenizers.Tokenizer` without the truncation and padding that its file may have baked in.

    Args:
        prepare: changes a text before the library sees it, to one of the same length.
    """

    def __init__(self, inner: tokenizers.Tokenizer, prepare: Callable[[str], str] | None = None) -> None:
        inner.no_truncation()
        inner.no_padding()
        self.inner, self.prepare = inner, prepare
        self.vocab = inner.get_vocab(with_added_tokens=True)
        # Byte-level BPE gives a word after a space another id than one without.
        a, spaced = (inner.encode(text, add_special_tokens=False).ids for text in ("a", " a"))
        self.before_word = "" if a == spaced else " "
        self.tokens = [""] * (max(self.vocab.values(), default=-1) + 1)
        for token, i in self.vocab.items():
            self.tokens[i] = token

    def encode(self, texts: Sequence[str], offsets: bool) -> list[Pieces]:
        """Tokens of each text, without the special tokens around it."""
        encode = self.inner.encode_batch if offsets else self.inner.encode_batch_fast
        found = []
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            rows = encode(
                [self.prepare(t) for t in block] if self.prepare else list(block), add_special_tokens=False
            )
            found += [
                Pieces(
                    np.array(row.ids, np.int64),
                    np.array(row.offsets, np.int64).reshape(-1, 2) if offsets else None,
                )
                for row in rows
            ]
        return found

    def decode(self, tokens: list[str]) -> str:
        """Text of a run of ordinary tokens."""
        return self.inner.decoder.decode(tokens) if self.inner.decoder else " ".join(tokens)


def add_tokens(inner: tokenizers.Tokenizer, whole: Mapping[str, int]) -> None:
    """Tokens that are kept whole where a text spells them.

    Raises:
        CheckpointError: a new token would get another id than `whole` says.
    """
    order = sorted(whole, key=whole.__getitem__)
    inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in order])
    for token in order:
        if inner.token_to_id(token) != whole[token]:
            raise CheckpointError(
                f"The added token '{token}' has the id {whole[token]} and would get {inner.token_to_id(token)}.",
                "The ids of added tokens must follow the vocabulary without a gap.",
            )


def from_json(file: Path) -> Fast:
    """A tokenizer.json as it is.

    Raises:
        CheckpointError: the file is damaged or of a newer format.
    """
    with readable(file):
        return Fast(tokenizers.Tokenizer.from_str(file.read_text("utf-8")))


def layout_of(inner: tokenizers.Tokenizer) -> Layout:
    """Where a tokenizer.json puts special tokens, found by encoding a pair."""
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

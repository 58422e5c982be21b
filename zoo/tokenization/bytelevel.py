"""Builds RoBERTa's byte-level BPE on the `tokenizers` library, from vocab.json and merges.txt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

from zoo.errors import CheckpointError
from zoo.files import Fields, quote, read_object, read_text
from zoo.tokenization.added import MOST_IDS
from zoo.tokenization.settings import MAX_VOCABULARY_BYTES


def read_pairs(vocab_file: Path, merges_file: Path) -> tokenizers.Tokenizer:
    """Reads the two files.

    Raises:
        CheckpointError: one is missing or damaged.
    """
    source = quote(str(vocab_file), 200)
    fields = Fields(read_object(vocab_file, limit=MAX_VOCABULARY_BYTES), source)
    vocab = {token: fields.whole(token, 0, 0, MOST_IDS - 1) for token in fields.content}
    merges = []
    for number, line in enumerate(read_text(merges_file, limit=MAX_VOCABULARY_BYTES).split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, space, right = line.partition(" ")
        if not space or not left or not right or " " in right:
            raise CheckpointError(f"Line {number} of {quote(str(merges_file), 200)} has no pair: {quote(line)}.")
        merges.append((left, right))
    return tokenizers.Tokenizer(
        models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False)
    )


def finish(inner: tokenizers.Tokenizer, roles: Mapping[str, str], flags: Mapping[str, bool]) -> None:
    """Gives a BPE model RoBERTa's rules: bytes as letters, a space before the text or none, offsets without spaces.

    Args:
        roles: role -> token.
        flags: add_prefix_space and trim_offsets; false and true without.

    Raises:
        CheckpointError: the vocabulary lacks a token that goes around texts.
    """
    spaced, trimmed = flags.get("add_prefix_space", False), flags.get("trim_offsets", True)
    sep, cls = (_numbered(inner, roles[role]) for role in ("sep", "cls"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.RobertaProcessing(sep, cls, trimmed, spaced)


def _numbered(inner: tokenizers.Tokenizer, token: str) -> tuple[str, int]:
    number = inner.token_to_id(token)
    if number is None:
        raise CheckpointError(
            f"The vocabulary has no {quote(token)}, which goes around each text.",
            "Is it this model's vocabulary? tokenizer_config.json may name its special tokens.",
        )
    return token, number

"""The tokenizer of PALM: WordPiece, [CLS] text [SEP]; a [SEP] that a text spells out stays the special token."""

from __future__ import annotations

from pathlib import Path

from zoo.models.palm.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    tokenizer = load_tokenizer(folder, "wordpiece")
    rows = config.max_position_embeddings
    tokenizer.max_length = min(rows, tokenizer.max_length or rows)
    return tokenizer

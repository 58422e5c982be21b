"""The tokenizer of PALM 2.0: BERT's WordPiece; RoBERTa's where the folder has it as a tokenizer.json."""

from __future__ import annotations

from pathlib import Path

from zoo.models.palm.v2.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the encoder's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    roberta = config.encoder == "roberta"
    tokenizer = load_tokenizer(folder, "json" if roberta else "wordpiece")
    rows = config.max_position_embeddings - (config.padding + 1 if roberta else 0)
    tokenizer.max_length = min(rows, tokenizer.max_length or rows)
    return tokenizer

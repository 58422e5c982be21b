"""The tokenizer of StructBERT and BERT: WordPiece."""

from __future__ import annotations

from pathlib import Path

from zoo.models.common.sentence_transformers.texts import fitted
from zoo.models.structbert.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    return fitted(load_tokenizer(folder, "wordpiece"), folder, config.longest)

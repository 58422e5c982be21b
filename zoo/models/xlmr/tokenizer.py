"""The tokenizer of XLM-RoBERTa and InfoXLM: SentencePiece."""

from __future__ import annotations

from pathlib import Path

from zoo.models.common.sentence_transformers.texts import fitted
from zoo.models.xlmr.config import Config
from zoo.tokenization import Tokenizer, load_tokenizer


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than the network's positions allow.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    tokenizer = load_tokenizer(folder, "sentencepiece")
    rows = config.max_position_embeddings - config.pad_token_id - 1
    return fitted(tokenizer, folder, rows)

"""The tokenizer of Funnel: BERT's WordPiece with other special tokens, and segment 2 for the first one."""

from __future__ import annotations

from pathlib import Path

from zoo.models.common.sentence_transformers.texts import fitted
from zoo.models.funnel.config import Config
from zoo.tokenization import FUNNEL_LAYOUT, Tokenizer, load_tokenizer
from zoo.tokenization.classes import FUNNEL_TOKENS


def load(folder: Path, config: Config) -> Tokenizer:
    """The tokenizer of a folder; rows are no longer than pretraining's, though the network has no limit.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    tokenizer = load_tokenizer(folder, "wordpiece", layout=FUNNEL_LAYOUT, specials=FUNNEL_TOKENS)
    return fitted(tokenizer, folder, config.longest)

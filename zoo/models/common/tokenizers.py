"""Reads the tokenizer of a network's folder, by the architecture's own module. No paddle."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from zoo.models.common.config import ModelConfig
from zoo.tokenization import Tokenizer


def tokenizer_of(module: str, folder: Path, config: ModelConfig) -> Tokenizer:
    """Gives the tokenizer of a folder. Its batches fit the network.

    Args:
        module: package with the architecture's `tokenizer`.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    found: Tokenizer = import_module(f"{module}.tokenizer").load(folder, config)
    found.fit(config.token_types)
    return found

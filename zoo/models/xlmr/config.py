"""config.json of XLM-RoBERTa and InfoXLM."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.models.common.config import EncoderConfig


@dataclass
class Config(EncoderConfig):
    """An XLM-R. What a config.json leaves out has transformers' default, which is not XLM-R's own size."""

    pad_token_id: int = 1

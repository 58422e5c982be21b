"""config.json of XLM-RoBERTa and InfoXLM, and of RoBERTa and CamemBERT, which are the same network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import ConfigError
from zoo.models.common.config import EncoderConfig


@dataclass
class Config(EncoderConfig):
    """An XLM-R. What a config.json leaves out has transformers' default, which is not XLM-R's own size."""

    pad_token_id: int = 1

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Config:
        """As `EncoderConfig.from_dict`; positions are counted from the padding index, so there must be one."""
        made = super().from_dict(config)
        assert isinstance(made, Config)
        if made.pad_token_id is None:
            raise ConfigError("config.json has pad_token_id=null; this network counts positions from it.")
        return made

    @classmethod
    def defaults_of(cls, model_type: object) -> Mapping[str, object]:
        """RoBERTa has another vocabulary."""
        return {"vocab_size": 50265} if model_type == "roberta" else {}

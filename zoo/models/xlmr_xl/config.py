"""config.json of XLM-R XL and XXL."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.models.xlmr import config as xlmr


@dataclass
class Config(xlmr.Config):
    """An XLM-R XL. What a config.json leaves out has transformers' default, which is XL's own size."""

    vocab_size: int = 250880
    hidden_size: int = 2560
    num_hidden_layers: int = 36
    num_attention_heads: int = 32
    intermediate_size: int = 10240
    max_position_embeddings: int = 514
    type_vocab_size: int = 1
    layer_norm_eps: float = 1e-5

"""Keys of XLM-R XL files, as transformers writes them: XLM-R's, with the LayerNorms of a pre-norm network."""

from __future__ import annotations

from dataclasses import replace

from zoo.checkpoint.rules import norm
from zoo.models.xlmr import keymap as xlmr

_LAYER = "roberta.encoder.layer.{i}"

KEYMAP = replace(
    xlmr.KEYMAP,
    rules=(
        *(rule for rule in xlmr.KEYMAP.rules if "LayerNorm" not in rule.sources[0]),
        *norm(f"{_LAYER}.attention.self_attn_layer_norm", "encoder.layers.{i}.attention_norm"),
        *norm(f"{_LAYER}.LayerNorm", "encoder.layers.{i}.feed_forward_norm"),
        *norm("roberta.encoder.LayerNorm", "encoder.norm"),
    ),
)

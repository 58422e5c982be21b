"""Tiny networks of every family, and batches for them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import paddle

from zoo.models.common.base import Model

WORDS = 50
BERT = {"vocab_size": WORDS, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
BERT |= {"intermediate_size": 40, "max_position_embeddings": 140, "type_vocab_size": 2}
FUNNEL = {"vocab_size": WORDS, "block_sizes": [1, 2, 1], "d_model": 24, "n_head": 3, "d_head": 8, "d_inner": 40}
SIZES: dict[str, dict[str, Any]] = {
    "structbert": BERT,
    "xlmr": {**BERT, "type_vocab_size": 1},
    "palm": {**BERT, "dec_hidden_layers": 2},
    "funnel": {**FUNNEL, "architectures": ["FunnelModel"]},
    "funnel-factorized": {**FUNNEL, "architectures": ["FunnelModel"], "attention_type": "factorized"},
    "funnel-base": {**FUNNEL, "architectures": ["FunnelBaseModel"]},
}
HEADS = (None, "mlm", "classification", "tagging", "qa", "multiple-choice", "embedding")
FUNNEL_HEADS = (None, "mlm", "tagging", "qa", "qa-beam", "discriminator")
CASES = [
    *(("structbert", head) for head in HEADS),
    *(("xlmr", head) for head in HEADS),
    ("palm", "mlm"),
    *(("funnel", head) for head in FUNNEL_HEADS),
    *(("funnel-factorized", head) for head in ("qa", "classification")),
    *(("funnel-base", head) for head in (None, "classification", "multiple-choice")),
]


def tiny(family: str = "structbert", task: str | None = "classification", seed: int = 3, **changes: Any) -> Model:
    """A small network in eval mode, in which no weight is zero or one."""
    paddle.seed(seed)
    module = f"zoo.models.{family.partition('-')[0]}"
    config = import_module(f"{module}.config").Config.from_dict({**SIZES[family], **changes})
    model = import_module(f"{module}.model").build(config, task)
    for parameter in model.parameters():
        parameter.set_value(parameter + paddle.randn(parameter.shape) * 0.2)
    return model.eval()


def batch(rows: int, length: int, task: str | None = None) -> dict[str, np.ndarray]:
    """Ids; rows after the first end in padding; the second half is of type 1. [B, 2, T] for multiple-choice."""
    ids = np.random.default_rng(rows * 1000 + length).integers(5, WORDS, (rows, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    types[:, length // 2 :] = 1
    for row in range(1, rows):
        mask[row, -min(row, length - 1) :] = 0
    arrays = {"input_ids": ids * mask + (1 - mask), "attention_mask": mask, "token_type_ids": types}
    return {k: np.stack([v, v[::-1]], 1) for k, v in arrays.items()} if task == "multiple-choice" else arrays

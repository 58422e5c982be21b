"""The counted FLOPs are those of the products that a forward pass makes."""

from __future__ import annotations

import math
from typing import Any

import paddle
import pytest
from paddle import nn

from benchmarks.speed.flops import funnel_flops, xlmr_flops
from zoo.models.common.base import Model
from zoo.models.funnel import config as funnel
from zoo.models.funnel.model import build as build_funnel
from zoo.models.xlmr import config as xlmr
from zoo.models.xlmr.model import build as build_xlmr


def counted(model: Model, batch: int, length: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Watches every product of one forward pass."""
    total, product = 0, paddle.matmul

    def matmul(x: paddle.Tensor, y: paddle.Tensor, **options: Any) -> paddle.Tensor:
        nonlocal total
        result = product(x, y, **options)
        total += 2 * math.prod(result.shape) * x.shape[-1]
        return result

    def linear(layer: nn.Layer, inputs: tuple[paddle.Tensor], result: paddle.Tensor) -> None:
        nonlocal total
        total += 2 * math.prod(result.shape) * inputs[0].shape[-1]

    monkeypatch.setattr(paddle, "matmul", matmul)
    for layer in model.sublayers():
        if isinstance(layer, nn.Linear):
            layer.register_forward_post_hook(linear)
    model(paddle.ones([batch, length], dtype="int64"))
    return total


@pytest.mark.parametrize("length", [2, 3, 5, 8, 17, 40])
@pytest.mark.parametrize("repeats", [None, [1, 2, 1]])
@pytest.mark.parametrize("architecture", ["FunnelModel", "FunnelBaseModel"])
def test_funnel(architecture: str, repeats: list[int] | None, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"vocab_size": 20, "block_sizes": [2, 1, 2], "d_model": 12, "n_head": 3, "d_head": 8, "d_inner": 20}
    config = funnel.Config.from_dict({**sizes, "block_repeats": repeats, "architectures": [architecture]})
    expected = funnel_flops(config, 3, length, config.has_decoder)
    assert counted(build_funnel(config).eval(), 3, length, monkeypatch) == expected


def test_xlmr(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"vocab_size": 20, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = xlmr.Config.from_dict({**sizes, "intermediate_size": 20, "max_position_embeddings": 40})
    assert counted(build_xlmr(config).eval(), 3, 7, monkeypatch) == xlmr_flops(config, 3, 7)


def test_by_hand() -> None:
    """One layer, one head, width 2, two tokens, one text."""
    config = funnel.Config.from_dict({"block_sizes": [1], "d_model": 2, "n_head": 1, "d_head": 2, "d_inner": 2})
    assert funnel_flops(config, 1, 2, False) == 2 * (
        4 * 8 + 2 * 8 + 2 * 2 * (2 + 5 + 2) + 2 * 4 * 2 + 2 * 2 * 2 + 5 * 2 * 2
    )

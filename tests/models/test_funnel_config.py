"""Funnel's keys, config and refusals."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.models.test_funnel import (
    CLASSES,
    Arrays,
    arrays,
    config_of,
    original,
    ours,
    translated,
)
from zoo.checkpoint import backward
from zoo.errors import ConfigError, InputError, UsageError
from zoo.models.funnel.config import Config
from zoo.models.funnel.keymap import KEYMAP
from zoo.models.funnel.model import SHORT, build

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", ["FunnelModel", "FunnelBaseModel", *CLASSES.values()])
def test_keys_there_and_back(name: str) -> None:
    task = next((t for t, c in CLASSES.items() if c == name), None)
    state = arrays(original(name))
    mine = translated(state, task)
    back: Arrays = {}
    for step in KEYMAP.reverse(mine).steps:
        back |= backward(step, mine.__getitem__)
    known = {k if task else f"funnel.{k}": v for k, v in state.items() if k != "lm_head.weight"}
    assert set(back) == set(known)
    for key, value in known.items():
        assert np.array_equal(back[key], value), key


def test_own_square_parameters_are_not_turned() -> None:
    """r_w_bias and its kind are 2-D and no Linear."""
    names = ("r_w_bias", "r_r_bias", "r_s_bias", "r_kernel", "seg_embed")
    plan = KEYMAP.plan([f"encoder.blocks.2.11.attention.{n}" for n in names])
    assert {step.rule.op for step in plan.steps} == {"copy"}
    assert plan.steps[0].targets == ("encoder.blocks.2.11.attention.content_bias",)


def test_architecture_decides_about_the_decoder() -> None:
    peer = original()
    for name, has in [("FunnelModel", True), ("FunnelBaseModel", False), ("FunnelForMultipleChoice", False)]:
        config = config_of(peer, name)
        assert config.has_decoder == has
        assert any(n.startswith("decoder.") for n in build(config).state_dict()) == has
    full = config_of(peer, "FunnelModel")
    for task in (*CLASSES, "qa-beam"):
        names = build(full, task).state_dict()
        assert any(n.startswith("encoder.decoder.") for n in names) == (task not in SHORT)
    with pytest.raises(UsageError, match="no decoder"):
        build(config_of(peer, "FunnelBaseModel"), "tagging")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pooling_type", "min"),
        ("attention_type", "linear"),
        ("separate_cls", 1),
        ("block_sizes", []),
        ("block_sizes", [4, 0]),
        ("block_repeats", [1, 1]),
        ("hidden_dropout", 1.5),
        ("hidden_act", "swish"),
        ("d_model", 15),
    ],
)
def test_what_the_network_cannot_do(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.from_dict({name: value})


def test_config_comes_back_as_it_was() -> None:
    read = {"block_sizes": [2, 2], "block_repeats": None, "d_model": 32, "rel_attn_type": "factorized"}
    assert Config.from_dict(read).to_dict() == read


def test_positions_are_refused() -> None:
    model = ours(original("FunnelBaseModel"), "FunnelBaseModel")
    with pytest.raises(InputError, match="positions"):
        model(paddle.ones([1, 6], "int64"), position_ids=paddle.zeros([1, 6], "int64"))


def test_a_segment_that_does_not_exist() -> None:
    model = ours(original("FunnelBaseModel"), "FunnelBaseModel")
    with pytest.raises(InputError, match="token_type_ids holds 3; the model knows 0 to 2"):
        model(paddle.ones([1, 6], "int64"), token_type_ids=paddle.full([1, 6], 3, "int64"))


def test_initial_weights() -> None:
    """Linears N(0, 1 / sqrt(in + out)), heads' too; the attention's own uniform from 0; words N(0, 1)."""
    paddle.seed(1)
    state = build(Config(d_model=128, n_head=2, block_sizes=(1,)), "tagging").state_dict()
    inner = state["encoder.blocks.0.0.feed_forward.inner.weight"]
    assert abs(float(inner.std()) * (128 + 3072) ** 0.5 - 1) < 0.02
    assert abs(float(state["tagging.output.weight"].std()) * 130**0.5 - 1) < 0.2
    kernel = state["encoder.blocks.0.0.attention.position_kernel"]
    assert float(kernel.min()) >= 0 and 0.09 < float(kernel.max()) <= 0.1
    assert abs(float(state["encoder.embeddings.word.weight"].std()) - 1) < 0.02

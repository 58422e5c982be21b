"""PALM's own beam search: the tokens and scores that its original gave, with and without a cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings

from tests.models.test_generation import OPTIONS, row_of
from tests.places import GOLDEN
from zoo.checkpoint import forward
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.palm import config as palm_config
from zoo.models.palm import keymap as palm_keymap
from zoo.models.palm import model as palm_model


@pytest.fixture(scope="module")
def palm() -> tuple[Seq2Seq, dict[str, np.ndarray]]:
    """The network of the golden beams, and the file."""
    arrays = dict(np.load(GOLDEN / "palm_sofa_beam.npz"))
    upstream = {k.removeprefix("param/"): v for k, v in arrays.items() if k.startswith("param/")}
    sizes = {"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 1, "dec_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "intermediate_size": 32, "max_position_embeddings": 20}
    model = palm_model.build(palm_config.Config.from_dict(sizes))
    state: dict[str, np.ndarray] = {}
    for step in palm_keymap.KEYMAP.plan(upstream).steps:
        state |= forward(step, upstream.__getitem__)
    names = {n.removeprefix(model.prefix): n for n in state}
    missing, unexpected = model.set_state_dict({n: paddle.to_tensor(state[names[n]]) for n in model.state_dict()})
    assert not missing and not unexpected
    return model.eval(), arrays


@pytest.mark.parametrize("name", ["b4_min2_max10", "b5_max10", "b2_max6", "b1_max10"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_golden_beams(palm: tuple[Seq2Seq, dict[str, np.ndarray]], name: str, use_cache: bool) -> None:
    model, arrays = palm
    parts = {"min": 0, **{part.rstrip("0123456789"): int(part.lstrip("abinmx")) for part in name.split("_")}}
    made = model.generate(
        arrays["in/src"],
        arrays["in/mask"],
        arrays["in/types"],
        num_beams=parts["b"],
        min_length=parts["min"],
        max_length=parts["max"],
        length_penalty=0.6,
        search="palm",
        bos_token_id=2,
        eos_token_id=3,
        use_cache=use_cache,
    )
    for row in range(3):
        assert row_of(made, row) == arrays[f"out/{name}/{row}"].tolist()
        assert abs(made.scores[row] - arrays[f"out/{name}/{row}/score"]) <= 1e-4


@settings(max_examples=10, deadline=None)
@given(OPTIONS)
def test_palm_cached_and_uncached(palm: tuple[Seq2Seq, dict[str, np.ndarray]], options: dict[str, Any]) -> None:
    model, arrays = palm
    start = [token % 30 for token in options.get("decoder_start_ids", [2])]
    asked = {**options, "decoder_start_ids": start, "max_length": min(options["max_length"], 15), "search": "palm"}
    given = {"input_ids": arrays["in/src"], "attention_mask": arrays["in/mask"], "eos_token_id": 3, **asked}
    cached, uncached = model.generate(**given), model.generate(**given, use_cache=False)
    np.testing.assert_array_equal(cached.sequences, uncached.sequences)
    np.testing.assert_allclose(cached.scores, uncached.scores, atol=1e-4, rtol=1e-5)


def test_palm_n_best(palm: tuple[Seq2Seq, dict[str, np.ndarray]]) -> None:
    model, arrays = palm
    given = {
        "input_ids": arrays["in/src"],
        "attention_mask": arrays["in/mask"],
        "bos_token_id": 2,
        "eos_token_id": 3,
    }
    given |= {"num_beams": 5, "max_length": 10, "search": "palm", "length_penalty": 0.6}
    one, five = model.generate(**given), model.generate(**given, num_return_sequences=5)
    assert [row_of(five, n) for n in (0, 5, 10)] == [row_of(one, n) for n in range(3)]
    assert (np.diff(five.scores.reshape(3, 5), axis=1) <= 0).all()

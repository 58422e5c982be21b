"""Generation by graphs gives what the network itself gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from zoo.errors import InputError, UsageError
from zoo.inference.decoder import CompiledSeq2Seq
from zoo.inference.engines import missing, module_of
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.palm import config as palm_config
from zoo.models.palm import model as palm_model
from zoo.models.palm.v2 import config as palm2_config
from zoo.models.palm.v2 import model as palm2_model
from zoo.models.veco import config as veco_config
from zoo.models.veco import model as veco_model

ENGINES = ("paddle", "openvino")
WORDS, PAD = 300, 1  # more than one block of scores
PALM = {"hidden_size": 24, "num_hidden_layers": 1, "dec_hidden_layers": 2, "num_attention_heads": 3}
PALM |= {"intermediate_size": 40, "max_position_embeddings": 64, "vocab_size": WORDS}
VECO = {"d_model": 24, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 3}
VECO |= {"decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "vocab_size": WORDS}
ENCODER = {k: v for k, v in PALM.items() if k != "dec_hidden_layers"}
PALM2 = {"encoder": "zh_bert", "encoder_config": ENCODER, "vocab_size": WORDS, "dec_layers": 2}
PALM2 |= {"dec_hidden_size": 24, "dec_heads": 3, "dec_ff_size": 40, "p_gen": True}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": PAD}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_beams": 4, "num_return_sequences": 4},
    {"num_beams": 3, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_length": 9},
    {"num_beams": 3, "search": "palm", "length_penalty": 0.6, "decoder_start_ids": [4, 9, 5]},
    {"do_sample": True, "num_return_sequences": 2, "top_k": 30, "seed": 3},
]


def network(name: str) -> Seq2Seq:
    """A small network in which no weight is zero or one."""
    paddle.seed(5)
    model: Any
    if name == "palm":
        model = palm_model.build(palm_config.Config.from_dict(PALM), "generation")
    elif name == "palm2":  # with the copying of the paper
        model = palm2_model.build(palm2_config.Config.from_dict(PALM2))
    else:
        model = veco_model.build(veco_config.Config.from_dict(VECO))
    for parameter in model.parameters():
        parameter.set_value(parameter + paddle.randn(parameter.shape) * 0.25)
    return model


def compiled(model: Seq2Seq, engine: str, folder: Path, precision: str = "fp32") -> CompiledSeq2Seq:
    if missing(engine):
        pytest.skip(f"{engine} is not installed")
    module = module_of(engine, generates=True)
    made: CompiledSeq2Seq = module.open_graph(module.write(model, folder), precision, model)
    return made


@pytest.fixture(scope="module", params=[(e, n) for e in ENGINES for n in ("palm", "palm2", "veco")], ids="-".join)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Seq2Seq, CompiledSeq2Seq]:
    engine, name = request.param
    model = network(name)
    made = compiled(model, engine, tmp_path_factory.mktemp("graphs"))
    assert model.training  # as it was
    return model.eval(), made


def batch() -> dict[str, np.ndarray]:
    ids = np.random.default_rng(2).integers(3, WORDS, (3, 8))
    ids[1, 3:] = PAD
    return {"input_ids": ids, "attention_mask": (ids != PAD) * 1}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_as_the_network(pair: tuple[Seq2Seq, CompiledSeq2Seq], options: dict[str, Any]) -> None:
    given = {**batch(), **SPECIAL, "max_length": 40, **options}
    if options.get("search", "standard") not in pair[0].SEARCHES:
        with pytest.raises(UsageError, match="search="):
            pair[1].generate(**given)
        return
    wanted, made = (side.generate(**given) for side in pair)
    np.testing.assert_array_equal(made.sequences, wanted.sequences)
    np.testing.assert_allclose(made.scores, wanted.scores, atol=1e-4)


def test_one_call_after_another(pair: tuple[Seq2Seq, CompiledSeq2Seq]) -> None:
    """Buffers that the graphs use again hold nothing of an earlier call."""
    given = {**SPECIAL, "max_length": 20, "num_beams": 3}
    first = pair[1].generate(**batch(), **given)
    pair[1].generate(batch()["input_ids"][:1, :5], **given)
    again = pair[1].generate(**batch(), **given)
    np.testing.assert_array_equal(first.sequences, again.sequences)
    np.testing.assert_array_equal(first.scores, again.scores)


def test_what_a_network_has_no_rows_for(pair: tuple[Seq2Seq, CompiledSeq2Seq]) -> None:
    """As the network itself: sources that are too long, ids beyond the words, also where decoding starts."""
    longest = pair[0].config.longest
    usual, few = np.full((1, longest), 5), {**SPECIAL, "max_length": 4}
    long, odd = np.full((1, longest + 1), 5), np.full((1, 4), 10**6)
    for side in pair:
        side.generate(usual, **few)
        for source in (long, odd, -odd):
            with pytest.raises(InputError):
                side.generate(source, **few)
        for start in (10**6, -1):
            with pytest.raises((InputError, UsageError)):
                side.generate(usual[:, :4], **{**few, "bos_token_id": start})


@pytest.mark.parametrize("engine", ENGINES)
def test_bfloat16_is_near(engine: str, tmp_path: Path) -> None:
    model = network("palm").eval()
    given = {**batch(), **SPECIAL, "max_length": 12, "min_length": 12}
    wanted, made = model.generate(**given), compiled(model, engine, tmp_path, "bf16").generate(**given)
    np.testing.assert_allclose(made.scores, wanted.scores, rtol=0.1)


def test_unknown_precision(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int8"):
        compiled(network("palm"), "paddle", tmp_path, "int8")

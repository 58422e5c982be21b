"""The plan of `--dry-run`: what a network takes in memory, compared with what paddle allocates."""

from __future__ import annotations

import gc
import json

import numpy as np
import paddle
import pytest
from paddle.base import core

import zoo
from tests.tiny_models import build
from zoo.convert.__main__ import main
from zoo.convert.memory import Needs, activations

SIZES = {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
SIZES |= {"intermediate_size": 256, "max_position_embeddings": 140, "type_vocab_size": 1}


def allocated() -> int:
    """Bytes that paddle holds."""
    return int(core.host_memory_stat_current_value("Allocated", 0))


@pytest.mark.parametrize("length", [64, 128])
@pytest.mark.parametrize("family", ["xlmr", "xlmr_xl"])
def test_a_step_of_training_takes_what_the_plan_says(family: str, length: int) -> None:
    gc.collect()
    before = allocated()
    model = build(family, "classification", SIZES, seed=1)
    model.train()
    optimiser = paddle.optimizer.AdamW(1e-4, parameters=model.parameters())
    needs = Needs.of(sum(p.size for p in model.parameters()), SIZES)
    assert allocated() - before == pytest.approx(needs.float32, rel=0.02)
    ids, labels = paddle.to_tensor(np.full((4, length), 7)), paddle.zeros([4], "int64")
    start = allocated()
    loss = model(ids, paddle.ones_like(ids), labels=labels).loss
    assert allocated() - start == pytest.approx(activations(SIZES, 4, length), rel=0.1)
    loss.backward()
    del loss
    optimiser.step()
    gc.collect()
    assert allocated() - before == pytest.approx(needs.training, rel=0.03)


def test_the_plan_of_xl() -> None:
    """36 layers: 3.48 billion float32 numbers, four times that in training."""
    card = zoo.info("xlm-roberta-xl")
    needs = Needs.of(card.parameters, card.config)
    assert needs.float32 == 4 * 3_482_741_760 and needs.half * 2 == needs.float32
    assert needs.loading == needs.float32 + 4 * 250_880 * 2_560
    assert needs.training == 4 * needs.float32
    assert needs.activations[8, 512] > 4 * needs.activations[8, 128]  # attention takes the square of the length


def test_networks_of_other_layers_have_no_activations() -> None:
    card = zoo.info("funnel-transformer/small")
    assert Needs.of(card.parameters, card.config).activations == {}


def test_a_dry_run_shows_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    main(["xlm-roberta-xl", "--dry-run"])
    said = capsys.readouterr().out
    assert "3,482,741,760 parameters: float32 13.9 GB" in said and "AdamW 55.7 GB" in said
    main(["xlm-roberta-xl", "--dry-run", "--json"])
    found = json.loads(capsys.readouterr().out)["models"][0]["network"]
    assert found["parameters"] == 3_482_741_760 and set(found["activations"]) == {"8x128", "8x512"}

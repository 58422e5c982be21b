"""The tricks change neither outputs nor gradients nor files, and can be taken back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from tests.finetune.small import SomeRows
from tests.finetune.test_optimisation import FUNNEL
from tests.tiny_models import learner
from zoo.finetune import cpu_speedups
from zoo.finetune.freezing import freeze_body
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.funnel.model import build as build_funnel


def numbers(model: Any, batch: dict[str, Any]) -> dict[str, np.ndarray]:
    """Loss and gradients."""
    loss = model(**batch).loss
    loss.backward()
    found = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    for p in model.parameters():
        p.clear_gradient(set_to_zero=False)
    return {"loss": loss.numpy(), **found}


def alike(plain: dict[str, np.ndarray], faster: dict[str, np.ndarray]) -> None:
    assert set(plain) == set(faster)
    largest = max(np.abs(value).max() for value in plain.values())
    for name, value in plain.items():
        assert np.abs(faster[name] - value).max() <= 1e-6 * max(largest, 1.0), name


@pytest.mark.parametrize("task", ["classification", "tagging", "qa"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_loss_and_gradients_are_the_plain_ones(task: str, activation: str) -> None:
    model = learner(task, dropout=0.0, hidden_act=activation)
    for p in model.parameters():  # norms and biases that do something
        p.set_value(p + 0.1 * paddle.randn(p.shape))
    batch = {k: paddle.to_tensor(v) for k, v in SomeRows(9, task=task).batch(np.arange(9)).items()}
    plain = numbers(model, batch)
    with cpu_speedups.speed_up(model):
        alike(plain, numbers(model, batch))
    again = numbers(model, batch)
    assert all(np.array_equal(again[name], plain[name]) for name in plain)


def test_funnel_too() -> None:
    paddle.seed(0)
    plain_rates = {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    model = build_funnel(FunnelConfig.from_dict({**FUNNEL, **plain_rates, "vocab_size": 64}), "tagging")
    model.train()
    batch = {k: paddle.to_tensor(v) for k, v in SomeRows(6, task="qa", shortest=8).batch(np.arange(6)).items()}
    batch["labels"] = (batch["input_ids"] > 20).astype("int64")
    plain = numbers(model, batch)
    with cpu_speedups.speed_up(model):
        alike(plain, numbers(model, batch))


def test_it_is_taken_back() -> None:
    model = learner()
    before = paddle.get_flags(cpu_speedups.STRIDE_FLAG)
    state = [copy.copy(layer.__dict__) for layer in model.sublayers()]
    with pytest.raises(KeyError), cpu_speedups.speed_up(model):
        assert "forward" in model.classification.output.__dict__
        raise KeyError
    assert paddle.get_flags(cpu_speedups.STRIDE_FLAG) == before
    assert [layer.__dict__ for layer in model.sublayers()] == state
    assert model.encoder.layers[0].feed_forward.activation is F.gelu


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.003])
def test_dropout_has_its_rate_and_scale(rate: float) -> None:
    cpu_speedups.seed(1)
    values = cpu_speedups.mask([400, 1001], rate).numpy()
    assert set(np.unique(values)) == {0.0, np.float32(1 / (1 - round(rate * 65536) / 65536))}
    assert abs((values == 0).mean() - rate) < 5 * (rate / values.size) ** 0.5
    assert abs(values.mean() - 1) < 0.01
    columns = (values == 0).mean(axis=0)
    assert columns.std() < 1.2 * (rate / 400) ** 0.5  # no pattern along an axis


def test_dropout_is_seeded_and_off_in_eval() -> None:
    model = learner()
    batch = {k: paddle.to_tensor(v) for k, v in SomeRows(4).batch(np.arange(4)).items()}
    with cpu_speedups.speed_up(model):
        model.train()
        cpu_speedups.seed(3)
        first, second = model(**batch).loss.item(), model(**batch).loss.item()
        cpu_speedups.seed(3)
        assert first == model(**batch).loss.item() != second
        model.eval()
        assert model(**batch).loss.item() == model(**batch).loss.item()


def test_a_frozen_body_trains_its_head() -> None:
    model = learner()
    freeze_body(model)
    before = model.encoder.layers[0].attention.query.weight.numpy().copy()
    head = model.classification.output.weight.numpy().copy()
    train(model, SomeRows(), make_optimiser(model, OptimiserSettings(lr=1e-2)), LoopSettings(2, lr=1e-2))
    assert np.array_equal(model.encoder.layers[0].attention.query.weight.numpy(), before)
    assert not np.array_equal(model.classification.output.weight.numpy(), head)


def test_a_fast_run_ends_where_a_plain_one_does(tmp_path: Path) -> None:
    ends = []
    for faster in (False, True):
        model = learner(dropout=0.0)
        losses: list[float] = []

        def tell(event: Any, losses: list[float] = losses) -> None:
            losses.extend([event.loss] if hasattr(event, "loss") else [])

        settings = LoopSettings(20, 8, lr=1e-3, fast=faster)
        train(model, SomeRows(), make_optimiser(model, OptimiserSettings(lr=1e-3)), settings, on_event=tell)
        ends.append(losses)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-4)

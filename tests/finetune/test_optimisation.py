"""Decay groups, layer-wise rates, schedules and clipping, against torch where it has them."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from tests.tiny_models import learner
from zoo.errors import UsageError
from zoo.finetune.optimisation import (
    OptimiserSettings,
    clip,
    decays,
    depths,
    gradient_norm,
    lr_factor,
    make_optimiser,
)
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.funnel.model import build as build_funnel

FUNNEL = {
    "vocab_size": 50,
    "block_sizes": [1, 2],
    "num_decoder_layers": 1,
    "d_model": 16,
    "n_head": 2,
    "d_head": 8,
    "d_inner": 32,
    "architectures": ["FunnelModel"],
}


def test_biases_and_norms_are_not_decayed() -> None:
    names = [name for name, _ in learner().named_parameters()]
    kept = {name for name in names if not decays(name)}
    assert kept == {name for name in names if "bias" in name or "norm" in name}
    assert decays("encoder.embeddings.word.weight") and decays("classification.output.weight")


def test_every_bias_and_norm_of_funnel_is_found() -> None:
    names = [name for name, _ in build_funnel(FunnelConfig.from_dict(FUNNEL), "tagging").named_parameters()]
    assert not decays("encoder.blocks.0.0.attention_norm.weight")
    assert all(not decays(name) for name in names if name.endswith(("norm.weight", ".bias")))


@pytest.mark.parametrize("everything", [False, True])
def test_decay_reaches_the_right_parameters(everything: bool) -> None:
    model = learner()
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    optimiser = make_optimiser(model, OptimiserSettings(lr=0.1, weight_decay=0.5, decay_all=everything))
    for p in model.parameters():
        p.grad = paddle.zeros_like(p)
    optimiser.step()
    for name, p in model.named_parameters():
        factor = 0.95 if everything or decays(name) else 1.0
        np.testing.assert_allclose(p.numpy(), before[name] * factor, rtol=1e-6, err_msg=name)


def test_depths_of_an_encoder() -> None:
    found = depths(learner())
    assert found["classification.output.weight"] == 0
    assert found["encoder.pooler.dense.weight"] == 0
    assert found["encoder.layers.1.attention.query.weight"] == 1
    assert found["encoder.layers.0.attention.query.weight"] == 2
    assert found["encoder.embeddings.word.weight"] == found["encoder.embeddings.norm.bias"] == 3


def test_depths_of_funnel_follow_the_text() -> None:
    found = depths(build_funnel(FunnelConfig.from_dict(FUNNEL), "tagging"))
    layers = ["decoder.layers.0", "blocks.1.1", "blocks.1.0", "blocks.0.0", "embeddings.word"]
    order = [next(d for name, d in found.items() if name.startswith(f"encoder.{layer}.")) for layer in layers]
    assert order == [1, 2, 3, 4, 5]
    assert found["tagging.output.weight"] == 0


def test_layer_decay_scales_the_step() -> None:
    model = learner()
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    optimiser = make_optimiser(model, OptimiserSettings(lr=0.1, weight_decay=0.0, layer_decay=0.5))
    for p in model.parameters():
        p.grad = paddle.ones_like(p)
    optimiser.step()
    for name, depth in depths(model).items():
        moved = before[name] - dict(model.named_parameters())[name].numpy()
        np.testing.assert_allclose(moved, 0.1 * 0.5**depth, rtol=1e-3, err_msg=name)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="lamb"):
        make_optimiser(learner(), OptimiserSettings("lamb"))
    with pytest.raises(UsageError, match="step"):
        lr_factor("step", 1, 2, 3)


def test_a_frozen_model_is_refused() -> None:
    model = learner()
    for p in model.parameters():
        p.stop_gradient = True
    with pytest.raises(UsageError, match="frozen"):
        make_optimiser(model, OptimiserSettings())


@pytest.mark.torch
@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
def test_schedules_of_transformers(name: str) -> None:
    torch = pytest.importorskip("torch")
    from transformers import get_scheduler

    kind = "constant_with_warmup" if name == "constant" else name
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler(kind, optimiser, num_warmup_steps=3, num_training_steps=20)
    for step in range(20):
        assert lr_factor(name, step, 3, 20) == pytest.approx(theirs.get_last_lr()[0])
        theirs.step()


def test_noam_and_polynomial() -> None:
    for n in range(1, 30):  # PALM 2.0: the n-th update
        assert lr_factor("noam", n - 1, 10, 30) == pytest.approx(min(n**-0.5, n * 10**-1.5))
    assert lr_factor("polynomial", 0, 4, 20) == 0.25
    assert lr_factor("polynomial", 3, 4, 20) == 1.0
    assert lr_factor("polynomial", 11, 4, 20) == pytest.approx(0.5)
    assert lr_factor("linear", 0, 0, 10) == 1.0


@pytest.mark.torch
def test_clipping_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    grads = [random.normal(size=(5, 7)).astype(np.float32), random.normal(size=9).astype(np.float32)]
    for largest in (1.0, 100.0):
        ours = [paddle.create_parameter(list(g.shape), "float32") for g in grads]
        theirs = [torch.nn.Parameter(torch.zeros(g.shape)) for g in grads]
        for p, t, g in zip(ours, theirs, grads, strict=True):
            p.grad, t.grad = paddle.to_tensor(g), torch.tensor(g)
        norm = gradient_norm(ours)
        clip(ours, norm, largest)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, largest)), rel=1e-6)
        for p, t in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-6)


def test_a_gradient_that_is_no_number_shows_in_the_norm() -> None:
    p = paddle.create_parameter([3], "float32")
    p.grad = paddle.to_tensor([1.0, float("nan"), 2.0])
    assert math.isnan(gradient_norm([p]))

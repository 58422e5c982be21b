"""Layers that are computed again give the same loss and gradients, bit for bit, and the same run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.base import core

from tests.finetune.small import bytes_of, run
from tests.tiny_models import SIZES, build
from zoo.finetune import cpu_speedups
from zoo.finetune.losses import objective_of
from zoo.finetune.recompute import recomputed, stacked
from zoo.finetune.seeding import seed_update

Arrays = dict[str, np.ndarray]
VECO = {"model_type": "bart", "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "d_model": 16}
VECO |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": 50}
VECO |= {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 60}
PALM2 = {"encoder": "zh_bert", "encoder_config": SIZES["structbert"], "dec_layers": 2, "dec_hidden_size": 24}
PALM2 |= {"dec_heads": 2, "dec_ff_size": 32}
NETWORKS = [
    *((family, "classification" if family != "palm" else "mlm", SIZES[family], 4) for family in SIZES),
    ("funnel", "qa", {**SIZES["funnel"], "block_repeats": [1, 2, 1]}, 4),
    ("palm", "generation", SIZES["palm"], 4),
    ("palm.v2", "generation", PALM2, 4),
    ("veco", "generation", VECO, 4),
]


def prepared(family: str, task: str, sizes: dict[str, Any]) -> tuple[Any, dict[str, paddle.Tensor]]:
    """A network in train mode with dropout 0.1 everywhere, and a batch of three rows with padding."""
    model = build(family.partition("-")[0], task, sizes, seed=1)
    for layer in model.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.1
    model.train()
    random = np.random.default_rng(0)
    ids = random.integers(5, 50, (3, 12))
    mask = np.ones_like(ids)
    mask[1, 7:] = 0
    batch = {"input_ids": np.where(mask, ids, 1), "attention_mask": mask, "labels": ids}
    if task == "classification":
        batch["labels"] = np.array([0, 1, 1])
    elif task == "qa":
        batch["labels"] = np.array([[0, 3], [2, 2], [4, 9]])
    elif task == "generation":
        batch["decoder_input_ids"], batch["labels"] = ids[:, :8], ids[:, 1:9]
    return model, {name: paddle.to_tensor(array) for name, array in batch.items()}


def numbers(
    model: Any, batch: dict[str, paddle.Tensor], name: str = "", again: bool = False, fast: bool = False
) -> Arrays:
    """Loss and gradients of an update of two micro-batches, whose layers are computed again or not."""
    seed_update(1, 2)
    loss = objective_of(model, name or None).loss
    with ExitStack() as ways:
        if fast:
            ways.enter_context(cpu_speedups.speed_up(model))
        if again:
            ways.enter_context(recomputed(model))
        losses = []
        for _ in range(2):
            losses.append(loss(model, batch))
            losses[-1].backward()
        drawn = [paddle.rand([1]), cpu_speedups.mask([4], 0.5)]
    found = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    for p in model.parameters():
        p.clear_gradient(set_to_zero=False)
    more = {"loss": losses, "what is drawn next": drawn}
    return {**found, **{k: np.concatenate([t.numpy().reshape(-1) for t in v]) for k, v in more.items()}}


def equal(one: Arrays, other: Arrays) -> None:
    assert set(one) == set(other) and len(one) > 10
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("family", "task", "sizes", "layers"), NETWORKS)
def test_gradients_are_the_plain_ones(
    family: str, task: str, sizes: dict[str, Any], layers: int, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = prepared(family, task, sizes)
    plain = numbers(model, batch, fast=fast)
    runs: list[object] = []
    kept = type(next(stacked(model))).forward
    monkeypatch.setattr(type(next(stacked(model))), "forward", lambda *given: runs.append(0) or kept(*given))
    equal(plain, numbers(model, batch, again=True, fast=fast))
    assert len(runs) >= 4 * sum(isinstance(each, type(next(stacked(model)))) for each in stacked(model))
    assert all("forward" not in layer.__dict__ for layer in model.sublayers())
    assert len(list(stacked(model))) >= 2


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("loss", ["smart", "r-drop", "fgm"])
def test_losses_of_several_passes(loss: str, fast: bool) -> None:
    model, batch = prepared("structbert", "classification", SIZES["structbert"])
    equal(numbers(model, batch, loss, fast=fast), numbers(model, batch, loss, True, fast))


def test_a_frozen_bottom_is_not_computed_again() -> None:
    model, batch = prepared("structbert", "classification", SIZES["structbert"])
    for p in model.encoder.embeddings.parameters():
        p.stop_gradient = True
    equal(numbers(model, batch), numbers(model, batch, again=True))


@pytest.mark.parametrize("fast", [False, True])
def test_less_is_kept(fast: bool) -> None:
    """Counted by paddle, between the forward and the backward pass."""
    model, batch = prepared("structbert", "classification", SIZES["structbert"])
    batch = {name: tensor.tile([20, *[1] * (tensor.ndim - 1)]) for name, tensor in batch.items()}

    def kept(again: bool) -> int:
        with ExitStack() as ways:
            if fast:
                ways.enter_context(cpu_speedups.speed_up(model))
            if again:
                ways.enter_context(recomputed(model))
            before = core.host_memory_stat_current_value("Allocated", 0)
            loss = model(**batch).loss
            after = core.host_memory_stat_current_value("Allocated", 0)
            del loss
        return int(after - before)

    assert 0 < kept(True) < kept(False) / 3


def test_a_run_with_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    """Accumulated, stopped without it and gone on with it."""
    settings = {"updates": 6, "batch_size": 8, "accumulate": 2, "lr": 1e-3, "save_every": 2}

    def stop(event: Any) -> None:
        if event.update == 4:
            raise InterruptedError

    whole, _ = run({"settings": settings}, None)
    with pytest.raises(InterruptedError):
        run({"settings": settings}, tmp_path, on_event=stop)
    resumed, events = run({"settings": {**settings, "recompute": True}}, tmp_path, resume=True)
    assert events[0].update == 2 and bytes_of(resumed) == bytes_of(whole)

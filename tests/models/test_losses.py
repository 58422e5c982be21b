"""Numeric traps of paddle 3.3.1, each with what torch gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest
import torch

from tests.tiny_models import learner
from zoo.errors import InputError
from zoo.finetune.losses import SECOND_LOSSES
from zoo.finetune.setup import smoothed
from zoo.models.common.base import Model
from zoo.models.common.embeddings import Embedding, padded_positions
from zoo.models.common.layers import additive_mask
from zoo.models.common.losses import cross_entropy
from zoo.models.palm import losses as palm
from zoo.models.veco import losses as veco


def test_ignored_labels_do_not_count() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    labels = np.array([1, -100, 3, -100, -100, 0])
    want = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    x = paddle.to_tensor(logits, stop_gradient=False)
    loss = cross_entropy(x, paddle.to_tensor(labels))
    assert float(loss) == pytest.approx(float(want), rel=1e-6)
    wrong = paddle.nn.functional.cross_entropy(x, paddle.to_tensor(labels))
    assert float(wrong) == pytest.approx(float(want) / 2, rel=1e-6)  # when this fails, paddle has been repaired


def test_all_ignored_changes_nothing() -> None:
    x = paddle.to_tensor(np.ones((2, 3), "float32"), stop_gradient=False)
    loss = cross_entropy(x, paddle.to_tensor([-100, -100]))
    loss.backward()
    assert float(loss) == 0.0 and float(x.grad.abs().max()) == 0.0


def test_confident_and_wrong() -> None:
    logits, labels = paddle.to_tensor([[1e4, -1e4]]), paddle.to_tensor([1])
    assert float(cross_entropy(logits, labels)) == pytest.approx(2e4)
    assert float(paddle.nn.functional.cross_entropy(logits, labels)) == 64.0  # paddle's own is cut off


def test_label_without_a_class() -> None:
    for label in (3, -1):
        with pytest.raises(InputError, match=str(label)):
            cross_entropy(paddle.to_tensor([[0.0, 1.0, 2.0]]), paddle.to_tensor([label]))


def test_embedding_keeps_its_padding_row() -> None:
    layer = Embedding(4, 3, std=1.0, padding=2)
    ids = paddle.to_tensor([[2, 1, 2]])
    assert np.array_equal(layer(ids).numpy()[0, 0], layer.weight.numpy()[2])
    (layer(ids) ** 2).sum().backward()
    gradient = layer.weight.grad.numpy()
    assert np.all(gradient[[0, 2, 3]] == 0) and np.all(gradient[1] != 0)


def test_fairseq_positions() -> None:
    left = padded_positions(paddle.to_tensor([[1, 1, 7, 8], [5, 6, 1, 1], [5, 1, 6, 7]]), padding=1)
    assert left.tolist() == [[1, 1, 2, 3], [2, 3, 1, 1], [2, 1, 3, 4]]


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "float32"])
def test_masks_of_any_type(dtype: str) -> None:
    mask = additive_mask(paddle.to_tensor([[1, 0]]).astype(dtype), paddle.float32)
    assert mask.shape == [1, 1, 1, 2] and mask[0, 0, 0, 0] == 0.0 and mask[0, 0, 0, 1] < -1e29
    assert bool(paddle.isfinite(mask.astype("bfloat16")).all())
    assert bool(paddle.isfinite(additive_mask(paddle.to_tensor([[1, 0]]), paddle.float16)).all())


def test_ids_without_a_row() -> None:
    from zoo.models.xlmr.config import Config
    from zoo.models.xlmr.model import build

    sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    model = build(Config.from_dict({**sizes, "vocab_size": 9, "max_position_embeddings": 6})).eval()
    for ids, named in (([[3, 9]], "input_ids"), ([[3, -1]], "input_ids"), ([[3, 4, 5, 6, 7]], "position_ids")):
        with pytest.raises(InputError, match=named):
            model(paddle.to_tensor(ids))
    with pytest.raises(InputError, match="token_type_ids"):
        model(paddle.to_tensor([[3]]), token_type_ids=paddle.to_tensor([[2]]))
    with pytest.raises(InputError, match="either input_ids or inputs_embeds"):
        model()
    with pytest.raises(InputError, match="2 dimensions"):
        model(paddle.to_tensor([3]))
    with pytest.raises(InputError, match="3 columns for 2 tokens"):
        model(paddle.to_tensor([[3, 4]]), attention_mask=paddle.to_tensor([[1, 1, 1]]))


def labelled(name: str, model: Model, seed: int = 0) -> dict[str, paddle.Tensor]:
    """A batch of which no label counts."""
    ids = paddle.to_tensor(np.random.default_rng(seed).integers(1, 60, (2, 5)))
    outside = ids.shape[1] if name == "qa" else -100
    shape = [2, 2] if name == "qa" else [2] if name == "classification" else [2, 5]
    return {
        "input_ids": ids,
        "attention_mask": paddle.ones_like(ids),
        "labels": paddle.full(shape, outside, "int64"),
    }


@pytest.mark.parametrize("name", ["classification", "tagging", "qa", "mlm", "smoothed", "r-drop"])
def test_a_batch_of_which_no_label_counts(name: str) -> None:
    """torch gives nan (0 / 0); here the loss and every gradient are 0, for every head and every second loss."""
    task = {"smoothed": "tagging", "r-drop": "tagging"}.get(name, name)
    model = learner(task)
    model.train()
    losses = {"smoothed": smoothed(0.1), "r-drop": lambda m, b: SECOND_LOSSES["r-drop"]()(m, b)}
    loss = losses.get(name, lambda m, b: m(**b).loss)(model, labelled(task, model))
    loss.backward()
    assert float(loss) == 0.0
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(float(g.abs().max()) == 0.0 for g in gradients)


@pytest.mark.parametrize(
    "loss", [palm.mean_over_tokens, palm.smoothed_sum, palm.smoothed_mean, veco.mean, veco.smoothed_sum]
)
def test_a_target_of_which_nothing_counts(loss: Callable[..., paddle.Tensor]) -> None:
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 7)).astype("float32"), stop_gradient=False)
    value = loss(x, paddle.full([2, 3], -100, "int64"))
    value.backward()
    assert float(value) == 0.0 and float(x.grad.abs().max()) == 0.0

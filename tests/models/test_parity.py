"""Forward, loss and gradients against transformers, on tiny random models."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import torch

from peers import ours, paddle_model, torch_model

FAMILIES = ("xlmr", "structbert")
PAD = {"xlmr": 1, "structbert": 0}
pytestmark = pytest.mark.torch


def batch(
    family: str, length: int, padding: str, seed: int = 0, shape: tuple[int, ...] = (3,)
) -> dict[str, np.ndarray]:
    """Random ids with up to half of a row padded on one side, or none."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(2, 50, (*shape, length))
    mask = np.ones_like(ids)
    rows = ids.reshape(-1, length), mask.reshape(-1, length)
    if padding in ("left", "right"):
        for n in range(len(rows[0])):
            cut = min(n, length - 1) if n < 2 else length // 2
            where = slice(0, cut) if padding == "left" else slice(length - cut, length)
            rows[0][n, where], rows[1][n, where] = PAD[family], 0
    out = {"input_ids": ids, "attention_mask": mask}
    if padding == "none":
        del out["attention_mask"]
    return out


def run(peer: torch.nn.Module, model: paddle.nn.Layer, inputs: dict[str, np.ndarray], **options: object):
    """The two outputs on the same inputs."""
    theirs = peer(**{k: torch.from_numpy(v) for k, v in inputs.items()}, **options)
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, **options)
    return theirs, mine


def close(theirs: torch.Tensor, mine: paddle.Tensor, tolerance: float = 5e-6) -> None:
    scale = max(1.0, float(theirs.detach().abs().max()))
    np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("padding", ["none", "all-one", "left", "right"])
@pytest.mark.parametrize("length", [1, 7, 32])
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states(family: str, length: int, padding: str) -> None:
    peer = torch_model(family, None)
    theirs, mine = run(
        peer, paddle_model(family, None, peer), batch(family, length, padding), output_hidden_states=True
    )
    assert len(mine.hidden_states) == len(theirs.hidden_states) == 4
    for one, other in zip(theirs.hidden_states, mine.hidden_states, strict=True):
        close(one, other)  # padded slots too: they have the same finite numbers
    close(theirs.pooler_output, mine.pooler_output)

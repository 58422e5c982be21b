"""OpenVINO's graph of a layer computes what the layer computes, operator by operator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino
import paddle
import pytest
from paddle import Tensor, nn
from paddle.static import InputSpec

from tests.tiny_models import batch, tiny
from zoo import env
from zoo.inference import engines
from zoo.inference.engines.openvino_graph import build_graph
from zoo.inference.graph import NoCounterpartError

F = nn.functional
Function = Callable[[Tensor, Tensor], Tensor | tuple[Tensor, ...]]
# Of x, float32 [B, 4, 6], and n, int64 [B, 4].
FUNCTIONS: dict[str, Function] = {
    "slices": lambda x, n: (x[:, 1:, ::2], x[0], x[:, -1], n[:, :-1]),
    "sums": lambda x, n: (x.sum(), x.mean(axis=[1, 2], keepdim=True), n.sum(axis=-1), (n > 3).sum(axis=1)),
    "extremes": lambda x, n: (x.max(axis=1), n.min(axis=-1, keepdim=True), x.prod(axis=-1)),
    "truth": lambda x, n: (((n > 2) & (n < 9)) | ~(n >= 7), (n == 3).any(axis=1), (n != 3).all(axis=1)),
    "integers": lambda x, n: (n // 3, n * 2 + 1, 5 - n, n.cumsum(axis=1), n.astype("float32") / 3),
    "numbers": lambda x, n: (x**2, paddle.exp(x), paddle.abs(x), paddle.erf(x), x.clip(-0.5, 0.5), -x),
    "activations": lambda x, n: (F.relu(x), F.silu(x), F.sigmoid(x), F.gelu(x), F.gelu(x, approximate=True)),
    "parts": lambda x, n: tuple(paddle.split(x, 3, axis=-1)) + tuple(paddle.split(x, [1, 3], axis=1)),
    "joined": lambda x, n: (paddle.concat([x, x * 2], axis=1), paddle.stack([n, n + 1], axis=1)),
    "shapes": lambda x, n: (x.flatten(1), x.reshape([0, -1]), x.transpose([2, 0, 1]), x.unsqueeze(1).squeeze(1)),
    "lengths": lambda x, n: (paddle.arange(paddle.shape(n)[0]), x.reshape([paddle.shape(n)[0] * 2, -1])),
    "wider": lambda x, n: (n.unsqueeze(2).expand([-1, -1, 3]), x.tile([1, 2, 1]), paddle.full_like(n, 7)),
    "picked": lambda x, n: (
        paddle.index_select(x, paddle.to_tensor([2, 0]), axis=1),
        paddle.take_along_axis(n, n % 4, axis=1),
        paddle.where(n > 4, n, n * 0),
        F.one_hot(n % 5, 5),
        *paddle.topk(x, 2, axis=-1),
    ),
}


class Layer(nn.Layer):
    """A function of two tensors."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, n: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.function(x, n)


SPECS = [InputSpec([None, 4, 6], "float32", "x"), InputSpec([None, 4], "int64", "n")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_values_and_types(name: str) -> None:
    draw = np.random.default_rng(1)
    layer = Layer(FUNCTIONS[name]).eval()
    for rows in (3, 1):
        x, n = draw.standard_normal((rows, 4, 6), "float32"), draw.integers(0, 10, (rows, 4))
        wanted = layer(paddle.to_tensor(x), paddle.to_tensor(n))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        names = [f"out_{k}" for k in range(len(wanted))]
        graph = build_graph(Layer(FUNCTIONS[name]).eval(), SPECS, names)
        assert [value.get_any_name() for value in graph.outputs] == names
        found = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x, n])
        for key, (got, tensor) in enumerate(zip(found.values(), wanted, strict=True)):
            assert (got.shape, got.dtype) == (tuple(tensor.shape), tensor.numpy().dtype), (name, key)
            np.testing.assert_allclose(got, tensor.numpy(), rtol=1e-5, atol=1e-5, err_msg=f"{name} {key}")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, n: paddle.linalg.pinv(x[:, :, :4]), "Paddle's operator"),
        (lambda x, n: F.dropout(x, 0.5, training=True), "dropout with is_test=False"),
        (lambda x, n: paddle.norm(x, p=1.0, axis=-1), "p_norm with porder=1.0"),
    ],
)
def test_an_operator_that_is_not_there(function: Function, message: str) -> None:
    with pytest.raises(NoCounterpartError, match=message):
        build_graph(Layer(function), SPECS, ["out"])


def test_paddle_computes_what_openvino_has_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the precision that was asked for, where the engine was left open; else the error stays."""
    model = tiny()
    model.head.output.register_forward_post_hook(lambda layer, given, made: paddle.asinh(made))
    with pytest.raises(NoCounterpartError, match="asinh"):
        engines.compile(model, "openvino")
    monkeypatch.setattr(env, "computes_bf16", lambda: True)
    engine = engines.compile(model, precision="fp32")
    assert (engine.name, engine.precision) == ("paddle", "fp32") and "asinh" in caplog.text
    given = batch(2, 5)
    np.testing.assert_allclose(engine(given)["logits"], engines.compile(model, "eager")(given)["logits"], atol=1e-5)

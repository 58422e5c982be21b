"""Every model can be traced to a static graph with free batch and length, and computes the same there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.static import InputSpec

from tests.models.peers import SIZES

FIELDS = {
    None: ("last_hidden_state",),
    "mlm": ("logits",),
    "classification": ("logits",),
    "tagging": ("logits",),
    "qa": ("start_logits", "end_logits"),
    "embedding": ("embeddings",),
}


class Plain(paddle.nn.Layer):
    """Tensors in, tensors out."""

    def __init__(self, model: paddle.nn.Layer, fields: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.fields = model, fields

    def forward(self, input_ids: paddle.Tensor, attention_mask: paddle.Tensor) -> list[paddle.Tensor]:
        output = self.model(input_ids, attention_mask)
        return [getattr(output, name) for name in self.fields]


@pytest.mark.parametrize("task", FIELDS)
@pytest.mark.parametrize("family", ["xlmr", "structbert"])
def test_static_graph(tmp_path: Path, family: str, task: str | None) -> None:
    config = import_module(f"zoo.models.{family}.config").Config.from_dict(SIZES)
    plain = Plain(import_module(f"zoo.models.{family}.model").build(config, task).eval(), FIELDS[task])
    specs = [InputSpec([None, None], "int64", name) for name in ("input_ids", "attention_mask")]
    paddle.jit.save(paddle.jit.to_static(plain, input_spec=specs, full_graph=True), str(tmp_path / "m"))
    static = paddle.jit.load(str(tmp_path / "m"))
    for rows, length in ((2, 5), (3, 12)):
        ids = np.random.default_rng(length).integers(2, 50, (rows, length))
        mask = np.ones_like(ids)
        mask[1, 3:] = 0
        inputs = paddle.to_tensor(ids), paddle.to_tensor(mask)
        got = static(*inputs)
        for one, other in zip(got if isinstance(got, list | tuple) else [got], plain(*inputs), strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)

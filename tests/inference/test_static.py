"""Static graphs compute what the model computes, for every batch, length and padding."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from tests import tiny_models
from zoo.errors import InputError, UsageError
from zoo.inference.engines.paddle import PaddleInference
from zoo.inference.graph import Graph, inputs_of
from zoo.inference.static import fields, to_onnx, to_static
from zoo.models.common.base import Model

BASE, FULL = {"architectures": ["FunnelBaseModel"]}, {"architectures": ["FunnelModel"]}
# All others: `python -m benchmarks.speed.funnel_export`. Odd and even lengths at every block, and the shortest.
SHAPES = [(1, 1), (2, 3), (1, 5), (2, 6), (7, 7), (2, 8), (1, 9), (2, 18), (2, 127)]
CASES = [
    (BASE, "relative_shift", None),
    (FULL, "relative_shift", None),
    (BASE, "factorized", None),
    (FULL, "factorized", None),
    (FULL, "relative_shift", "classification"),
    (FULL, "relative_shift", "tagging"),
    (FULL, "factorized", "qa"),
    (FULL, "relative_shift", "qa-beam"),
    (BASE, "relative_shift", "multiple-choice"),
]


def tiny(architecture: dict[str, list[str]], attention: str, task: str | None) -> Model:
    """A small Funnel in which no weight is zero or one."""
    return tiny_models.tiny("funnel", task, **architecture, attention_type=attention)


def batch(rows: int, length: int, task: str | None = None) -> dict[str, np.ndarray]:
    """Ids; rows after the first end in padding; the first token of type 2 and the second half of type 1.

    [B, T], and [B, 2, T] for multiple-choice.
    """
    ids = np.random.default_rng(rows * 1000 + length).integers(1, 50, (rows, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    types[:, length // 2 :], types[:, 0] = 1, 2
    for row in range(1, rows):
        mask[row, -row:] = 0
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {k: np.stack([v, v[::-1]], 1) for k, v in arrays.items()} if task == "multiple-choice" else arrays


def shapes(model: Model) -> list[tuple[int, int]]:
    """For qa-beam without those in which padding leaves less than five: beams of no chance have no order."""
    return [(rows, length) for rows, length in SHAPES if model.task != "qa-beam" or rows < 7]


def eager(model: Model, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    with paddle.no_grad():
        output = model(**{name: paddle.to_tensor(given[name]) for name in inputs_of(model)})
    return [tensor.numpy() for tensor in fields(output, model.task).values()]


# Of every head test_engines.py compares some shapes; the slow ones here see all of them.
SLOW_CASES = [pytest.param(*case, marks=pytest.mark.slow) for case in CASES[4:-2]]


@pytest.mark.parametrize(("architecture", "attention", "task"), [*CASES[:4], *SLOW_CASES, *CASES[-2:]])
def test_paddle_inference(
    tmp_path: Path, architecture: dict[str, list[str]], attention: str, task: str | None
) -> None:
    model = tiny(architecture, attention, task)
    predictor = PaddleInference(to_static(model, tmp_path / "m"))
    assert set(predictor.inputs) == set(inputs_of(model))
    for shape in shapes(model):
        given = batch(*shape, task)
        for got, expected in zip(predictor(given).values(), eager(model, given), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0, err_msg=str(shape))


@pytest.mark.parametrize(("architecture", "attention", "task"), CASES[1:4:2] + CASES[-2:])
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="paddle2onnx has no wheel for Python 3.13")
def test_onnx(tmp_path: Path, architecture: dict[str, list[str]], attention: str, task: str | None) -> None:
    import onnxruntime

    model = tiny(architecture, attention, task)
    before = eager(model, batch(2, 9, task))
    session = onnxruntime.InferenceSession(str(to_onnx(model, tmp_path / "m.onnx")))
    for shape in shapes(model):
        given = batch(*shape, task)
        for got, expected in zip(session.run(None, given), eager(model, given), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0, err_msg=str(shape))
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    np.testing.assert_array_equal(eager(model, batch(2, 9, task))[0], before[0])  # the model is as it was


@pytest.mark.parametrize("family", ["xlmr", "structbert"])
def test_other_families(tmp_path: Path, family: str) -> None:
    model = tiny_models.build(family, None, tiny_models.SIZES[family], seed=3, pooler=True).eval()
    predictor = PaddleInference(to_static(model, tmp_path / "m"))
    given = batch(2, 9)
    given["token_type_ids"] %= 2
    for got, expected in zip(predictor(given).values(), eager(model, given), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)


def test_dropout_is_not_traced(tmp_path: Path) -> None:
    model = tiny(BASE, "relative_shift", None)
    expected = eager(model, batch(2, 9))
    model.train()
    predictor = PaddleInference(to_static(model, tmp_path / "m"))
    assert model.training
    np.testing.assert_allclose(predictor(batch(2, 9))["last_hidden_state"], expected[0], atol=1e-5)


def test_errors(tmp_path: Path) -> None:
    graph = to_static(tiny(BASE, "relative_shift", None), tmp_path / "m")
    with pytest.raises(UsageError, match="int8"):
        PaddleInference(graph, "int8")
    with pytest.raises(UsageError, match="gone"):
        PaddleInference(Graph(tmp_path / "gone", graph.inputs, graph.outputs))
    predictor = PaddleInference(graph)
    given = batch(2, 9)
    with pytest.raises(InputError, match="one shape"):
        predictor({**given, "attention_mask": given["attention_mask"][:, :4]})
    del given["attention_mask"]
    with pytest.raises(InputError, match="attention_mask"):
        predictor(given)

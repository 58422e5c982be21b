"""Models as static graphs for every batch and length: traced, and as ONNX. zoo/inference/engines runs them.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.static import InputSpec

from zoo import files
from zoo.errors import UsageError, to_install
from zoo.inference.graph import Graph, inputs_of
from zoo.inference.traced import save_traced
from zoo.models.common.base import Model
from zoo.models.common.layers import gelu_tanh
from zoo.models.common.outputs import NOT_COMPUTED, Output

ENCODER_OUTPUTS = ("last_hidden_state", "pooler_output")
HEAD_OUTPUTS = (
    "logits",
    "start_logits",
    "end_logits",
    "start_index",
    "start_scores",
    "end_index",
    "end_scores",
    "embeddings",
    "token_weights",
    "token_vectors",
)
ONNX_LIMIT = 2**31 - 2**20  # bytes; beyond it paddle2onnx 2.1.0 ends the process. Some room for the graph itself
OPSET = 17  # LayerNorm is one node from there on


class Plain(nn.Layer):
    """Tensors in, a tuple of tensors out: `fields`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    # The first argument must be called self: tracing knows it by its name.
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        return tuple(fields(self.model(input_ids, attention_mask, token_type_ids), self.model.task).values())


def fields(output: Output, task: str | None) -> dict[str, Tensor]:
    """Gives what a graph returns of a model's output, in the order of HEAD_OUTPUTS or ENCODER_OUTPUTS."""
    values = {name: getattr(output, name) for name in (HEAD_OUTPUTS if task else ENCODER_OUTPUTS)}
    return {name: value for name, value in values.items() if value is not NOT_COMPUTED}


def outputs_of(model: Model) -> tuple[str, ...]:
    """Names of what a model's graph returns; runs it over two tokens."""
    shape = [1] * (len(_shape(model)) - 1) + [2]
    given = {name: paddle.ones(shape, "int64") for name in inputs_of(model)[:2]}
    with evaluating(model), paddle.no_grad():
        return tuple(fields(model(**given), model.task))


@contextmanager
def evaluating(model: nn.Layer) -> Iterator[None]:
    """A model in eval mode, and afterwards as it was."""
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def weight_bytes(model: Model) -> int:
    """Size of a network's tensors."""
    return sum(math.prod(tensor.shape) * tensor.element_size() for tensor in model.state_dict().values())


def to_static(model: Model, folder: str | os.PathLike[str]) -> Graph:
    """Traces a model, as it is in eval mode, for every batch and length.

    The graph takes `inputs_of(model)`, int64 [B, T] ([B, N, T] for multiple-choice), and returns `fields`. The
    folder appears finished or not at all, and replaces an older one of that name.
    """
    with files.publish(folder, last="model.json") as work:
        made = trace(model, work)
    return replace(made, folder=Path(folder))


def to_onnx(model: Model, file: str | os.PathLike[str]) -> Path:
    """Writes a model as ONNX, with the inputs and outputs of `to_static`. Needs paddle2onnx (extra `export`).

    Raises:
        UsageError: paddle2onnx is not installed, the network is larger than ONNX_LIMIT, or the file cannot be
            written.
        DiskError: the disk is full.
    """
    _check_onnx(model)
    with files.new_file(file) as made:
        write_onnx(model, made)
    return Path(file)


def write_onnx(model: Model, file: Path) -> None:
    """As `to_onnx`, into a folder of ours, in which something temporary lies for a while.

    Raises:
        UsageError: as `to_onnx`.
        OSError: the disk is full.
    """
    _check_onnx(model)
    import paddle2onnx

    with TemporaryDirectory(dir=file.parent) as work:
        with _spelled_out(model):
            _save(model, Path(work, "model"))
        with _no_stdout():
            # Bytes and no file, as it ends the process where the disk is full; and no optimiser, as polygraphy, the
            # default one, installs packages with pip while it runs.
            made = paddle2onnx.export(
                f"{work}/model.json", f"{work}/model.pdiparams", opset_version=OPSET, optimize_tool="None"
            )
    file.write_bytes(made)


def _check_onnx(model: Model) -> None:
    if weight_bytes(model) >= ONNX_LIMIT:
        raise UsageError("The weights take more than 2 GB, which one ONNX file cannot hold.", "engine='paddle'")
    if find_spec("paddle2onnx") is None:
        raise UsageError("ONNX needs paddle2onnx.", to_install("export"))


def trace(model: Model, folder: Path) -> Graph:
    """As `to_static`, into a folder that is there: model.json and model.pdiparams."""
    _save(model, folder / "model")
    return Graph(folder, inputs_of(model), outputs_of(model))


def _save(model: Model, stem: Path) -> None:
    with evaluating(model):
        save_traced(*traceable(model), stem, outputs_of(model))


def traceable(model: Model) -> tuple[nn.Layer, list[InputSpec]]:
    """A layer of tensors in and tensors out, in eval mode, and what to trace it with."""
    plain = Plain(model)
    plain.eval()
    return plain, [InputSpec(_shape(model), "int64", name) for name in inputs_of(model)]


def _shape(model: Model) -> list[None]:
    """[B, T], or [B, N, T] for multiple-choice, with every size free."""
    return [None] * (3 if model.task == "multiple-choice" else 2)


@contextmanager
def _no_stdout() -> Iterator[None]:
    """Keeps the process's stdout clean: paddle2onnx talks there from C++, and nothing makes it stop."""
    sys.stdout.flush()
    before = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(before, 1)
        os.close(before)
        os.close(nothing)


@contextmanager
def _spelled_out(model: Model) -> Iterator[None]:
    """The tanh GELU as a formula: paddle2onnx 2.1.0 writes the exact GELU in its place, 5e-4 off in each layer."""
    layers = [layer for layer in model.sublayers() if getattr(layer, "activation", None) is gelu_tanh]
    for layer in layers:
        layer.activation = _gelu_formula
    try:
        yield
    finally:
        for layer in layers:
            layer.activation = gelu_tanh


def _gelu_formula(x: Tensor) -> Tensor:
    """Hendrycks and Gimpel 2016 (arXiv 1606.08415), section 2."""
    return 0.5 * x * (1 + F.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

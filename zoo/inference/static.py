"""Models as static graphs for every batch and length: traced, run by Paddle Inference, and as ONNX.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np
import paddle
from paddle import Tensor, inference, nn
from paddle.nn import functional as F
from paddle.static import InputSpec

from zoo import env
from zoo.checkpoint.publish import publish
from zoo.errors import InputError, UsageError
from zoo.models.common.base import Model
from zoo.models.common.layers import gelu_tanh
from zoo.models.common.outputs import NOT_COMPUTED, Output

env.use_all_cores()

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
BARE = ("last_hidden_state", "pooler_output")
HEAD = (
    "logits",
    "start_logits",
    "end_logits",
    "start_index",
    "start_scores",
    "end_index",
    "end_scores",
    "embeddings",
)
PRECISIONS = ("fp32", "bf16")
OPSET = 17  # LayerNorm is one node from there on


@dataclass(frozen=True)
class Program:
    """The two files of a traced model."""

    graph: Path
    weights: Path


class Plain(nn.Layer):
    """Tensors in, a tuple of tensors out: `fields`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    # The first argument must be called self: tracing knows it by its name.
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        return fields(self.model(input_ids, attention_mask, token_type_ids), self.model.task)


def fields(output: Output, task: str | None) -> tuple[Tensor, ...]:
    """What a graph returns of a model's output, in the order of HEAD or, without a head, of BARE."""
    values = [getattr(output, name) for name in (HEAD if task else BARE)]
    return tuple(value for value in values if value is not NOT_COMPUTED)


def inputs_of(model: Model) -> tuple[str, ...]:
    """Names of a graph's inputs. A model that knows one type of token only has no token_type_ids."""
    return INPUTS if getattr(model.config, "type_vocab_size", 2) > 1 else INPUTS[:2]


def to_static(model: Model, folder: str | os.PathLike[str]) -> Program:
    """Traces a model, as it is in eval mode, for every batch and length.

    The graph takes `inputs_of(model)`, int64 [B, T] ([B, N, T] for multiple-choice), and returns `fields`. The
    folder appears finished or not at all, and replaces an older one of that name.
    """
    with publish(Path(folder)) as work:
        _trace(model, work)
    return Program(Path(folder, "model.json"), Path(folder, "model.pdiparams"))


def to_onnx(model: Model, file: str | os.PathLike[str]) -> Path:
    """Writes a model as ONNX, with the inputs and outputs of `to_static`. Needs paddle2onnx (extra `export`).

    Raises:
        UsageError: paddle2onnx is not installed.
    """
    try:
        import paddle2onnx
    except ImportError:
        raise UsageError("ONNX needs paddle2onnx.", "pip install 'paddle-model-zoo[export]'") from None
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent) as work:
        with _spelled_out(model):
            program = _trace(model, Path(work))
        made = Path(work, "model.onnx")
        # No optimiser: polygraphy, the default one, installs packages with pip while it runs.
        paddle2onnx.export(
            str(program.graph), str(program.weights), str(made), opset_version=OPSET, optimize_tool="None"
        )
        os.replace(made, file)
    return file


class Predictor:
    """A graph of `to_static` in Paddle Inference with oneDNN, on all cores. Threads take turns.

    Args:
        program: what `to_static` returned.
        precision: "fp32", or "bf16" for matrix products in bfloat16 (several times faster where the processor
            has AMX, about three digits).

    Raises:
        UsageError: an unknown precision, or a file that is not there.
    """

    def __init__(self, program: Program, precision: str = "fp32") -> None:
        if precision not in PRECISIONS:
            raise UsageError(f"precision={precision!r} is unknown.", f"One of {', '.join(PRECISIONS)}.")
        for path in (program.graph, program.weights):
            if not path.is_file():
                raise UsageError(f"There is no file '{path}'.", "Make it with to_static(model, folder).")
        config = inference.Config(str(program.graph), str(program.weights))
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(env.use_all_cores())
        if precision == "bf16":
            config.enable_mkldnn_bfloat16()
        self._predictor = inference.create_predictor(config)
        self.inputs = tuple(self._predictor.get_input_names())
        self._outputs = tuple(self._predictor.get_output_names())
        self._lock = Lock()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Runs one batch. batch: the arrays of `inputs`; others are left aside.

        Raises:
            InputError: an input is missing, or the shapes differ.
        """
        if missing := [name for name in self.inputs if name not in batch]:
            raise InputError(f"The batch has no {missing[0]}.", f"The graph takes {', '.join(self.inputs)}.")
        arrays = {name: np.ascontiguousarray(batch[name], dtype=np.int64) for name in self.inputs}
        if len({array.shape for array in arrays.values()}) > 1:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            raise InputError(f"The inputs must have one shape; they have {shapes}.")
        with self._lock:
            for name, array in arrays.items():
                self._predictor.get_input_handle(name).copy_from_cpu(array)
            self._predictor.run()
            return tuple(self._predictor.get_output_handle(name).copy_to_cpu() for name in self._outputs)


def _trace(model: Model, folder: Path) -> Program:
    shape = [None] * (3 if model.task == "multiple-choice" else 2)
    specs = [InputSpec(shape, "int64", name) for name in inputs_of(model)]
    training = model.training
    plain = Plain(model)
    plain.eval()
    try:
        traced = paddle.jit.to_static(plain, input_spec=specs, full_graph=True)
        paddle.jit.save(traced, str(folder / "model"))
    finally:
        if training:
            model.train()
    return Program(folder / "model.json", folder / "model.pdiparams")


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

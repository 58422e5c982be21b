"""ONNX Runtime. Needs the extra `export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import env
from zoo.inference.engines.base import CallPool, arrays
from zoo.inference.graph import Graph, inputs_of

if TYPE_CHECKING:
    from zoo.models.common.base import Model

FILES = ("model.onnx",)
ERROR_LEVEL = 3  # paddle2onnx leaves constants behind, and each would be named in a warning


def write(model: Model, folder: Path) -> Graph:
    """Writes model.onnx, float32, for every batch and length.

    Raises:
        UsageError: paddle2onnx is not installed.
    """
    from zoo.inference.static import outputs_of, write_onnx

    write_onnx(model, folder / FILES[0])
    return Graph(folder, inputs_of(model), outputs_of(model))


class OnnxRuntime:
    """An engine (zoo/inference/engines/base.py) of model.onnx, on all cores.

    Args:
        graph: folder with the file.
        precision: what the file is in, "fp32" or "int8".
    """

    name = "onnxruntime"

    def __init__(self, graph: Graph, precision: str = "fp32") -> None:
        import onnxruntime

        self.precision = precision
        self.inputs, self.outputs, self._limits = graph.inputs, graph.outputs, graph.limits
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERROR_LEVEL
        options.intra_op_num_threads = env.threads()
        file = str(graph.folder / FILES[0])
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._turns = CallPool(session)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = arrays(batch, self.inputs, self._limits)
        with self._turns() as session:
            return dict(zip(self.outputs, session.run(None, given), strict=True))


open_graph = OnnxRuntime

"""OpenVINO, by way of ONNX. Needs the extra `export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from zoo import env
from zoo.inference.engines.base import Turns, arrays
from zoo.inference.static import Graph, inputs_of, outputs_of, to_onnx
from zoo.models.common.base import Model

FILES = ("model.xml", "model.bin")
# Kernels that are kept for shapes seen before; by default so many that memory grows for hundreds of shapes.
# benchmarks/shapes.py
KERNELS = 50
HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}  # int8: what is not quantised; see `open_graph`


def write(model: Model, folder: Path) -> Graph:
    """Writes model.xml and model.bin, float32, for every batch and length.

    Raises:
        UsageError: paddle2onnx is not installed.
    """
    import openvino

    with TemporaryDirectory(dir=folder) as work:
        read = openvino.convert_model(to_onnx(model, Path(work, "model.onnx")))
        names = outputs_of(model)
        for output, name in zip(read.outputs, names, strict=True):
            output.get_tensor().set_names({name})
        openvino.save_model(read, folder / FILES[0], compress_to_fp16=False)
    return Graph(folder, inputs_of(model), names)


class OpenVINO:
    """An engine (zoo/inference/engines/base.py) of model.xml and model.bin, on all cores.

    Args:
        graph: folder with the two files.
        precision: "fp32"; "bf16" for matrix products in bfloat16; "int8" for a graph that was quantised, whose
            other products are bfloat16 where the processor has it.
    """

    name = "openvino"

    def __init__(self, graph: Graph, precision: str = "fp32") -> None:
        self.precision = precision
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self._request = _compiled(graph.folder / FILES[0], precision).create_infer_request()
        self._turns = Turns()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = arrays(batch, self.inputs)
        with self._turns:
            found = self._request.infer(given, share_inputs=True)
            return {name: np.array(found[n]) for n, name in enumerate(self.outputs)}


open_graph = OpenVINO


def _compiled(file: Path, precision: str) -> Any:
    import openvino

    hint = HINTS[precision] if env.computes_bf16() else "f32"
    return openvino.Core().compile_model(
        file,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS,
            "NUM_STREAMS": 1,  # calls take turns, so each has every core
            "INFERENCE_NUM_THREADS": env.threads(),
        },
    )

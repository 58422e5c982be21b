"""OpenVINO, whose graph is built from Paddle's static program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import env
from zoo.inference.engines.base import CallPool, arrays
from zoo.inference.graph import Graph, inputs_of

if TYPE_CHECKING:
    from zoo.models.common.base import Model

NAME = "model"  # of the two files
# Kernels that are kept for shapes seen before, by OpenVINO and by its oneDNN: by default so many that memory grows
# for hundreds of shapes. Snippets, in float32, keep something of every shape for ever. benchmarks/speed/shapes.py
CACHED_KERNELS = 50
PRIMITIVE_CACHE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
PARALLEL_CALLS = 2  # calls side by side
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}  # int8: what is not quantised; see `open_graph`


def write(model: Model, folder: Path) -> Graph:
    """Writes model.xml and model.bin, float32, for every batch and length.

    Raises:
        NoCounterpartError: the network computes with an operator that `openvino_graph` does not know.
    """
    from zoo.inference.engines.openvino_graph import build_graph
    from zoo.inference.static import evaluating, outputs_of, traceable

    outputs = outputs_of(model)
    with evaluating(model):
        save_model(build_graph(*traceable(model), outputs), folder)
    return Graph(folder, inputs_of(model), outputs)


def save_model(model: Any, folder: Path, name: str = NAME) -> None:
    """Writes an `openvino.Model` as NAME.xml and NAME.bin, float32 stays float32.

    Raises:
        OSError: the disk is full.
    """
    import openvino

    from zoo.inference.traced import full

    try:
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        raise full(folder / f"{name}.bin") from error


class OpenVINO:
    """An engine (zoo/inference/engines/base.py) of model.xml and model.bin, on all cores.

    Args:
        graph: folder with the two files.
        precision: "fp32"; "bf16" for matrix products in bfloat16; "int8" for a graph that was quantised, whose
            other products are bfloat16 where the processor has it.
    """

    name = "openvino"

    def __init__(self, graph: Graph, precision: str = "fp32") -> None:
        import openvino

        self.precision = precision
        self.inputs, self.outputs, self._limits = graph.inputs, graph.outputs, graph.limits
        self._graph = openvino.Core().read_model(graph.folder / f"{NAME}.xml")
        self._alone = self._requests(1)
        self._beside: CallPool[Any] | None = None
        self._guests, self._lock = 0, Lock()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = arrays(batch, self.inputs, self._limits)
        turns = self._beside if self._guests and self._beside else self._alone
        with turns() as request:
            found = request.infer(given, share_inputs=True)
            return {name: np.array(found[n]) for n, name in enumerate(self.outputs)}

    @contextmanager
    def side_by_side(self) -> Iterator[int]:
        """See `zoo.inference.engines.base.Streams`. Compiles the graph once more when it is first used.

        With half of the cores each, two batches take less time than one after the other on all of them, as small
        products do not keep all cores busy. A call alone would be slower.
        """
        streams = min(PARALLEL_CALLS, env.threads())
        if streams == 1:
            yield 1
            return
        with self._lock:
            self._beside = self._beside or self._requests(streams)
            self._guests += 1
        try:
            yield streams
        finally:
            with self._lock:
                self._guests -= 1

    def _requests(self, streams: int) -> CallPool[Any]:
        """Compiles the graph for so many calls at a time."""
        made = compiled(self._graph, self.precision, streams)
        return CallPool(*(made.create_infer_request() for _ in range(streams)))


open_graph = OpenVINO


def compiled(graph: Any, precision: str, streams: int = 1, **more: object) -> Any:
    """Compiles an `openvino.Model` for so many calls at a time; precision as in `OpenVINO`, `more` for OpenVINO."""
    import openvino

    hint = PRECISION_HINTS[precision] if env.computes_bf16() else "f32"
    options = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "CPU_RUNTIME_CACHE_CAPACITY": CACHED_KERNELS,
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": env.threads(),
        # Pinned threads of several processes, each on a part of the cores, meet on the same ones.
        **({"ENABLE_CPU_PINNING": False} if env.threads() < env.cores() else {}),
        **({"SNIPPETS_MODE": "DISABLE"} if hint == "f32" else {}),
        **more,
    }
    with _few_primitives():
        return openvino.Core().compile_model(graph, "CPU", options)


@contextmanager
def _few_primitives() -> Iterator[None]:
    """Asks oneDNN by the environment, which it reads once, to keep CACHED_KERNELS primitives and not 1024."""
    before = os.environ.get(PRIMITIVE_CACHE)
    os.environ.setdefault(PRIMITIVE_CACHE, str(CACHED_KERNELS))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(PRIMITIVE_CACHE, None)

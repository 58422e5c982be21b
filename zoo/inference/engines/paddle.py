"""Paddle Inference: oneDNN on a CPU; on a GPU where paddle is built for one (not run by our tests)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import inference

from zoo import env
from zoo.errors import UsageError
from zoo.inference.engines.base import CallPool, arrays
from zoo.inference.graph import Graph
from zoo.inference.static import trace

PRECISIONS = ("fp32", "bf16")
FILES = ("model.json", "model.pdiparams")
GPU_POOL = 256  # MB that are asked for at once
# oneDNN packs all weights for every new shape of the inputs, and keeps them for so many shapes, in so many bytes.
CACHED_SHAPES, PACKED_BYTES = 10, 2 << 30

write = trace


class PaddleInference:
    """An engine (zoo/inference/engines/base.py) of a graph of `zoo.inference.static.to_static`.

    Args:
        graph: folder with model.json and model.pdiparams.
        precision: "fp32", or "bf16" for matrix products in bfloat16 (several times faster where the processor
            has AMX, about three digits).

    Raises:
        UsageError: an unknown precision, or a file that is not there.
    """

    name = "paddle"

    def __init__(self, graph: Graph, precision: str = "fp32") -> None:
        self.precision = precision
        made = predictor(graph.folder / "model", precision)
        self.inputs = tuple(made.get_input_names())
        self.outputs, self._limits = graph.outputs, graph.limits
        self._names = tuple(made.get_output_names())
        self._turns = CallPool(made)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = arrays(batch, self.inputs, self._limits)
        with self._turns() as made:
            for name, array in given.items():
                made.get_input_handle(name).copy_from_cpu(array)
            made.run()
            found = [made.get_output_handle(name).copy_to_cpu() for name in self._names]
        return dict(zip(self.outputs, found, strict=True))


def predictor(stem: Path, precision: str, capacity: int | None = None) -> Any:
    """A predictor of STEM.json and STEM.pdiparams, on all cores or on the first GPU.

    Args:
        stem: the files' path without their suffixes.
        precision: "fp32" or "bf16".
        capacity: shapes of the inputs that oneDNN keeps its kernels and packed weights for, by default as many as
            PACKED_BYTES allows. With 0 all shapes share them, under keys that join the sizes without a mark: shapes
            of 12 x 9 and 1 x 29 have one key, and the second one fails (paddle 3.3.1).

    Raises:
        UsageError: an unknown precision, or a file that is not there.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision={precision!r} is unknown.", f"One of {', '.join(PRECISIONS)}.")
    files = [f"{stem}.json", f"{stem}.pdiparams"]
    for file in files:
        if not Path(file).is_file():
            raise UsageError(f"There is no file '{file}'.", "Make it with to_static(model, folder).")
    config = inference.Config(*files)
    config.disable_glog_info()
    if on_gpu():
        kind = inference.PrecisionType
        config.enable_use_gpu(GPU_POOL, 0, kind.Bfloat16 if precision == "bf16" else kind.Float32)
        return inference.create_predictor(config)
    config.disable_gpu()
    config.enable_mkldnn()
    if capacity is None:
        capacity = min(CACHED_SHAPES, max(1, PACKED_BYTES // Path(files[1]).stat().st_size))
    config.set_mkldnn_cache_capacity(capacity)
    config.set_cpu_math_library_num_threads(env.use_all_cores())
    if precision == "bf16":
        config.enable_mkldnn_bfloat16()
    return inference.create_predictor(config)


def on_gpu() -> bool:
    """True when paddle is built for CUDA and finds a device."""
    return paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0


open_graph = PaddleInference

"""Generation in OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import paddle
from paddle import Tensor

from zoo.inference.decoder import CompiledSeq2Seq
from zoo.inference.decoder_parts import STEP_INPUTS, traceable
from zoo.inference.engines.openvino import compiled, save_model
from zoo.inference.engines.openvino_graph import build_graph
from zoo.inference.graph import Graph
from zoo.models.common.generation.scoring import array_of
from zoo.models.common.seq2seq import Seq2Seq


def write(model: Seq2Seq, folder: Path) -> Graph:
    """Writes an encoder-decoder into a folder that is there: source.xml, step.xml and their .bin.

    Raises:
        NoCounterpartError: the network computes with an operator that `openvino_graph` does not know.
    """
    with traceable(model) as parts:
        for part in parts:
            save_model(build_graph(part.layer, part.specs, part.outputs), folder, part.name)
    return Graph(folder, (), ())


def open_graph(graph: Graph, precision: str, model: Seq2Seq) -> CompiledSeq2Seq:
    """What generates with the graphs of `write`."""
    return CompiledSeq2Seq(model, OpenVINOGraphs(graph.folder, precision))


class OpenVINOGraphs:
    """The two graphs of a folder; see `zoo.inference.decoder.Graphs`. Caches are read where they lie."""

    def __init__(self, folder: Path, precision: str) -> None:
        core = openvino.Core()
        source, step = (compiled(core.read_model(folder / f"{name}.xml"), precision) for name in ("source", "step"))
        self.inputs = tuple(port.any_name for port in source.inputs)
        self._names = sorted((port.any_name for port in step.inputs), key=_place)
        self.caches = sum(name.startswith("past_") for name in self._names)
        self._source, self._step = source.create_infer_request(), step.create_infer_request()

    def source(self, given: Mapping[str, np.ndarray]) -> list[Tensor]:
        """Gives the memory of sources, int64 [B, S] by their names."""
        return [tensor.clone() for tensor in _infer(self._source, given)]

    def step(self, given: Sequence[Tensor]) -> list[Tensor]:
        """Gives scores and new keys and values, which the next step may write over."""
        return _infer(self._step, dict(zip(self._names, map(array_of, given), strict=True)))


def _place(name: str) -> tuple[int, int]:
    """Where an input of the step stands among `decoder_parts.STEP_INPUTS`: its kind and its number."""
    kind, _, number = name.rpartition("_")
    return (STEP_INPUTS.index(kind), int(number)) if number.isdigit() else (STEP_INPUTS.index(name), 0)


def _infer(request: Any, given: Mapping[str, np.ndarray]) -> list[Tensor]:
    """Gives the outputs, in the memory of the request."""
    found = request.infer(given, share_inputs=True, share_outputs=True)
    return [paddle.from_dlpack(found[n]) for n in range(len(found))]

"""Generation in Paddle Inference with oneDNN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor

from zoo.inference.decoder import CompiledSeq2Seq
from zoo.inference.decoder_parts import traceable
from zoo.inference.engines.paddle import predictor
from zoo.inference.graph import Graph
from zoo.inference.traced import save_traced
from zoo.models.common.seq2seq import Seq2Seq


def write(model: Seq2Seq, folder: Path) -> Graph:
    """Traces an encoder-decoder into a folder that is there: source.json, step.json and their .pdiparams."""
    with traceable(model) as parts:
        for part in parts:
            save_traced(part.layer, part.specs, folder / part.name, part.outputs)
    return Graph(folder, (), ())


def open_graph(graph: Graph, precision: str, model: Seq2Seq) -> CompiledSeq2Seq:
    """What generates with the graphs of `write`.

    Raises:
        UsageError: an unknown precision, or a file that is not there.
    """
    return CompiledSeq2Seq(model, PaddleGraphs(graph.folder, precision))


class PaddleGraphs:
    """The two graphs of a folder; see `zoo.inference.decoder.Graphs`."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._source = predictor(folder / "source", precision)
        # A cache grows from step to step: with a capacity every new size would pack all weights again, a second.
        self._unused = predictor(folder / "step", precision, capacity=0)
        self._step, self._batch = self._unused, 0
        self.inputs = tuple(self._source.get_input_names())
        self.caches = sum(name.startswith("past_") for name in self._unused.get_input_names())

    def source(self, given: Mapping[str, np.ndarray]) -> list[Tensor]:
        """Gives the memory of sources, int64 [B, S] by their names."""
        return [tensor.clone() for tensor in self._source.run([paddle.to_tensor(one) for one in given.values()])]

    def step(self, given: Sequence[Tensor]) -> list[Tensor]:
        """Gives scores and new keys and values, which the next step may write over."""
        batch = given[0].shape[0]
        if batch == self._batch:
            return list(self._step.run(list(given)))
        # A copy has kernels of its own: no two of one batch size have one key.
        self._step, self._batch = self._unused.clone(), batch
        with _kept_buffers():
            return list(self._step.run(list(given)))


@contextmanager
def _kept_buffers() -> Iterator[None]:
    """A predictor that runs here for the first time keeps its buffers for its next run.

    Else a second thread frees them one by one, which is a seventh of the time of a step: 900 operators over little.
    """
    name = "FLAGS_eager_delete_tensor_gb"
    before = paddle.get_flags(name)
    paddle.set_flags({name: -1.0})
    try:
        yield
    finally:
        paddle.set_flags(before)

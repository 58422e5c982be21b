"""Generation by two static graphs in Paddle Inference with oneDNN: sources to memory, and one step of the decoder.

Legend of shapes: zoo/models/common/generation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from zoo import files
from zoo.errors import UsageError
from zoo.inference.engines.base import arrays
from zoo.inference.engines.paddle import PRECISIONS, predictor
from zoo.inference.graph import Graph, inputs_of
from zoo.inference.static import evaluating
from zoo.inference.traced import save_traced
from zoo.models.common.decoding import KeyValue
from zoo.models.common.generation import Generated, generate
from zoo.models.common.generation.cache import HIDDEN_BIAS, CachedSession, Past, Session
from zoo.models.common.layers import additive_mask
from zoo.models.common.seq2seq import Seq2Seq


class Source(nn.Layer):
    """Sources [B, S] to the additive mask and, layer by layer, the keys and values of the cross-attention."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Any:
        pairs = self.model.memory(self.model.encode(input_ids, attention_mask, token_type_ids))
        return [tensor for pair in pairs for tensor in pair]


class Step(nn.Layer):
    """One call of the decoder: scores [B, N, V] and each layer's new keys and values."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        memory_mask: Tensor,
        memory: Sequence[Tensor],
        past: Sequence[Tensor],
    ) -> Any:
        hidden, new = self.model.decode(ids, positions, mask, _pairs(memory), memory_mask, _pairs(past))
        return [self.model.logits(hidden), *(tensor for pair in new for tensor in pair)]


class CompiledSeq2Seq:
    """An encoder-decoder that generates by its graphs. Threads take turns; see `compile_decoder`."""

    def __init__(self, model: Seq2Seq, folder: Path, precision: str) -> None:
        self.model = model
        self._source = predictor(folder / "source", precision)
        # A cache grows from step to step: with a capacity every new size would pack all weights again, a second.
        self._unused = predictor(folder / "step", precision, capacity=0)
        self._step, self._batch = self._unused, 0
        self._inputs = tuple(self._source.get_input_names())
        self._caches = sum(name.startswith("past_") for name in self._unused.get_input_names())
        self._lock = Lock()

    def generate(
        self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, **options: Any
    ) -> Generated:
        """As `Seq2Seq.generate`, without use_cache."""
        with self._lock:
            return generate(self, input_ids, attention_mask, token_type_ids, **options)

    def encode(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray | None
    ) -> Session:
        """Reads the sources, [B, S] each."""
        known = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            known["token_type_ids"] = token_type_ids
        given = {name: paddle.to_tensor(array) for name, array in arrays(known, self._inputs).items()}
        memory = [tensor.clone() for tensor in self._source.run([*given.values()])]
        memory_mask = additive_mask(given["attention_mask"], paddle.float32)
        batch, heads, _, size = memory[0].shape
        if batch != self._batch:  # a copy has kernels of its own: no two of one batch size have one key
            self._step, self._batch = self._unused.clone(), batch
        nothing = [paddle.zeros([batch, heads, 1, size])] * self._caches  # a slot that nobody sees

        def run(ids: Tensor, positions: Tensor, mask: Tensor, past: Past) -> tuple[Tensor, list[KeyValue]]:
            if past is None:
                hidden = paddle.full([*mask.shape[:3], 1], HIDDEN_BIAS)
                mask, cache = paddle.concat([hidden, mask], axis=3), nothing
            else:
                cache = [tensor for pair in past for tensor in pair]
            given = [ids, positions, mask, memory_mask, *memory, *cache]
            if past is not None:
                logits, *new = self._step.run(given)
                return logits, _pairs(new)
            with _kept_buffers():
                logits, *new = self._step.run(given)
            return logits, _pairs([tensor.clone() for tensor in new])  # they become the cache

        return CachedSession(run)


def compile_decoder(model: Seq2Seq, folder: str | os.PathLike[str], precision: str = "fp32") -> CompiledSeq2Seq:
    """Traces an encoder-decoder into a folder and returns what generates with it.

    The folder appears finished or not at all, and replaces an older one of that name.

    Args:
        model: the network, in float32.
        folder: where the graphs go.
        precision: "fp32", or "bf16" for matrix products in bfloat16.

    Raises:
        UsageError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision={precision!r} is unknown.", f"One of {', '.join(PRECISIONS)}.")
    with files.publish(folder, last="step.json") as work:
        write(model, work)
    return CompiledSeq2Seq(model, Path(folder), precision)


def write(model: Seq2Seq, folder: Path) -> Graph:
    """Traces an encoder-decoder into a folder that is there: source.json, step.json and their .pdiparams."""
    with evaluating(model):
        _save(model, folder)
    return Graph(folder, (), ())


def open_graph(graph: Graph, precision: str, model: Seq2Seq) -> CompiledSeq2Seq:
    """What generates with the graphs of `write`. Of the model only what it knows is used, no weight."""
    return CompiledSeq2Seq(model, graph.folder, precision)


def _save(model: Seq2Seq, folder: Path) -> None:
    with paddle.no_grad():  # a small run says how many pairs there are, and their sizes
        two = paddle.zeros([1, 2], dtype="int64")
        memory = model.memory(model.encode(two))
        _, past = model.decode(two, paddle.arange(2).unsqueeze(0), None, memory, None)

    def keys(name: str, pairs: Sequence[KeyValue]) -> list[InputSpec]:
        shapes = [[None, t.shape[1], None, t.shape[3]] for pair in pairs for t in pair]
        return [InputSpec(shape, "float32", f"{name}_{n}") for n, shape in enumerate(shapes)]

    source: list[Any] = [InputSpec([None, None], "int64", name) for name in inputs_of(model)]
    step: list[Any] = [
        InputSpec([None, None], "int64", "ids"),
        InputSpec([1, None], "int64", "positions"),
        InputSpec([None, 1, None, None], "float32", "mask"),
        InputSpec([None, 1, 1, None], "float32", "memory_mask"),
        keys("memory", memory),
        keys("past", past),
    ]
    made = [f"memory_{n}" for n in range(2 * len(memory))], ["logits", *(f"new_{n}" for n in range(2 * len(past)))]
    for name, layer, specs, outputs in zip(
        ("source", "step"), (Source(model), Step(model)), (source, step), made, strict=True
    ):
        layer.eval()
        with _without_dropout(layer):
            save_traced(layer, specs, folder / name, outputs)


@contextmanager
def _without_dropout(layer: nn.Layer) -> Iterator[None]:
    """Graphs keep dropout as an operator that copies its input; with a share of 0 there is none."""
    drops = [(part, part.p) for part in layer.sublayers() if isinstance(part, nn.Dropout)]
    for part, _ in drops:
        part.p = 0
    try:
        yield
    finally:
        for part, share in drops:
            part.p = share


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


def _pairs(tensors: Sequence[Tensor]) -> list[KeyValue]:
    return [KeyValue(*tensors[n : n + 2]) for n in range(0, len(tensors), 2)]

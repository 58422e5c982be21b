"""What of an encoder-decoder becomes a graph: sources to memory, and one step of the decoder.

Legend of shapes: zoo/models/common/generation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from zoo.inference.graph import inputs_of
from zoo.inference.static import evaluating
from zoo.models.common.decoding import KeyValue
from zoo.models.common.seq2seq import Seq2Seq

STEP_INPUTS = ("ids", "positions", "mask", "memory_mask", "memory", "past")  # the last two are lists


@dataclass(frozen=True)
class Part:
    """A layer to trace.

    Attributes:
        name: of its files.
        layer: in eval mode.
        specs: of its arguments, `paddle.static.InputSpec` or lists of them.
        outputs: their names.
    """

    name: str
    layer: nn.Layer
    specs: Sequence[Any]
    outputs: Sequence[str]


class Source(nn.Layer):
    """Sources [B, S] to the keys and values of the cross-attention, layer by layer."""

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
        hidden, new = self.model.decode(ids, positions, mask, pairs_of(memory), memory_mask, pairs_of(past))
        return [self.model.logits(hidden), *(tensor for pair in new for tensor in pair)]


@contextmanager
def traceable(model: Seq2Seq) -> Iterator[tuple[Part, Part]]:
    """The two parts, "source" and "step", while the network is in eval mode and has no dropout."""
    with evaluating(model):
        with paddle.no_grad():  # a small run says how many pairs there are, and their sizes
            two = paddle.zeros([1, 2], dtype="int64")
            memory = model.memory(model.encode(two))
            _, past = model.decode(two, paddle.arange(2).unsqueeze(0), None, memory, None)
        source = [InputSpec([None, None], "int64", name) for name in inputs_of(model)]
        step = [
            InputSpec([None, None], "int64", "ids"),
            InputSpec([1, None], "int64", "positions"),
            InputSpec([None, 1, None, None], "float32", "mask"),
            InputSpec([None, 1, 1, None], "float32", "memory_mask"),
            _specs("memory", memory),
            _specs("past", past),
        ]
        with _without_dropout(model):
            yield (
                Part("source", Source(model).eval(), source, _names("memory", memory)),
                Part("step", Step(model).eval(), step, ["logits", *_names("new", past)]),
            )


def _names(name: str, pairs: Sequence[KeyValue]) -> list[str]:
    return [f"{name}_{n}" for n in range(2 * len(pairs))]


def _specs(name: str, pairs: Sequence[KeyValue]) -> list[InputSpec]:
    shapes = [[None, t.shape[1], None, t.shape[3]] for pair in pairs for t in pair]
    return [InputSpec(shape, "float32", one) for shape, one in zip(shapes, _names(name, pairs), strict=True)]


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


def pairs_of(tensors: Sequence[Tensor]) -> list[KeyValue]:
    """Keys and values, which follow each other, as pairs."""
    return [KeyValue(*tensors[n : n + 2]) for n in range(0, len(tensors), 2)]

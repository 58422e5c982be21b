"""How a sequence becomes shorter and long again (section 2 of the paper, encoder and decoder).

Every change of length is a look-up: slot i of the short sequence is made of the slots `first[i]` to `last[i]` of
the long one. Lengths enter as plain numbers or, while a graph is traced, as scalars of the graph: the same lines
serve both, for every length from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import paddle
from paddle import Tensor

from zoo.models.funnel.config import Config

Length = int | Tensor  # of a sequence


@dataclass(frozen=True)
class Axis:
    """One sequence, as the attention sees it.

    Attributes:
        length: T, slots.
        stride: tokens that one slot stands for.
        types: [B, T], segment of each slot; 2 for the first token, which belongs to every segment.
        visible: [B, T], 1 for slots that may be seen and 0 for the others; None when all may.
    """

    length: Length
    stride: Length
    types: Tensor
    visible: Tensor | None


@dataclass(frozen=True)
class Pooling:
    """Two neighbouring slots become one.

    Attributes:
        first: [T'], the earlier of the slots that make up each new one. It alone stands for both where there is
            nothing to average: segments.
        last: [T'], the later of them; the same slot where one stands alone.
    """

    first: Tensor
    last: Tensor

    def pool(self, x: Tensor, kind: str) -> Tensor:
        """x: [B, T, ...]. Returns [B, T', ...]. kind: "mean", "max" or "min"."""
        one, other = x.gather(self.first, axis=1), x.gather(self.last, axis=1)
        if kind == "mean":
            return (one + other) * 0.5
        return paddle.maximum(one, other) if kind == "max" else paddle.minimum(one, other)


def pooled(axis: Axis, config: Config) -> tuple[Pooling, Axis]:
    """How an axis is pooled, and the axis that comes of it.

    One that is already as short as it gets stays as it is. With `separate_cls` slot 0 is the first token, and the
    pairs start after it: (0), (1, 2), (3, 4), ... With `truncate_seq` as well, the last token is left out.
    """
    apart = int(config.separate_cls)
    step = _two_if(axis.length > 1 + apart)
    spare = apart * (step - 1)  # the first slot has no partner
    cut = spare if config.truncate_seq else 0
    slots = (axis.length - cut + spare + step - 1) // step
    start = paddle.arange(0, slots, dtype="int64") * step - spare
    last = (start + (step - 1)).clip(min=0)
    ways = Pooling(start.clip(min=0), paddle.minimum(last, paddle.zeros_like(last) + (axis.length - 1 - cut)))
    visible = None if axis.visible is None else ways.pool(axis.visible, "min")
    return ways, Axis(slots, axis.stride * step, axis.types.gather(ways.first, axis=1), visible)


def _two_if(condition: bool | Tensor) -> Length:
    """2 or 1."""
    return 1 + (condition.astype("int64") if isinstance(condition, Tensor) else int(condition))


def stretched(x: Tensor, length: Length, config: Config) -> Tensor:
    """Repeats every slot until there are as many as at first (section 2, decoder).

    The tokens that `truncate_seq` left out have no slot and get zeros.

    Args:
        x: [B, T', D], after the last block.
        length: T.

    Returns:
        [B, T, D].
    """
    repeat = 2 ** (len(config.block_sizes) - 1)
    shift = repeat - 1 if config.separate_cls else 0  # the first token is not repeated
    slot = (paddle.arange(0, length, dtype="int64") + shift) // repeat  # [T]
    there = (slot < x.shape[1]).astype(x.dtype).unsqueeze(-1)  # [T, 1]
    return x.gather(paddle.minimum(slot, paddle.zeros_like(slot) + (x.shape[1] - 1)), axis=1) * there

"""Holds the smallest parts: Linear, activations, the additive mask, a check of ids."""

from __future__ import annotations

from collections.abc import Callable

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Normal

from zoo.errors import InputError


def gelu_tanh(x: Tensor) -> Tensor:
    """Computes GELU by its tanh approximation."""
    return F.gelu(x, approximate=True)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": F.relu,
}


def linear(inputs: int, outputs: int, std: float, bias: bool = True) -> nn.Linear:
    """Makes a Linear whose weight [inputs, outputs] starts as N(0, std) and bias as 0 (paddle: Xavier)."""
    weight = paddle.ParamAttr(initializer=Normal(0.0, std))
    return nn.Linear(inputs, outputs, weight_attr=weight, bias_attr=None if bias else False)


def additive_mask(attention_mask: Tensor, dtype: paddle.dtype) -> Tensor:
    """Gives what is added to the attention scores: 0 where a token may be seen, else a large negative number.

    The number swallows any score, so a row without a single token gets equal weights, as in transformers. It is not
    the smallest of its type: bfloat16 engines would round that to -inf, which makes such a row nan.

    Args:
        attention_mask: [B, T], 0 for padding; any type.
        dtype: of the result.

    Returns:
        [B, 1, 1, T].
    """
    hidden = -6e4 if dtype == paddle.float16 else -1e30
    return ((attention_mask == 0).astype(dtype) * hidden).unsqueeze([1, 2])


def check_ids(name: str, ids: Tensor, rows: int) -> None:
    """Raises InputError for an id below 0 or from `rows` up; on CPU only, as a GPU would have to be waited for."""
    if not paddle.in_dynamic_mode():  # while a graph is traced there are no values
        return
    if not ids.place.is_cpu_place() or ids.size == 0:
        return
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= rows:
        hint = "Cut the text to the model's max_length." if name == "position_ids" else ""
        raise InputError(f"{name} holds {low if low < 0 else high}; the model knows 0 to {rows - 1}.", hint)

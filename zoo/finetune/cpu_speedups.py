"""Tricks that make training on a CPU faster, with the same numbers; nothing else knows about them.

What paddle 3.3.1 is slow at there, and what is done instead:

- a transposed view is made contiguous element by element: FLAGS_use_stride_kernel=False copies at once. Views are
  copies then, and views of another dtype (safetensors' own reader for paddle) do not exist;
- the gradient of a bias is a slow sum: a product with a row of ones;
- dropout draws with one slow generator: numpy's SFC64, 16 bits per number;
- GELU and the gradient of a LayerNorm take several slow passes: a few fast ones;
- memory is given back to the system after every step and cleared again when it comes back: it is kept.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.base import core
from paddle.nn import functional as F

STRIDE_FLAG = "FLAGS_use_stride_kernel"
ROOT_HALF, NORMAL_DENSITY = 0.5**0.5, (2.0 * np.pi) ** -0.5
DROPOUT_STEPS = 1 << 16  # of a dropout rate

_masks = np.random.SFC64(0)


def seed(value: int) -> None:
    """Seeds the dropout masks."""
    global _masks
    _masks = np.random.SFC64(value)


def repeatable(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that draws at every call the dropout masks that it drew at its first.

    For what computes a layer again: it restores paddle's random numbers and knows nothing of these.
    """
    first: Any = None

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal first
        now = _masks.state
        if first is None:
            first = now
            return function(*args, **kwargs)
        _masks.state = first
        try:
            return function(*args, **kwargs)
        finally:
            _masks.state = now

    return run


@contextmanager
def speed_up(model: nn.Layer) -> Iterator[None]:
    """Inside the block the model trains faster on a CPU; behind it, it is as before.

    Names, values and files of the model do not change. Dropout has the same rate (to 1/65536) and scale, from
    numbers that `seed` decides and `paddle.seed` does not. Gradients are the plain ones but for rounding.
    """
    keep_memory()
    before = paddle.get_flags(STRIDE_FLAG)
    patched = [layer for layer in model.sublayers(include_self=True) if _patch(layer)]
    paddle.set_flags({STRIDE_FLAG: False})
    try:
        yield
    finally:
        paddle.set_flags(before)
        for layer in patched:
            _restore(layer)


@lru_cache(maxsize=1)
def keep_memory() -> bool:
    """Tells glibc's malloc to keep what it has, for the life of the process; False with another C library."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4  # malloc.h
    return all(mallopt(*pair) for pair in ((mmap_threshold, 1 << 30), (trim_threshold, 2**31 - 1), (mmap_max, 0)))


def _patch(layer: nn.Layer) -> bool:
    """Gives one layer its faster computation; False when there is none."""
    table: dict[type, Callable[[Any, Tensor], Tensor]] = {
        nn.Linear: _linear,
        nn.Dropout: _dropout,
        nn.LayerNorm: _layer_norm,
    }
    faster = table.get(type(layer))
    if faster is not None:
        layer.__dict__["forward"] = faster.__get__(layer)
        return True
    if getattr(layer, "activation", None) is F.gelu:
        layer.__dict__["activation"] = GELU.apply
        return True
    return False


def _restore(layer: nn.Layer) -> None:
    layer.__dict__.pop("forward", None)
    if "activation" in layer.__dict__:
        layer.__dict__["activation"] = F.gelu


def _plain(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Whether a layer has both parameters, trains them, and computes in float32."""
    trained = weight is not None and bias is not None and not weight.stop_gradient and not bias.stop_gradient
    return trained and x.dtype == paddle.float32


def _linear(self: nn.Linear, x: Tensor) -> Tensor:
    if not _plain(x, self.weight, self.bias):
        return F.linear(x, self.weight, self.bias)
    return Linear.apply(x, self.weight, self.bias)


def _layer_norm(self: nn.LayerNorm, x: Tensor) -> Tensor:
    if len(self._normalized_shape) > 1 or x.stop_gradient or not _plain(x, self.weight, self.bias):
        return F.layer_norm(x, self._normalized_shape, self.weight, self.bias, self._epsilon)
    return LayerNorm.apply(x, self.weight, self.bias, self._epsilon)


def _dropout(self: nn.Dropout, x: Tensor) -> Tensor:
    if not self.training or not self.p or x.dtype != paddle.float32:
        return F.dropout(x, self.p, training=self.training)
    return x * mask(x.shape, self.p)


def mask(shape: list[int], rate: float) -> Tensor:
    """0 with the probability `rate`, else 1 / (1 - rate). Returns float32 of the shape."""
    size = int(np.prod(shape))
    drawn = np.asarray(_masks.random_raw(-(-size // 4))).view(np.uint16)[:size]
    dropped = round(rate * DROPOUT_STEPS)
    values = np.multiply(drawn >= dropped, np.float32(DROPOUT_STEPS / (DROPOUT_STEPS - dropped)), dtype=np.float32)
    return core.eager.Tensor(values.reshape(shape), core.CPUPlace(), False, True, "mask", True)  # not copied


class Linear(PyLayer):
    """x [..., I] @ weight [I, O] + bias [O]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        shape = x.shape
        rows = x.reshape([-1, shape[-1]])
        ctx.shape = None if x.stop_gradient else shape
        ctx.save_for_backward(rows, weight)
        return paddle.addmm(bias, rows, weight).reshape([*shape[:-1], weight.shape[1]])

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        (grad,) = args
        rows, weight = ctx.saved_tensor()
        grad = grad.reshape([-1, weight.shape[1]])
        of_x = None
        if ctx.shape is not None:
            of_x = paddle.matmul(grad, weight, transpose_y=True).reshape(ctx.shape)
        return of_x, paddle.matmul(rows, grad, transpose_x=True), _sum(grad)


class GELU(PyLayer):
    """x times the normal distribution up to x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        below = paddle.scale(paddle.erf(paddle.scale(x, ROOT_HALF)), 0.5, 0.5)
        ctx.save_for_backward(x, below)
        return x * below

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        (grad,) = args
        x, below = ctx.saved_tensor()
        density = paddle.scale(paddle.exp(paddle.scale(x * x, -0.5)), NORMAL_DENSITY)
        return grad * (below + x * density)


class LayerNorm(PyLayer):
    """Normalised over the last axis [..., D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.epsilon = epsilon
        return F.layer_norm(x, weight.shape, weight, bias, epsilon)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        (grad,) = args
        x, weight = ctx.saved_tensor()
        of_x, both, grad = gradients_of_norm(x, weight, ctx.epsilon, grad)
        return of_x, _sum(both), _sum(grad)


def gradients_of_norm(x: Tensor, weight: Tensor, epsilon: float, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of a LayerNorm over the last axis, before those of weight and bias are summed.

    Args:
        x: its input [..., D], float32.
        weight: [D].
        epsilon: added to the variance.
        grad: of its output [..., D].

    Returns:
        Of x [..., D]; of the weight and of the bias, for each row [N, D].
    """
    shape, size = x.shape, weight.shape[0]
    rows, grad = x.reshape([-1, size]), grad.reshape([-1, size])
    mean = paddle.full([size, 1], 1.0 / size)
    centred = rows - paddle.matmul(rows, mean)
    scale = paddle.rsqrt(paddle.matmul(centred * centred, mean) + epsilon)  # [N, 1]
    normal = centred * scale
    both = grad * normal
    share = (weight / size).reshape([size, 1])
    of_x = (grad * weight - paddle.matmul(grad, share) - normal * paddle.matmul(both, share)) * scale
    return of_x.reshape(shape), both, grad


def _sum(rows: Tensor) -> Tensor:
    """[N, D] -> [D]"""
    return paddle.matmul(paddle.ones([1, rows.shape[0]]), rows).reshape([-1])

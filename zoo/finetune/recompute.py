"""Recompute: what a layer computed is thrown away and computed again in the backward pass (arXiv 1604.06174).

Of a network's layers only the inputs stay in memory, and the rest of one layer at a time. It costs a second forward
pass; losses and gradients are the same bit for bit, as each layer draws its dropout again from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

from zoo.finetune import cpu_speedups


@contextmanager
def recomputed(model: nn.Layer) -> Iterator[None]:
    """Inside the block every layer of a stack is computed again in the backward pass; behind it, it is as before.

    A stack is an `nn.LayerList`, so no network has to do anything for it.
    """
    layers = list(stacked(model))
    for layer in layers:
        layer.__dict__["forward"] = _again(layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"]


def stacked(model: nn.Layer) -> Iterator[nn.Layer]:
    """The layers of all stacks; not the stacks in a stack, nor what has no layers of its own."""
    for stack in model.sublayers(include_self=True):
        if isinstance(stack, nn.LayerList):
            yield from (part for part in stack if not isinstance(part, nn.LayerList) and part.sublayers())


def _again(plain: Callable[..., Any]) -> Callable[..., Any]:
    def forward(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, Tensor) or x.stop_gradient:  # nothing goes back through it
            return plain(x, *args, **kwargs)
        # Paddle's other way, the re-entrant one, takes no tuples with a None or a number in them.
        return recompute(cpu_speedups.repeatable(plain), x, *args, use_reentrant=False, **kwargs)

    return forward

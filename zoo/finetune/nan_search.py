"""Where a number went wrong: which layer gave the first value that is no number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import paddle
from paddle import Tensor, nn

from zoo.finetune.losses import Loss, Tensors
from zoo.models.common.base import Model


def finite(tensor: Tensor) -> bool:
    """Whether every number of a tensor is one."""
    return bool(paddle.isfinite(tensor).all())


def where(model: Model, batches: Iterable[Tensors], loss: Loss) -> str:
    """The first layer that gives a value that is no number, in words; run with the random numbers of the failure.

    Weights come first, then the outputs of the layers in the order they run, then gradients.
    """
    for name, p in model.named_parameters():
        if not finite(p):
            return f"the weight '{name}'"
    found: list[str] = []
    hooks = [
        layer.register_forward_post_hook(_watch(name, found))
        for name, layer in model.named_sublayers()
        if not layer.sublayers()
    ]
    try:
        with paddle.no_grad():
            results = [loss(model, batch) for batch in batches]
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"the output of '{found[0]}'"
    if not all(map(finite, results)):
        return "the loss itself"
    wrong = [name for name, p in model.named_parameters() if p.grad is not None and not finite(p.grad)]
    return f"the gradient of '{wrong[-1]}'" if wrong else "the sum of the gradients"


def _watch(name: str, found: list[str]) -> Any:
    def hook(layer: nn.Layer, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and not finite(output):
            found.append(name)

    return hook

"""What a technique freezes, and what that means for training."""

from __future__ import annotations

from typing import Any

from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from zoo.errors import UsageError
from zoo.finetune.cpu_speedups import gradients_of_norm
from zoo.models.common.base import Model


def freeze_body(model: Model) -> None:
    """The technique feature-extraction: only the head and its pooler are trained; the encoder has no dropout.

    Raises:
        UsageError: a model without a head.
    """
    if getattr(model, "encoder", None) is None or not hasattr(model, "head"):
        raise UsageError("This model has no head, so nothing would be left to train.", "Use --technique full.")
    _freeze(model.encoder)


def freeze_under(model: Model) -> nn.Layer:
    """Freezes what `freeze_body` does and lets gradients pass through it, to layers that are trained in between.

    A network that is no encoder with a head is frozen whole.

    Returns:
        What was frozen.
    """
    body = body_of(model)
    _freeze(body)
    for parent in body.sublayers(include_self=True):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.LayerNorm and layer.weight is not None and layer.weight.stop_gradient:
                parent.add_sublayer(name, FrozenLayerNorm(layer))
    return body


def body_of(model: Model) -> nn.Layer:
    """The encoder of a model with a head; another network whole."""
    return model.encoder if getattr(model, "encoder", None) is not None and hasattr(model, "head") else model


def train_mode(model: Model) -> None:
    """Puts a model into train mode; a body that is frozen whole stays in eval mode, without dropout."""
    model.train()
    body = getattr(model, "encoder", None) if hasattr(model, "head") else None
    if body is not None and all(p.stop_gradient for n, p in body.named_parameters() if not _of_pooler(n)):
        body.eval()


class FrozenLayerNorm(nn.Layer):
    """A LayerNorm over the last axis whose parameters are not trained, with the gradient of its input.

    On a CPU paddle 3.3.1 computes that gradient as if a frozen weight were 1.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.epsilon = norm.weight, norm.bias, norm._epsilon
        self.shape = norm._normalized_shape

    def forward(self, x: Tensor) -> Tensor:
        """Gives [..., D] of x [..., D]."""
        if x.stop_gradient:
            return F.layer_norm(x, self.shape, self.weight, self.bias, self.epsilon)
        return _FrozenNorm.apply(x, self)


class _FrozenNorm(PyLayer):
    """Computes for `FrozenLayerNorm`; the parameters are no arguments, so no gradient of theirs is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: FrozenLayerNorm) -> Tensor:
        ctx.save_for_backward(x)
        ctx.norm = norm
        return F.layer_norm(x, norm.shape, norm.weight, norm.bias, norm.epsilon)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        (grad,), (x,), weight = args, ctx.saved_tensor(), ctx.norm.weight
        wide = x.astype(weight.dtype)  # a half under automatic casts
        of_x, _, _ = gradients_of_norm(wide, weight, ctx.norm.epsilon, grad.astype(weight.dtype))
        return of_x.astype(x.dtype)


def _freeze(body: nn.Layer) -> None:
    for name, p in body.named_parameters():
        p.stop_gradient = not _of_pooler(name)


def _of_pooler(name: str) -> bool:
    """A pooler is trained with the head: where a checkpoint has none it is new."""
    return name.startswith("pooler.")

"""The technique feature-extraction: what is frozen, and what that means for training."""

from __future__ import annotations

from zoo.errors import UsageError
from zoo.models.common.base import Model


def freeze_body(model: Model) -> None:
    """The technique feature-extraction: only the head and its pooler are trained; the encoder has no dropout.

    Raises:
        UsageError: a model without a head.
    """
    if getattr(model, "encoder", None) is None or not hasattr(model, "head"):
        raise UsageError("This model has no head, so nothing would be left to train.", "Use --technique full.")
    for name, p in model.encoder.named_parameters():
        p.stop_gradient = not _of_pooler(name)


def train_mode(model: Model) -> None:
    """Puts a model into train mode; a body that is frozen whole stays in eval mode, without dropout."""
    model.train()
    body = getattr(model, "encoder", None) if hasattr(model, "head") else None
    if body is not None and all(p.stop_gradient for n, p in body.named_parameters() if not _of_pooler(n)):
        body.eval()


def _of_pooler(name: str) -> bool:
    """A pooler is trained with the head: where a checkpoint has none it is new."""
    return name.startswith("pooler.")

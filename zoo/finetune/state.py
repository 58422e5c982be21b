"""Checkpoints of a run: a folder per update, published whole, without a pickle in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle import nn
from paddle.optimizer import Optimizer


def save(
    folder: Path, update: int, model: nn.Layer, optimiser: Optimizer, about: dict[str, Any], keep: int = 2
) -> Path:
    """Writes <folder>/step-<update>: model.safetensors, optimiser.safetensors, state.json; removes older ones.

    Raises:
        CheckpointError: it could not be written (a full disk); older checkpoints stay as they are.
    """
    raise NotImplementedError


def newest(folder: Path) -> Path | None:
    """The folder of the newest checkpoint, None when there is none."""
    raise NotImplementedError


def restore(folder: Path, model: nn.Layer, optimiser: Optimizer) -> dict[str, Any]:
    """Loads a checkpoint into model and optimiser; returns `about`.

    Raises:
        CheckpointError: a damaged checkpoint, or one of another model.
    """
    raise NotImplementedError

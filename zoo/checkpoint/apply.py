"""Applies one step of a plan to arrays, in both directions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.checkpoint.rules import Step

Read = Callable[[str], np.ndarray]


def forward(step: Step, read: Read) -> dict[str, np.ndarray]:
    """Gives our tensors from the upstream ones; views where possible. A tie gives none.

    Args:
        read: gives an upstream tensor by its key.
    """
    op = step.rule.op
    if op == "tie":
        return {}
    if op == "copy":
        return {step.targets[0]: read(step.sources[0])}
    whole = read(step.sources[0]) if len(step.sources) == 1 else np.concatenate([read(s) for s in step.sources])
    parts = np.split(whole, len(step.targets))
    return {target: part.T for target, part in zip(step.targets, parts, strict=True)}


def backward(step: Step, read: Read) -> dict[str, np.ndarray]:
    """Gives the upstream tensors from ours; the reverse of `forward`.

    Args:
        read: gives a tensor of ours by its name.
    """
    op = step.rule.op
    if op == "copy" or op == "tie":
        return {step.sources[0]: read(step.targets[0])}
    arrays = [read(target).T for target in step.targets]
    whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    parts = np.split(whole, len(step.sources))
    return dict(zip(step.sources, parts, strict=True))

"""What the training loop tells while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Started:
    """A run begins, or goes on behind update `update`; the numbers of parameters that are trained and frozen."""

    update: int
    updates: int
    trained: int
    frozen: int


@dataclass(frozen=True)
class Updated:
    """One update is done.

    Attributes:
        update: updates done.
        loss: mean over the counted labels of the update, over all processes.
        lr: learning rate it was made with.
        norm: of the gradient before clipping.
        rows, tokens: of the update; tokens without padding, of all processes.
        seconds: from the end of the update before it, telling included, or from where training went on.
    """

    update: int
    loss: float
    lr: float
    norm: float
    rows: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Evaluated:
    """The development set was evaluated behind update `update`."""

    update: int
    scores: Scores
    is_best: bool


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint is on disk."""

    update: int
    folder: Path


@dataclass(frozen=True)
class Finished:
    """The run is over: reason "updates" or "patience"."""

    update: int
    reason: str


Event = Started | Updated | Evaluated | CheckpointSaved | Finished

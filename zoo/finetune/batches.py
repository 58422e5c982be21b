"""Which rows come together in training: length groups, and shares for each process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from zoo.errors import InputError

Batch = dict[str, np.ndarray]
BATCHES_PER_GROUP = 50  # batches that are sorted by length together


class Rows(Protocol):
    """A data set as `zoo.tasks.Features` is one: rows of ids that are padded only when they become a batch."""

    @property
    def lengths(self) -> np.ndarray:
        """[N], tokens of each row."""

    def batch(self, rows: np.ndarray, width: int = 0) -> Batch:
        """Some rows as arrays [B, ...], padded to at least `width` tokens: what the model's forward takes."""


class TrainBatches:
    """The order of the training rows: a function of seed and place, so there is no state to lose.

    Every epoch is shuffled; with `grouped`, rows of like length come together: 50 batches at a time are sorted by
    length, and the batches are shuffled again. The last batch of an epoch may be smaller.

    Args:
        lengths: [N], tokens of each row.
        batch_size: rows of a batch, over all processes.
        seed: of the order.
        grouped: by length.

    Raises:
        InputError: no rows.
    """

    def __init__(
        self, lengths: Sequence[int] | np.ndarray, batch_size: int, seed: int, grouped: bool = True
    ) -> None:
        if not len(lengths):
            raise InputError("There are no rows to train on.")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.grouped = grouped
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.lengths) // self.batch_size)

    def __getitem__(self, number: int) -> np.ndarray:
        """Row numbers of a batch, counted from the first one of the first epoch on, without end."""
        epoch, place = divmod(number, len(self))
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        return self._epoch[1][place]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, epoch])))
        order, size = random.permutation(len(self.lengths)), self.batch_size
        if self.grouped:
            groups = [
                order[at : at + BATCHES_PER_GROUP * size] for at in range(0, len(order), BATCHES_PER_GROUP * size)
            ]
            order = np.concatenate([g[np.argsort(-self.lengths[g], kind="stable")] for g in groups])
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        full = len(order) // size
        if not self.grouped:
            return batches
        return [*(batches[k] for k in random.permutation(full)), *batches[full:]]


def share(rows: np.ndarray, rank: int, world: int) -> np.ndarray:
    """The rows of a batch that one of `world` processes takes: like lengths for each, none twice."""
    return rows[rank::world]

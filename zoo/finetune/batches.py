"""Which rows come together in training: length groups, and shares for each process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from zoo.errors import InputError

Batch = dict[str, np.ndarray]
BATCHES_PER_GROUP = 50  # batches that are sorted by length together


class Rows(Protocol):
    """A data set as `zoo.tasks.Features` is one: rows of ids that are padded only when they become a batch.

    Rows with an attribute `apart`, [N] sets, come together only with rows that have nothing of their set.
    """

    @property
    def lengths(self) -> np.ndarray:
        """[N], tokens of each row."""

    def batch(self, rows: np.ndarray, width: int = 0) -> Batch:
        """Some rows as arrays [B, ...], padded to at least `width` tokens: what the model's forward takes."""


class TrainBatches:
    """The order of the training rows: a function of seed and place, so there is no state to lose.

    Every epoch is shuffled; with `grouped`, rows of like length come together: 50 batches at a time are sorted by
    length, and the batches are shuffled again. The last batch of an epoch may be smaller. With `apart` others may
    be too, and a row for which no batch is left waits for the next epoch.

    Args:
        lengths: [N], tokens of each row.
        batch_size: rows of a batch, over all processes.
        seed: of the order.
        grouped: by length.
        apart: [N], rows whose sets meet are not in one batch; None where any may be.

    Raises:
        InputError: no rows.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        grouped: bool = True,
        apart: Sequence[frozenset[int]] | None = None,
    ) -> None:
        if not len(lengths):
            raise InputError("There are no rows to train on.")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.grouped = grouped
        self.apart = apart
        self.count = batches_of(len(self.lengths), batch_size, apart)
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.count

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
        if self.apart is not None:
            batches = parted(order, self.apart, self.count, size)
            full = sum(len(batch) == size for batch in batches)
            batches.sort(key=lambda batch: len(batch) < size)
        if not self.grouped:
            return batches
        return [*(batches[k] for k in random.permutation(full)), *batches[full:]]


def batches_of(rows: int, batch_size: int, apart: Sequence[frozenset[int]] | None = None) -> int:
    """Batches of an epoch: no fewer than the rows that have the most common item of `apart`."""
    common = Counter(item for items in apart for item in items).most_common(1) if apart is not None else []
    return max(-(-rows // batch_size), *(count for _, count in common), 1)


def parted(
    order: Sequence[int] | np.ndarray, apart: Sequence[frozenset[int]], count: int, size: int
) -> list[np.ndarray]:
    """Divides rows into batches in which no two sets meet: each row into the first one that has room for it.

    Args:
        order: numbers of the rows.
        apart: the set of each row.
        count: of the batches; none of them is empty.
        size: of a batch, at most.
    """
    found: list[list[int]] = [[] for _ in range(count)]
    held: list[set[int]] = [set() for _ in range(count)]
    places = list(range(count))  # of batches that are not full
    for row in map(int, order):
        at = next((n for n in places if held[n].isdisjoint(apart[row])), None)
        if at is None:
            continue
        found[at].append(row)
        held[at] |= apart[row]
        if len(found[at]) == size:
            places.remove(at)
    spare = iter(sorted(found, key=len, reverse=True))
    return [np.array(batch or next(spare)[:1]) for batch in found]


def share(rows: np.ndarray, rank: int, world: int) -> np.ndarray:
    """The rows of a batch that one of `world` processes takes: like lengths for each, none twice."""
    return rows[rank::world]

"""Training rows of several texts: an anchor with what it is compared with, a query with its passages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.finetune.batches import Batch
from zoo.tasks.features import Features


class Groups:
    """The texts of a split, several of them a training row.

    Args:
        features: S texts.
        members: of each of the N rows the numbers of its texts.
        labels: float32 [N], of each row, or [S] or [S, D], of each text; None for none.
        apart: of each row the numbers of its texts as different texts are counted; no batch has a text twice.

    Attributes:
        lengths: [N], tokens of the longest text of each row.
    """

    def __init__(
        self,
        features: Features,
        members: Sequence[np.ndarray],
        labels: np.ndarray | None = None,
        apart: Sequence[frozenset[int]] | None = None,
    ) -> None:
        self.features, self.members, self.labels, self.apart = features, members, labels, apart
        lengths = features.lengths
        self.lengths = np.array([lengths[texts].max() for texts in members])

    def __len__(self) -> int:
        return len(self.members)

    def batch(self, rows: np.ndarray, width: int = 0) -> Batch:
        """Gives the texts of some rows: all first ones in the order of the rows, then all second ones, and so on.

        Returns:
            What `Features.batch` gives of them, and `row` [S'], the place in `rows` that each text belongs to;
            `labels` as they are, [B] of rows or [S', ...] of texts, else zeros [B].
        """
        texts = np.concatenate([self.members[n] for n in rows])
        counts = [len(self.members[n]) for n in rows]
        place = np.concatenate([np.arange(count) for count in counts])
        order = np.argsort(place, kind="stable")
        made = self.features.batch(texts[order], width)
        made["row"] = np.repeat(np.arange(len(rows)), counts)[order]
        if self.labels is None:
            made["labels"] = np.zeros(len(rows), np.float32)
        else:
            made["labels"] = self.labels[rows if len(self.labels) == len(self.members) else texts[order]]
        return made


def by_sample(features: Features) -> list[np.ndarray]:
    """Gives the numbers of the texts of each example, in their order."""
    return np.split(np.arange(len(features)), np.flatnonzero(np.diff(features.sample)) + 1)


def by_text(texts: Sequence[str]) -> list[np.ndarray]:
    """Gives the numbers of equal texts together, in the order in which each first comes."""
    found: dict[str, list[int]] = {}
    for n, text in enumerate(texts):
        found.setdefault(text, []).append(n)
    return [np.array(numbers) for numbers in found.values()]


def numbered(rows: Sequence[Sequence[str]]) -> list[frozenset[int]]:
    """Gives each text a number, the same for the same text."""
    numbers: dict[str, int] = {}
    return [frozenset(numbers.setdefault(text, len(numbers)) for text in row) for row in rows]

"""Says how wide a batch is padded, and which rows of an evaluation come together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Padding:
    """The rule for the width of a batch: the longest row, `spare` slots more, rounded up to a multiple.

    Attributes:
        multiple, spare: for Funnel 2^(blocks - 1) and one less. What Funnel gives for real tokens depends on how
            much padding follows, but from this width on no more: batches of any composition then give the same
            numbers as padding to the largest length does.
        least: pads at least to this many tokens (a recipe's fixed width).
    """

    multiple: int = 1
    spare: int = 0
    least: int = 0

    def width(self, longest: int) -> int:
        """Gives the width of a batch whose longest row has so many tokens."""
        return -(-max(longest + self.spare, self.least) // self.multiple) * self.multiple


def padding_of(model: Any) -> Padding:
    """Gives the rule of a model's family; `model` is whatever has its config."""
    blocks = getattr(model.config, "block_sizes", None)  # Funnel
    step = 2 ** (len(blocks) - 1) if blocks else 1
    return Padding(step, step - 1)


def eval_batches(
    lengths: Sequence[int] | np.ndarray,
    padding: Padding,
    budget: int = 4096,
    most: int = 64,
    rank: int = 0,
    world: int = 1,
) -> Iterator[np.ndarray]:
    """Gives the row numbers of batches: every row once, longest first, at most `budget` padded tokens each.

    Args:
        lengths: [N], tokens of each row.
        padding: how wide a batch is.
        budget: padded tokens; a longer row is a batch of its own.
        most: rows of a batch.
        rank, world: this process takes every world-th batch; all of them together have each row once.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    at = number = 0
    while at < len(order):
        size = max(1, min(most, budget // padding.width(int(lengths[order[at]]))))
        if number % world == rank:
            yield order[at : at + size]
        at += size
        number += 1

"""How wide a batch is padded, and which rows of an evaluation come together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Padding:
    """How wide a batch is: the longest row, `spare` slots more, rounded up to a multiple.

    Attributes:
        multiple, spare: of a network whose numbers depend on how much padding follows, such that from this width on
            they do no more: batches of any composition then give the same numbers.
        least: pads at least to this many tokens (a recipe's fixed width).
    """

    multiple: int = 1
    spare: int = 0
    least: int = 0

    def width(self, longest: int) -> int:
        """The width of a batch whose longest row has so many tokens."""
        return -(-max(longest + self.spare, self.least) // self.multiple) * self.multiple


def padding_of(model: Any) -> Padding:
    """Gives how a network wants its batches padded, as its config says; `model` is whatever has the config."""
    return getattr(model.config, "padding", Padding())


def eval_batches(
    lengths: Sequence[int] | np.ndarray,
    padding: Padding,
    budget: int = 4096,
    most: int = 64,
    rank: int = 0,
    world: int = 1,
) -> Iterator[np.ndarray]:
    """Row numbers of batches for evaluation: every row once, longest first, at most `budget` padded tokens each.

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

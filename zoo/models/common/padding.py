"""How wide a batch is padded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Padding:
    """How wide a batch is: the longest row, `spare` slots more, rounded up to a multiple.

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
        """The width of a batch whose longest row has so many tokens."""
        return -(-max(longest + self.spare, self.least) // self.multiple) * self.multiple


def padding_of(model: Any) -> Padding:
    """The rule of a model's family; `model` is whatever has its config."""
    blocks = getattr(model.config, "block_sizes", None)  # Funnel
    step = 2 ** (len(blocks) - 1) if blocks else 1
    return Padding(step, step - 1)

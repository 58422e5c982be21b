"""Cuts rows and items into batches: how wide they are padded, and which of them come together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOW_ITEMS = 4096  # items that are read, sorted by length and answered together
WINDOW_CHARACTERS = 1 << 22  # of a window, for items that are long
BATCH_TOKENS = 2048  # of a batch, padding included
# A batch of so many tokens takes no row that makes more than this share of it padding.
SMALL_BATCH_TOKENS, PADDING_SHARE = 512, 0.1


@dataclass(frozen=True)
class Padding:
    """The rule for the width of a batch: the longest row, `spare` slots more, rounded up to a multiple.

    Attributes:
        multiple, spare: of a network whose numbers depend on how much padding follows, such that from this width on
            they do no more: batches of any composition then give the same numbers.
        least: pads at least to this many tokens (a recipe's fixed width).
    """

    multiple: int = 1
    spare: int = 0
    least: int = 0

    def width(self, longest: int) -> int:
        """Gives the width of a batch whose longest row has so many tokens."""
        return -(-max(longest + self.spare, self.least) // self.multiple) * self.multiple


@dataclass(frozen=True)
class Limits:
    """What a network has rows for.

    Attributes:
        words, types: ids and token types are below them.
        tokens: of a row, padding not counted; None for no limit.
        width: of a row, padding counted; None for no limit.
    """

    words: int
    types: int
    tokens: int | None = None
    width: int | None = None


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


def windows(items: Iterable[Any], characters: int | None = None) -> Iterator[list[Any]]:
    """Items in runs of at most WINDOW_ITEMS, fewer when they are long: little more than `characters` in all.

    Args:
        characters: WINDOW_CHARACTERS when None.
    """
    most = WINDOW_CHARACTERS if characters is None else characters
    window: list[Any] = []
    size = 0
    for item in items:
        window.append(item)
        size += _characters(item)
        if len(window) == WINDOW_ITEMS or size > most:
            yield window
            window, size = [], 0
    if window:
        yield window


def _characters(item: Any) -> int:
    if isinstance(item, str):
        return len(item)
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, tuple) else ()
    return sum(map(_characters, parts))


def by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Cuts rows into batches of similar length, the longest first.

    Args:
        lengths: tokens of each row.
        tokens: most tokens of a batch, padding included; a longer row is a batch of its own.

    Yields:
        The numbers of the rows of a batch, its longest row first; each row once.
    """
    batch: list[int] = []
    real = 0  # tokens that are not padding
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        longest = lengths[batch[0]] if batch else 0
        size = longest * (len(batch) + 1)
        wasteful = size - real - lengths[n] > PADDING_SHARE * size and longest * len(batch) >= SMALL_BATCH_TOKENS
        if batch and (size > tokens or wasteful):
            yield batch
            batch, real = [], 0
        batch.append(n)
        real += lengths[n]
    if batch:
        yield batch

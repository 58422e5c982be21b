"""Fills the arrays of a batch with the rows of its texts and the special tokens around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from zoo.tokenization.layout import Window
from zoo.tokenization.pieces import Pieces


class SpecialIds(NamedTuple):
    """The ids of the special tokens before the first text, between two, and after the last one."""

    start: np.ndarray
    middle: np.ndarray
    end: np.ndarray


def fill(
    rows: Sequence[Window],
    first: Sequence[Pieces],
    second: Sequence[Pieces] | None,
    starts: np.ndarray,
    size: int,
    around: SpecialIds,
    types: tuple[int, int, int] | None,
    pad: int,
) -> dict[str, np.ndarray]:
    """Gives all rows one after the other in arrays of `size` tokens; row n begins at starts[n].

    Args:
        rows: the parts of the texts that make up each row.
        first, second: the tokens of the first texts and, of pairs, of the second ones.
        around: special tokens.
        types: token types of start, first and second text; None for a network without types.
        pad: the id where no row is.
    """
    example = first[0] if first else Pieces(np.zeros(0, np.int64))
    ids, mask = np.full(size, pad, np.int64), np.zeros(size, np.int64)
    out: dict[str, np.ndarray] = {"input_ids": ids, "attention_mask": mask}
    if types:
        out["token_type_ids"] = np.zeros(size, np.int64)
    if example.offsets is not None:
        out["offsets"] = np.zeros((size, 2), np.int64)
        out["sequence_ids"] = np.full(size, -1, np.int64)
    if example.words is not None:
        out["word_ids"] = np.full(size, -1, np.int64)
    for row, begin in zip(rows, starts.tolist(), strict=True):
        at = begin + len(around.start)
        ids[begin:at] = around.start
        if types:
            out["token_type_ids"][begin:at] = types[0]
        for which, pieces, start, stop, after in _parts(row, first, second, around):
            end = at + stop - start
            last = end + len(after)
            ids[at:end] = pieces.ids[start:stop]
            ids[end:last] = after
            if types:
                out["token_type_ids"][at:last] = types[1 + which]
            if pieces.offsets is not None:
                out["offsets"][at:end] = pieces.offsets[start:stop]
                out["sequence_ids"][at:end] = which
            if pieces.words is not None:
                out["word_ids"][at:end] = pieces.words[start:stop]
            at = last
        mask[begin:at] = 1
    return out


def _parts(
    row: Window, first: Sequence[Pieces], second: Sequence[Pieces] | None, around: SpecialIds
) -> Iterator[tuple[int, Pieces, int, int, np.ndarray]]:
    """Gives which text, its tokens, the slice of them in this row, and the special tokens after it."""
    yield 0, first[row.sample], row.a_start, row.a_stop, around.end if second is None else around.middle
    if second is not None:
        yield 1, second[row.sample], row.b_start, row.b_stop, around.end

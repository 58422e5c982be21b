"""Computes where special tokens go, and which part of a text is left when it is too long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from zoo.errors import InputError


@dataclass(frozen=True)
class Layout:
    """The special tokens around one text or a pair of texts: start A end, or start A middle B end.

    Attributes:
        start, middle, end: names of roles ("cls", "sep", ...) or tokens of the vocabulary.
        types: token type ids of the start, of A with what follows it, and of B with what follows it; None for
            families without token types.
    """

    start: tuple[str, ...] = ("cls",)
    middle: tuple[str, ...] = ("sep",)
    end: tuple[str, ...] = ("sep",)
    types: tuple[int, int, int] | None = None

    def size(self, pair: bool) -> int:
        """Gives the number of special tokens that are added."""
        return len(self.start) + len(self.end) + (len(self.middle) if pair else 0)


BERT_LAYOUT = Layout(types=(0, 0, 1))
FUNNEL_LAYOUT = Layout(types=(2, 0, 1))
ROBERTA_LAYOUT = Layout(middle=("sep", "sep"))


class Window(NamedTuple):
    """The tokens of a sample that make up one row: A[a_start:a_stop] and B[b_start:b_stop]."""

    sample: int
    a_start: int
    a_stop: int
    b_start: int
    b_stop: int


def longest_first(a: int, b: int, room: int) -> tuple[int, int]:
    """Gives how many tokens of A and B are kept when the longer one is cut until both fit into `room`.

    The shorter text stays whole while it takes at most half; else both get half, the longer one the odd token.
    """
    if a + b <= room:
        return a, b
    short = min(a, b)
    kept = (short, room - short) if 2 * short <= room else (room // 2, room - room // 2)
    return kept if a <= b else kept[::-1]


def windows(sample: int, a: int, b: int, room: int | None, strategy: str, stride: int | None) -> Iterator[Window]:
    """Gives the rows of one sample of a and b tokens.

    Args:
        room: tokens that fit beside the special ones; None for no limit.
        strategy: "longest_first", "only_first" or "only_second".
        stride: tokens that neighbouring rows share, or below 0 minus the step between their starts; None keeps only
            the first row.

    Raises:
        InputError: max_length leaves no room for the text that is cut.
    """
    if room is None or a + b <= room:
        yield Window(sample, 0, a, 0, b)
        return
    if strategy == "longest_first" and room >= 0 and stride is None:
        a, b = longest_first(a, b, room)
        yield Window(sample, 0, a, 0, b)
        return
    second = strategy == "only_second"
    whole, cut = (a, b) if second else (b, a)
    wide, shared = room - whole, stride or 0
    shared = max(wide + shared, 0) if shared < 0 else shared
    if wide <= shared:
        kept, shortened = ("first", "second") if second else ("second", "first")
        raise InputError(
            f"Item {sample}: its {kept} text has {whole} tokens, so max_length leaves {max(wide, 0)} for the "
            f"{shortened}, which must be more than the stride, {shared}.",
            "Give a larger max_length, a smaller stride, or shorten the text first.",
        )
    starts = range(0, 1 if stride is None else cut - shared, wide - shared)
    for start in starts:
        stop = min(start + wide, cut)
        yield Window(sample, 0, a, start, stop) if second else Window(sample, start, stop, 0, b)

"""Splits a plain text into words, for models that tag words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

# Scripts that are written without spaces: each character is a word, as in the data sets of their languages.
UNSPACED_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
WORD_PATTERN = re.compile(rf"[{UNSPACED_SCRIPTS}]|[^\s{UNSPACED_SCRIPTS}]+")
Span = tuple[int, int]


def _words(text: str) -> Iterator[Span]:
    """Gives what spaces separate, without the punctuation before and after it, and that sign by sign."""
    for found in WORD_PATTERN.finditer(text):
        first, last = found.span()
        inner, end = first, last
        while inner < end and _is_sign(text[inner]):
            inner += 1
        while end > inner and _is_sign(text[end - 1]):
            end -= 1
        yield from ((n, n + 1) for n in range(first, inner))
        if inner < end:
            yield inner, end
        yield from ((n, n + 1) for n in range(end, last))


def _is_sign(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"


def _matches(pattern: str) -> Callable[[str], Iterator[Span]]:
    return lambda text: (found.span() for found in re.finditer(pattern, text))


WORD_SPLITTERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "words": _words,
    "spaces": _matches(r"\S+"),
    "characters": _matches(r"\S"),
}

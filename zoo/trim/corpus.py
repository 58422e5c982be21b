"""Reads the texts that say which pieces stay, and those that the result is compared on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.errors import InputError
from zoo.files import open_regular, quote

MAX_LINE_BYTES = 1 << 20  # of a text
HELD_OUT_STEP = 10  # every 10th text is held out
MOST_HELD_OUT = 10_000  # texts that are held out of a corpus; in a larger one they lie further apart
ONE_A_LINE = "Give UTF-8 files with one text a line."


class Line(NamedTuple):
    """A text and its place: the file, and the line from 1."""

    text: str
    file: Path
    number: int


class Corpus:
    """Text files of one text a line. Lines of white space only are passed over.

    Args:
        files: UTF-8 texts.
        held_out: a file of texts to compare on; None to hold some of `files` out, evenly over all of them.

    Attributes:
        sources: every file that is read.
        learned_texts, held_out_texts: how many texts there are.
        step: from one text of `files` that is held out to the next; 0 where they have a file of their own.

    Raises:
        InputError: a file is missing, or there are no texts, or none to hold out.
    """

    def __init__(self, files: Sequence[Path], held_out: Path | None = None) -> None:
        self._files, self._apart = tuple(files), held_out
        self.sources = self._files if held_out is None else (*self._files, held_out)
        total = sum(map(_count, self._files))
        if held_out is not None:
            self.step, self.learned_texts, self.held_out_texts = 0, total, _count(held_out)
        else:
            self.step = max(HELD_OUT_STEP, -(-total // MOST_HELD_OUT))
            self.held_out_texts = total // self.step
            self.learned_texts = total - self.held_out_texts
        if not self.learned_texts or not self.held_out_texts:
            raise InputError(
                f"The corpus has {self.learned_texts} texts, and {self.held_out_texts} to compare on (every "
                f"{HELD_OUT_STEP}th where --held-out gives none).",
                ONE_A_LINE,
            )

    def learned(self) -> Iterator[Line]:
        """Gives the texts whose pieces stay."""
        return (line for n, line in self._numbered() if not self.step or n % self.step)

    def held_out(self) -> Iterator[Line]:
        """Gives the texts to compare on, of which `learned` has none."""
        if self._apart is not None:
            return _lines(self._apart)
        return (line for n, line in self._numbered() if n % self.step == 0)

    def _numbered(self) -> Iterator[tuple[int, Line]]:
        return enumerate((line for file in self._files for line in _lines(file)), start=1)


def _count(file: Path) -> int:
    return sum(1 for _ in _lines(file))


def _lines(file: Path) -> Iterator[Line]:
    """Gives the texts of a file.

    Raises:
        InputError: there is no such file, or a line is too long or not UTF-8; names file and line.
    """
    number = 0
    with open_regular(file, InputError) as stream:
        while data := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            place = f"Line {number} of {quote(str(file), 200)}"
            if len(data) > MAX_LINE_BYTES:
                raise InputError(f"{place} has more than {MAX_LINE_BYTES:,} bytes.", ONE_A_LINE)
            try:
                text = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise InputError(f"{place} is not UTF-8; unpack what is packed.", ONE_A_LINE) from None
            if text.strip():
                yield Line(text, file, number)

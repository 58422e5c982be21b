"""Reads fairseq's dict.txt."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import CheckpointError
from zoo.files import quote, read_text
from zoo.tokenization.settings import MAX_VOCABULARY_BYTES


def read_dictionary(file: Path) -> list[str]:
    """Gives the tokens of a dict.txt, in the order of their ids: "token count" a line.

    Raises:
        CheckpointError: a line is something else, or a token comes twice.
    """
    lines = read_text(file, limit=MAX_VOCABULARY_BYTES).split("\n")
    words: dict[str, None] = {}
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        word, space, count = line.rstrip("\r").rpartition(" ")
        if not space or not word or not count.isdigit() or word in words:
            what = "a token that was there before" if word in words else "no token and count"
            raise CheckpointError(f"Line {number} of '{file}' has {what}: {quote(line)}.", "Get it again.")
        words[word] = None
    return list(words)

"""Reads treebanks of Universal Dependencies (CoNLL-U) as words with their parts of speech, as XTREME prepares them.

A word that the treebank divides ("della" into "di" and "la") is one word again, with the tag of the part that is
nearest to the root; of several the one whose tag comes first in TAG_RANKS. Spaces and zero-width non-joiners inside
of a word go, and sentences whose words are withheld ("_") are left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.errors import InputError
from zoo.files import quote
from zoo.tasks.rows import Row, lines, shown

log = logging.getLogger("zoo")

COLUMNS = 10
WITHHELD = "_"
TAG_RANKS = "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT"
RANGE = re.compile(r"(\d+)-(\d+)")
EMPTY_NODE = re.compile(r"\d+\.\d+")
INSIDE_OF_A_WORD = str.maketrans("", "", " \u200c")


class Token(NamedTuple):
    """A line of a sentence: number, word, tag, and the number of the word it depends on (0 for the root)."""

    number: int
    word: str
    tag: str
    head: int


def conllu(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Reads the sentences of a treebank: `words`, `tags` and `id` (of its `sent_id`).

    Args:
        file: to read.
        columns: not used; readers of other formats have it.

    Raises:
        InputError: a line has other columns than CoNLL-U's, or its numbers make no sense.
    """
    tokens: list[Token] = []
    fused: list[tuple[int, int, str]] = []
    ident, begin, withheld = "", 0, 0
    for n, line in _closed(file):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            ident = value.strip() if name.strip() == "sent_id" else ident
            continue
        if line.strip():
            begin = begin or n
            _add(file, n, line, tokens, fused)
            continue
        hidden = sum(token.word == WITHHELD for token in tokens)
        if tokens and hidden and hidden >= len(tokens) - 1:
            withheld += 1
        elif tokens:
            words, tags = _whole(tokens, fused)
            yield Row(str(file), begin, {"words": words, "tags": tags, **({"id": ident} if ident else {})})
        tokens, fused, ident, begin = [], [], "", 0
    if withheld:
        log.warning("%s: sentences without their words, left out: %d.", quote(str(file), 200), withheld)


def _closed(file: Path) -> Iterator[tuple[int, str]]:
    """Gives the lines of a file, and an empty one after the last."""
    n = 0
    for n, line in lines(file):
        yield n, line
    yield n + 1, ""


def _add(file: Path, n: int, line: str, tokens: list[Token], fused: list[tuple[int, int, str]]) -> None:
    """Takes in a line of a sentence."""
    cells = line.split("\t")
    if len(cells) != COLUMNS:
        raise InputError(
            f"'{file}', line {n}: {len(cells)} columns where {COLUMNS} were expected: {shown(line)}.",
            "CoNLL-U's: number, word, lemma, part of speech, six more, with tabs between.",
        )
    number, word, _, tag, _, _, head = cells[:7]
    word = word.translate(INSIDE_OF_A_WORD) or word
    if EMPTY_NODE.fullmatch(number):
        return
    if (found := RANGE.fullmatch(number)) and int(found[1]) == len(tokens) + 1 < int(found[2]):
        fused.append((int(found[1]), int(found[2]), word))
    elif number == str(len(tokens) + 1):
        tokens.append(Token(len(tokens) + 1, word, tag.strip(), int(head) if head.isdecimal() else 0))
    else:
        raise InputError(f"'{file}', line {n}: the word's number {shown(number)} does not follow.")


def _whole(tokens: Sequence[Token], fused: Sequence[tuple[int, int, str]]) -> tuple[list[str], list[str]]:
    """Gives words and tags of a sentence, with divided words whole again."""
    words, tags, done = [], [], 0
    starts = {first: (last, word) for first, last, word in fused}
    for token in tokens:
        if token.number <= done:
            continue
        last, word = starts.get(token.number, (token.number, token.word))
        part = min(tokens[token.number - 1 : last], key=lambda t: (_depth(t, tokens), _rank(t.tag), t.number))
        words.append(word)
        tags.append(part.tag)
        done = last
    return words, tags


def _depth(token: Token, tokens: Sequence[Token]) -> int:
    """Gives how many words are above a word; a circle ends after as many steps as there are words."""
    depth = 0
    while 0 < token.head <= len(tokens) and depth < len(tokens):
        token, depth = tokens[token.head - 1], depth + 1
    return depth


def _rank(tag: str) -> int:
    ranks = TAG_RANKS.split()
    return ranks.index(tag) if tag in ranks else len(ranks)

"""Reads files with a word and its tag on each line (CoNLL's form), and plain text in their place.

What separates the columns, which lines are comments, and whether there are columns at all, is found out from the
whole file.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from zoo.errors import InputError, UsageError
from zoo.files import clean, quote
from zoo.tasks.rows import Row, csv_values, lines

log = logging.getLogger("zoo")

DOCUMENT_START = "-DOCSTART-"
EXPECTED_HINT = "Expected a word, a tab or a space, and its tag; a blank line ends a sentence."
SEPARATORS: dict[str, Callable[[str], list[str]]] = {  # the strictest first
    "tab": lambda line: line.split("\t"),
    "tabs": lambda line: re.split("\t+", line),
    "space": lambda line: line.split(" "),
    "spaces": lambda line: [part for part in line.split(" ") if part],
    "blanks": lambda line: [part for part in re.split("[ \t]+", line) if part],
    "comma": lambda line: _quoted(line, ","),
    "semicolon": lambda line: _quoted(line, ";"),
}
USUAL_SEPARATORS = ("tab", "tabs", "space", "spaces", "blanks")
NO_SEPARATOR = "none"
HEADER_NAMES = (
    {"word", "words", "token", "tokens", "text", "char", "character", "form"},
    {"tag", "tags", "label", "labels", "ner", "ner_tags", "pos", "pos_tags", "entity"},
)
LONGEST_WORD = 16  # characters; lines that have more, all in all, are not single words
TAG_PATTERN = re.compile(r"[BIESLUMWbieslumw][-_:].+")
# CoNLL-U's lines for words of several tokens, and for words that are left out.
CONLLU_RANGE = re.compile(r"\d+[-.]\d+")


def _quoted(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv_values([line], delimiter), [line])
    except csv.Error:
        return [line]


class Layout(NamedTuple):
    """The separator, columns and comments of a file.

    Attributes:
        separator: of SEPARATORS, or NO_SEPARATOR for a file of one column.
        width: columns; of a file whose lines differ that of the most.
        even: every line has as many.
        tags: what is in the last column.
        names: of the columns, where the first line says them.
        comments: lines that begin with "#" and are none of the data.
    """

    separator: str
    width: int
    even: bool
    tags: frozenset[str]
    names: tuple[str, ...]
    comments: int

    def split(self, line: str) -> list[str]:
        """Gives the cells of a line."""
        line = line.rstrip(" \t")  # a tag column left empty
        return [line] if self.separator == NO_SEPARATOR else SEPARATORS[self.separator](line)

    def is_comment(self, line: str) -> bool:
        """Tells whether a line with "#" is a comment: it has other columns, or a last one that is no tag."""
        if not line.startswith("#"):
            return False
        cells = self.split(line)
        if self.separator == NO_SEPARATOR:
            return len(line.split()) > 1
        return len(cells) != self.width or not (cells[-1] in self.tags or TAG_PATTERN.fullmatch(cells[-1]))

    def place(self, column: str, role: str, file: Path, default: int) -> int:
        """Gives the number of a column, counted from 0, for its name or its number counted from 1.

        Raises:
            UsageError: there is none.
        """
        if not column:
            return default
        if column in self.names:
            return self.names.index(column)
        if column.isdecimal() and 1 <= int(column) <= max(self.width, 1):
            return int(column) - 1
        held = f"the columns {', '.join(map(clean, self.names))}" if self.names else f"{self.width} columns"
        raise UsageError(
            f"{quote(str(file), 200)} has no column {quote(column)} for the {role}: it has {held}.",
            f"Count them from 1: --columns words=1,tags={self.width}.",
        )


def layout_of(file: Path, separator: str = "") -> Layout:
    """Finds out how a file is laid out, from all of its lines.

    Args:
        file: to read.
        separator: of SEPARATORS, when it is known.

    Raises:
        InputError: the file is missing, empty or not UTF-8.
        UsageError: there is no such separator.
    """
    if separator and separator not in SEPARATORS:
        raise UsageError(f"There is no separator {quote(separator)}.", f"One of {', '.join(SEPARATORS)}.")
    try:
        about = file.stat()
    except (OSError, ValueError):
        return _layout(file, separator, 0, 0)  # says what is wrong
    return _layout(file, separator, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=16)
def _layout(file: Path, separator: str, changed: int, size: int) -> Layout:
    distinct = Counter(line.rstrip(" \t") for _, line in lines(file))
    rows = [line for line in distinct if line.strip(" \t") and not line.startswith((DOCUMENT_START, "#"))]
    suffix = file.suffix.lower()
    known = (
        [separator]
        if separator
        else ("comma", "semicolon", *USUAL_SEPARATORS)
        if suffix == ".csv"
        else USUAL_SEPARATORS
    )
    found = _separator(rows, known, distinct)
    made = Layout(*found, frozenset(), (), 0)
    cells = made.split(rows[0]) if rows else []
    lowered = {cell.strip().lower() for cell in cells}
    named = (
        suffix in (".csv", ".tsv") and len(cells) == made.width and all(lowered & heads for heads in HEADER_NAMES)
    )
    names = tuple(cell.strip() for cell in cells) if named else ()
    tags = frozenset(made.split(line)[-1] for line in rows[bool(names) :]) if made.width > 1 else frozenset()
    made = made._replace(tags=tags, names=names)
    comments = sum(count for line, count in distinct.items() if made.is_comment(line))
    if comments:
        log.info("%s: %d lines that begin with # were read as comments.", quote(str(file), 200), comments)
    return made._replace(comments=comments)


def _separator(rows: Sequence[str], known: Sequence[str], counts: Counter[str]) -> tuple[str, int, bool]:
    """Gives the strictest separator by which every line has as many columns, else the one that most have."""
    best: tuple[int, str, int] = (0, NO_SEPARATOR, 1)
    for name in known:
        widths: Counter[int] = Counter()
        for line in rows:
            widths[len(SEPARATORS[name](line))] += counts[line]
        if not widths or set(widths) == {1}:
            continue
        gaps = name == "space" and any("" in SEPARATORS[name](line) for line in rows)
        if len(widths) == 1 and not gaps:
            return name, next(iter(widths)), True
        width, count = max(((w, c) for w, c in widths.items() if w > 1), key=lambda pair: pair[1])
        if count > best[0]:
            best = count, name, width
    return best[1], best[2], best[1] == NO_SEPARATOR


def conll(
    file: Path, columns: Sequence[str] = (), words: str = "", tags: str = "", separator: str = ""
) -> Iterator[Row]:
    """Reads words with their tags, one per line, blank lines between sentences: `words` and, if any, `tags`.

    `-DOCSTART-` lines and comments are left out. The line of a row is that of its first word.

    Args:
        file: to read.
        columns: not used; readers of other formats have it.
        words, tags: columns, by number counted from 1 or by name; without them the first and the last.
        separator: of SEPARATORS; without it as `layout_of` finds it.

    Raises:
        InputError: a line has another number of columns than the others.
        UsageError: there is no such column.
    """
    layout = layout_of(file, separator)
    heads = [
        next((n for n, name in enumerate(layout.names) if name.lower() in known), -1) for known in HEADER_NAMES
    ]
    first = layout.place(words, "words", file, max(heads[0], 0))
    alone = layout.width == 1 or (tags.isdecimal() and int(tags) > layout.width)  # no tags: a test set
    last = first if alone else layout.place(tags, "tags", file, heads[1] if heads[1] >= 0 else layout.width - 1)
    held: list[str] = []
    found: list[str] = []
    begin = 0
    header = bool(layout.names)
    for n, line in lines(file):
        if layout.is_comment(line):
            continue
        ends = not line.strip(" \t") or line.startswith(DOCUMENT_START)
        if ends or header:
            if held:
                yield _sentence(file, begin, held, found)
            held, found, header = [], [], header and ends
            continue
        cells = layout.split(line)
        if len(cells) != layout.width or not cells[first]:
            raise InputError(
                f"'{file}', line {n}: {len(cells)} columns where {layout.width} were expected: {quote(line)}.",
                EXPECTED_HINT,
            )
        if layout.width > 2 and CONLLU_RANGE.fullmatch(cells[0]):
            continue
        begin = begin if held else n
        held.append(cells[first])
        found.extend(() if alone else [cells[last].strip()])
    if held:
        yield _sentence(file, begin, held, found)


def _sentence(file: Path, begin: int, words: list[str], tags: list[str]) -> Row:
    return Row(str(file), begin, {"words": words, "tags": tags} if tags else {"words": words})


def is_plain(file: Path, tags: Set[str], characters: bool) -> bool:
    """Tells whether a file without gold answers is plain text, and not words line by line.

    Args:
        file: to read.
        tags: that words may have.
        characters: a word is one character.
    """
    if file.suffix.lower() in (".conll", ".conllu", ".bio", ".iob", ".bmes", ".csv", ".tsv", ".jsonl"):
        return False
    held = [line.strip() for _, line in lines(file)]
    if next((line for line in held if line), "")[:1] in ("{", "["):
        return False
    layout = layout_of(file)
    known = layout.tags & tags  # in a text a last word may look like a tag
    if known and (layout.even or 2 * len(known) >= len(layout.tags)):
        return False
    text = [line for line in held if line and not line.startswith(DOCUMENT_START)]
    if characters:
        return sum(len(line) > 1 for line in text) >= len(text) / 2
    return layout.width > 1 or sum(map(len, text)) > LONGEST_WORD * len(text)

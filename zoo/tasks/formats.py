"""File formats: from a file to rows. Each reader streams, and names file and line when a line is malformed."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.tasks.rows import Row, lines, shown

csv.field_size_limit(2**27)
log = logging.getLogger("zoo")


def tsv(file: Path, columns: Sequence[str] = (), skip_short: bool = False) -> Iterator[Row]:
    """Tab-separated without quoting; `columns` names them where the file has no header.

    Args:
        skip_short: leaves out lines with fewer columns, and says how many there were.

    Raises:
        InputError: a line has another number of columns than the header.
    """
    skipped = 0
    for n, line in lines(file):
        if not columns:
            columns = line.split("\t")
            continue
        values = line.split("\t")
        if not line.strip():
            continue
        if skip_short and len(values) < len(columns):
            skipped += 1
            continue
        if len(values) != len(columns):
            raise InputError(
                f"'{file}', line {n}: {len(values)} columns where {len(columns)} were expected.",
                f"Expected, with tabs between: {', '.join(columns)}.",
            )
        yield Row(str(file), n, dict(zip(columns, values, strict=True)))
    if skipped:
        log.warning("'%s': %d lines have fewer than %d columns and were left out.", file, skipped, len(columns))


def table(file: Path, columns: Sequence[str] = (), delimiter: str = ",") -> Iterator[Row]:
    """Comma-separated with quotes as spreadsheets write it; a quoted value may span lines."""
    place = 0

    def text() -> Iterator[str]:
        nonlocal place
        for place, line in lines(file):  # noqa: B007
            yield line + "\n"

    reader = csv.reader(text(), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for values in reader:
            if not columns:
                columns = values
            elif values:
                if len(values) != len(columns):
                    raise InputError(
                        f"'{file}', line {begin}: {len(values)} columns where {len(columns)} were expected.",
                        f"Expected: {', '.join(columns)}. A text with a '{delimiter}' needs quotes around it.",
                    )
                yield Row(str(file), begin, dict(zip(columns, values, strict=True)))
            begin = place + 1
    except csv.Error as error:
        raise InputError(
            f"'{file}', line {begin}: {error}.", "A quote inside of a quoted text is written twice."
        ) from None


def jsonl(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """One JSON object per line."""
    for n, line in lines(file):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"'{file}', line {n}: not JSON: {error}", "Expected one object {...} per line."
            ) from None
        if not isinstance(value, dict):
            raise InputError(f"'{file}', line {n}: {shown(value)} is not an object {{...}}.")
        _check_characters(f"'{file}', line {n}", line, value)
        yield Row(str(file), n, value)


def _check_characters(place: str, line: str, value: Any) -> None:
    """Refuses what JSON can spell and no file can hold."""
    if "\\ud" in line or "\\uD" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{place}: half of a surrogate pair, \\ud..., which is not a character.",
                "Write the character itself.",
            ) from None


def conll(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Words with their tags, one per line, a blank line between sentences. A row has `words` and, if any, `tags`.

    The word is the first column and the tag the last, whatever is between them; tabs separate where a line has
    one, else spaces. `-DOCSTART-` lines are left out. The line of a row is that of its first word.
    """
    words: list[str] = []
    tags: list[str] = []
    width = begin = n = 0
    for n, line in lines(file):
        if not line.strip(" \t"):
            if words:
                yield _sentence(file, begin, words, tags)
            words, tags = [], []
            continue
        parts = line.split("\t") if "\t" in line else line.split(" ")
        if len(parts) > 1 and not parts[-1]:
            parts = parts[:-1]  # a tag column left empty
        if parts[0] == "-DOCSTART-":
            continue
        width = width or len(parts)
        if len(parts) != width or not parts[0]:
            raise InputError(
                f"'{file}', line {n}: {len(parts)} columns where {width} were expected: {shown(line)}.",
                "Expected a word, a tab or a space, and its tag; a blank line ends a sentence.",
            )
        begin = begin if words else n
        words.append(parts[0])
        tags.extend(parts[-1:] if width > 1 else ())
    if words:
        yield _sentence(file, begin, words, tags)


def _sentence(file: Path, begin: int, words: list[str], tags: list[str]) -> Row:
    return Row(str(file), begin, {"words": words, "tags": tags} if tags else {"words": words})


def squad(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """SQuAD's JSON, one row per question, with the `context` of its paragraph."""
    document = _document(file)
    n = 0
    for article in _list(file, document, "data"):
        for paragraph in _list(file, article, "paragraphs"):
            for question in _list(file, paragraph, "qas"):
                n += 1
                if not isinstance(question, dict):
                    raise InputError(f"'{file}', question {n}: {shown(question)} is not an object {{...}}.")
                context = paragraph.get("context")
                if not isinstance(context, str):
                    raise InputError(f"'{file}', question {n}: its paragraph has no 'context'.")
                yield Row(str(file), n, {**question, "context": context}, "question")
    if n == 0:
        raise InputError(f"'{file}' has no questions.")


def is_squad(file: Path) -> bool:
    """True for a file of SQuAD's form, false for JSON lines."""
    try:
        value = json.loads("\n".join(line for _, line in lines(file)))
    except ValueError:
        return False
    return isinstance(value, dict) and "data" in value


def _document(file: Path) -> Any:
    text = "\n".join(line for _, line in lines(file))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"'{file}' is not JSON: {error}", 'Expected SQuAD\'s form, {"data": [...]}; is the download complete?'
        ) from None
    _check_characters(f"'{file}'", text, value)
    return value


def _list(file: Path, parent: Any, name: str) -> list[Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, list):
        raise InputError(
            f"'{file}': where a list '{name}' was expected there is {shown(value)}.",
            "SQuAD's form: data, in it paragraphs, in each context and qas.",
        )
    return value


def parallel(file: Path, other: Path) -> Iterator[Row]:
    """Two files of one sentence per line; a row has `source` and `target`."""
    pairs = zip_longest(lines(file), lines(other))
    for a, b in pairs:
        if a is None or b is None:
            short, long = (file, other) if a is None else (other, file)
            raise InputError(
                f"'{short}' has fewer lines than '{long}', which has a line {(a or b)[0]}.",
                "Line n of one file must be the translation of line n of the other.",
            )
        yield Row(str(file), a[0], {"source": a[1], "target": b[1]})


READERS: dict[str, Callable[..., Iterator[Row]]] = {
    "tsv": tsv,
    "csv": table,
    "semicolon": partial(table, delimiter=";"),
    "jsonl": jsonl,
    "conll": conll,
    "squad": squad,
}

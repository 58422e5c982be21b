"""Reads files of several formats as rows; an error names file and line."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.files import clean
from zoo.tasks.columns import conll
from zoo.tasks.conllu import conllu
from zoo.tasks.file_kinds import RECORDS, kind_of, parquet
from zoo.tasks.rows import Row, csv_values, lines, shown

log = logging.getLogger("zoo")


def tsv(
    file: Path,
    columns: Sequence[str] = (),
    skip_short: bool = False,
    numbered: bool = False,
    extra: bool = False,
) -> Iterator[Row]:
    """Reads tab-separated text without quoting; `columns` names them where the file has no header.

    Args:
        numbered: there is no header, and columns are called 1, 2, ...
        skip_short: leaves out lines with fewer columns, and says how many there were.
        extra: a line may have more columns than are named; those behind are left out.

    Raises:
        InputError: a line has another number of columns than the header.
    """
    skipped = 0
    for n, line in lines(file):
        values = line.split("\t")
        if not columns:
            columns = _numbers(values) if numbered else [name.strip() for name in values]
            if not numbered:
                continue
        if not line.strip():
            continue
        if skip_short and len(values) < len(columns):
            skipped += 1
            continue
        values = values[: len(columns)] if extra else values
        if len(values) != len(columns):
            raise InputError(
                f"'{file}', line {n}: {len(values)} columns where {len(columns)} were expected.",
                f"Expected, with tabs between: {', '.join(columns)}.",
            )
        yield Row(str(file), n, dict(zip(columns, values, strict=True)))
    if skipped:
        log.warning("'%s': %d lines have fewer than %d columns and were left out.", file, skipped, len(columns))


def _numbers(values: Sequence[str]) -> list[str]:
    return [str(n) for n in range(1, len(values) + 1)]


def table(file: Path, columns: Sequence[str] = (), delimiter: str = ",", numbered: bool = False) -> Iterator[Row]:
    """Reads comma-separated text with quotes as spreadsheets write it; a quoted value may span lines.

    Args:
        numbered: there is no header, and columns are called 1, 2, ...
    """
    place = 0

    def text() -> Iterator[str]:
        nonlocal place
        for place, line in lines(file):  # noqa: B007
            yield line + "\n"

    reader = csv_values(text(), delimiter, strict=True)
    begin = 1
    try:
        for values in reader:
            header = not columns and not numbered
            if not columns:
                columns = _numbers(values) if numbered else [name.strip() for name in values]
            if values and not header:
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
    """Reads one JSON object per line, or all in one array. A list is a row too, its values numbered from 1."""
    first = next((line for _, line in lines(file) if line.strip()), "")
    if first.lstrip()[:1] == "[" and not _is_list(first):
        yield from _array(file)
        return
    for n, line in lines(file):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"'{file}', line {n}: not JSON: {clean(str(error))}",
                "Expected one object {...} per line, or one array [{...}, ...].",
            ) from None
        yield _record(file, n, value, line, "line")


def _is_list(line: str) -> bool:
    """Tells whether a line that begins with "[" is a row of its own, and not a part of an array of rows."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value)


def _array(file: Path) -> Iterator[Row]:
    text = "\n".join(line for _, line in lines(file))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"'{file}' is not JSON: {clean(str(error))}",
            "Expected one array [{...}, ...], or one object {...} per line; is the download complete?",
        ) from None
    half = "\\ud" in text.lower()
    for n, value in enumerate(values, 1):
        yield _record(file, n, value, "\\ud" if half else "", "record")


def _record(file: Path, n: int, value: object, text: str, unit: str) -> Row:
    if isinstance(value, list) and value and not isinstance(value[0], (dict, list)):
        value = {str(k): item for k, item in enumerate(value, 1)}
    if not isinstance(value, dict):
        raise InputError(f"'{file}', {unit} {n}: {shown(value)} is not an object {{...}}.")
    _check_characters(f"'{file}', {unit} {n}", text, value)
    return Row(str(file), n, value, unit)


def _check_characters(place: str, line: str, value: object) -> None:
    """Refuses what JSON can spell and no file can hold."""
    if "\\ud" in line or "\\uD" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{place}: half of a surrogate pair, \\ud..., which is not a character.",
                "Write the character itself.",
            ) from None


def squad(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Reads SQuAD's JSON, one row per question, with the `context` of its paragraph."""
    document = _document(file, 'SQuAD\'s form, {"data": [...]}')
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
    """Tells whether a file is of SQuAD's form, and not JSON lines."""
    try:
        value = json.loads("\n".join(line for _, line in lines(file)))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "data" in value


def race(file: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Reads an article of RACE, one row per question; `part` is what its id, or else its folder, is called by."""
    about = _document(file, "an object {article, questions, options, answers, id}")
    about = about if isinstance(about, dict) else {}
    asked, options = about.get("questions"), about.get("options")
    if not isinstance(asked, list) or not isinstance(options, list):
        raise InputError(f"'{file}': no lists 'questions' and 'options'.", "Is it a file of RACE?")
    answers = about.get("answers", [None] * len(asked))
    if not isinstance(answers, list) or not len(asked) == len(options) == len(answers):
        raise InputError(f"'{file}': 'questions', 'options' and 'answers' must be lists of one length.")
    ident = str(about.get("id") or file.name).removesuffix(".txt")
    part = ident.rstrip("0123456789") or file.parent.name
    for n, (question, choices, answer) in enumerate(zip(asked, options, answers, strict=True)):
        values = {"id": f"{ident}-{n}", "article": about.get("article"), "part": part}
        yield Row(
            str(file), n + 1, {**values, "question": question, "options": choices, "answer": answer}, "question"
        )


def _document(file: Path, form: str) -> object:
    text = "\n".join(line for _, line in lines(file))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"'{file}' is not JSON: {clean(str(error))}",
            f"Expected {form}; is the download complete?",
        ) from None
    _check_characters(f"'{file}'", text, value)
    return value


def _list(file: Path, parent: object, name: str) -> list[Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, list):
        raise InputError(
            f"'{file}': where a list '{name}' was expected there is {shown(value)}.",
            "SQuAD's form: data, in it paragraphs, in each context and qas.",
        )
    return value


def parallel(file: Path, other: Path) -> Iterator[Row]:
    """Reads two files of one sentence per line; a row has `source` and `target`."""
    pairs = zip_longest(lines(file), lines(other))
    for a, b in pairs:
        if a is None or b is None:
            short, long = (file, other) if a is None else (other, file)
            raise InputError(
                f"'{short}' has fewer lines than '{long}', which has a line {(a or b)[0]}.",
                "Line n of one file must be the translation of line n of the other.",
            )
        yield Row(str(file), a[0], {"source": a[1], "target": b[1]})


DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
SNIFFED_RECORDS = 20  # records by which the delimiter of a table is found


def delimiter_of(file: Path) -> str:
    """Gives the name of what separates columns: the first by which a table's first rows have as many."""
    for name, sign in DELIMITERS.items():
        try:
            rows = list(islice(table(file, delimiter=sign, numbered=True), SNIFFED_RECORDS))
        except InputError:
            continue
        if rows and len(rows[0].values) > 1:
            return name
    first = next(line for _, line in lines(file))
    return next((name for name, sign in DELIMITERS.items() if sign in first), "comma")


def own_table(
    file: Path, columns: Sequence[str] = (), separator: str = "", numbered: bool = False
) -> Iterator[Row]:
    """Reads a user's rows: JSON, Parquet, a table with quotes (csv), else one without.

    Args:
        file: to read.
        columns: their names, where there is no header.
        separator: of DELIMITERS; without it as the file has it.
        numbered: there is no header, and columns are called 1, 2, ...
    """
    kind = kind_of(file)
    if kind in RECORDS:
        return jsonl(file) if kind == "json" else parquet(file)
    if kind != "csv" and separator in ("", "tab"):
        return tsv(file, columns, numbered=numbered)
    return table(file, columns, DELIMITERS[separator or delimiter_of(file)], numbered)


READERS: dict[str, Callable[..., Iterator[Row]]] = {
    "tsv": tsv,
    "csv": table,
    "semicolon": partial(table, delimiter=";"),
    "jsonl": jsonl,
    "own": own_table,
    "conll": conll,
    "conllu": conllu,
    "squad": squad,
    "race": race,
}

"""Reads a user's files: which is which split, how each is read, and which column is what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import InputError, UsageError
from zoo.files import clean, quote, user_path
from zoo.tasks.base import Task
from zoo.tasks.file_kinds import RECORDS, kind_by_name, kind_of
from zoo.tasks.formats import DELIMITERS, READERS, delimiter_of, is_squad
from zoo.tasks.rows import Row

SPLIT_NAMES = {"train": ("train",), "dev": ("dev", "valid", "val", "validation", "eval"), "test": ("test",)}
TEXT_COLUMNS = "text sentence sentence1 premise question1 text_a content review query tweet comment"
PAIR_COLUMNS = "text_pair pair sentence2 hypothesis question2 text_b"
ANCHOR_COLUMNS = "anchor query question sentence1 sentence_0 sentence_A text1 text_a premise sentence title"
POSITIVE_COLUMNS = (
    "positive pos answer document passage response sentence2 sentence_1 sentence_B text2 text_b hypothesis text"
)
COLUMN_NAMES = {  # what a column may be called, the likeliest name first
    "classification": {
        "text": TEXT_COLUMNS,
        "label": "label labels class category gold_label sentiment intent",
        "pair": PAIR_COLUMNS,
    },
    "regression": {
        "text": TEXT_COLUMNS,
        "label": "score label value rating stars similarity",
        "pair": PAIR_COLUMNS,
    },
    "tagging": {"words": "words tokens text", "tags": "tags ner_tags pos_tags labels label"},
    "qa": {"question": "question query", "context": "context paragraph passage text", "answers": "answers answer"},
    "text2text": {
        "source": "source src input text content article document paragraph context",
        "target": "target tgt output summary translation title question",
    },
    "pairs": {"anchor": ANCHOR_COLUMNS, "positive": POSITIVE_COLUMNS, "score": "score label similarity"},
    "triplets": {
        "anchor": ANCHOR_COLUMNS,
        "positive": POSITIVE_COLUMNS,
        "negative": "negative negatives neg hard_negative negative_1 negative_0 sentence3 text3 sentence_2",
    },
    "rerank": {
        "query": ANCHOR_COLUMNS,
        "passage": f"passage passages documents texts candidates {POSITIVE_COLUMNS}",
        "score": "label labels score scores relevance relevant",
    },
}
OPTIONAL_ROLES = ("pair", "score")
MORE_NEGATIVES = re.compile(r"(hard_)?neg(ative)?s?_?\d*", re.IGNORECASE)
LEARNED = {
    "classification": "a label for a text or a pair of texts",
    "regression": "a number for a text or a pair of texts",
    "tagging": "a tag for each word or character",
    "qa": "the part of a context that answers a question",
    "text2text": "a text for a text",
    "pairs": "vectors that are alike for texts that belong together",
    "triplets": "the same, with texts that do not belong to the anchor",
    "rerank": "how well a passage answers a query",
}
LONGEST_NAME = 30  # characters; a longer first cell is no column's name


class TrainingFile(NamedTuple):
    """The training file, with how it is read; `negatives` are columns without a role that have such a name."""

    file: Path
    form: str
    roles: dict[str, str]
    reading: dict[str, Any]
    negatives: tuple[str, ...] = ()

    def rows(self) -> Iterable[Row]:
        """Gives its rows."""
        return READERS[self.form](self.file, **self.reading)


def takes_negatives(kind: str, roles: Mapping[str, str]) -> bool:
    """Tells whether all columns of negatives count: of triplets, and of passages that have no score."""
    return kind == "triplets" or (kind == "rerank" and "score" not in roles)


def kinds() -> dict[str, tuple[str, str]]:
    """Gives kind of task -> what is learned, and the columns that a file has; one in brackets may be missing."""
    return {
        kind: (LEARNED[kind], ", ".join(f"({role})" if role in OPTIONAL_ROLES else role for role in roles))
        for kind, roles in COLUMN_NAMES.items()
    }


def files_of(data: str | Path | Mapping[str, str | Path]) -> dict[str, Path]:
    """Gives split -> file, train first: of a folder, of one file, which is the training data, or as they are named.

    Raises:
        InputError: nothing is there.
        UsageError: a folder has several files for a split.
    """
    if isinstance(data, Mapping):
        files = {split: user_path(file).absolute() for split, file in data.items()}
        if not files:
            raise UsageError("No file is named.", "Give {'train': 'train.csv', 'dev': 'dev.csv'}.")
        return files
    folder = user_path(data).absolute()
    if folder.is_file():
        return {"train": folder}
    if not folder.is_dir():
        raise InputError(
            f"There is no folder or file {quote(str(data), 200)}.", "Give a folder with train.csv and dev.csv."
        )
    found = {split: file for split, stems in SPLIT_NAMES.items() if (file := _of_split(folder, split, stems))}
    if found:
        return found
    held = _readable(folder)
    if len(held) == 1:
        return {"train": held[0]}
    names = clean(", ".join(file.name for file in held))
    raise InputError(
        f"'{folder}' has no train, dev or test file; it holds {names or 'no table'}.",
        "Say which is which: --train_file FILE --dev_file FILE --test_file FILE; or name one, to hold out a part "
        "of it: --data FILE.",
    )


def _readable(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if kind_by_name(f) and not f.is_dir() and not f.name.startswith("."))


def _of_split(folder: Path, split: str, stems: Sequence[str]) -> Path | None:
    """Gives the file of a split: train.csv, or one that has the word in its name, such as reviews_train.csv.

    Raises:
        UsageError: several could be it.
    """
    named = {file: re.split(r"[^a-z]+", file.name.lower()) for file in _readable(folder)}
    held = [f for f in named if f.name.split(".")[0] in stems] or [
        file for file, words in named.items() if not set(words).isdisjoint(stems)
    ]
    if len(held) > 1:
        raise UsageError(
            f"'{folder}' has several files for '{split}': {clean(', '.join(f.name for f in held))}.",
            f"Name one: --{split}_file FILE.",
        )
    return held[0] if held else None


def is_own(task: Task) -> bool:
    """Tells whether a task is of a user's own files: it knows their full paths."""
    return bool(task.files) and all(isinstance(f, str) and Path(f).is_absolute() for f in task.files.values())


def file_of_split(task: Task, data: str, split: str) -> Path:
    """Gives the file of a split of a user's own task.

    Args:
        task: as it was saved.
        data: folder or file; empty for the files that were trained on.

    Raises:
        InputError: there is none.
    """
    if data and user_path(data).is_file():
        return user_path(data)
    files = files_of(data) if data else {name: Path(str(file)) for name, file in task.files.items()}
    if split not in files:
        raise InputError(
            f"There is no file for the split '{split}', only for {', '.join(files)}.",
            "Give one: --data FILE.",
        )
    return files[split]


def form_of(file: Path, kind: str) -> str:
    """Gives the format of a file for a kind of task: of READERS; raises InputError as `kind_of`."""
    held = kind_of(file)
    if kind == "qa" and held == "json" and is_squad(file):
        return "squad"
    return "conll" if held == "words" or (kind == "tagging" and held not in RECORDS) else "own"


def separator_of(file: Path, asked: str) -> str:
    """Gives what separates the columns of a table, of DELIMITERS; "" for JSON and Parquet.

    Raises:
        UsageError: there is no such separator.
    """
    if asked and asked not in DELIMITERS:
        raise UsageError(f"There is no separator {quote(asked)}.", f"One of {', '.join(DELIMITERS)}.")
    kind = kind_of(file)
    if kind in RECORDS:
        return ""
    return asked or (delimiter_of(file) if kind == "csv" else "tab")


def columns_of(
    file: Path, kind: str, given: Mapping[str, str], separator: str
) -> tuple[dict[str, str], bool, list[str]]:
    """Finds out which column is what: as given, or by its name.

    Args:
        given: role -> column; its number, counted from 1, when the file has no header.

    Returns:
        role -> column; whether columns are numbers; the columns that are not used.

    Raises:
        UsageError: a role that this kind of task has not, a column that the file has not, or one that is not found.
    """
    unknown = set(given) - set(COLUMN_NAMES[kind])
    if unknown:
        raise UsageError(
            f"A {kind} task has no '{min(unknown)}'.", f"Columns can be named for {', '.join(COLUMN_NAMES[kind])}."
        )
    held = _held(file, separator, False)
    numbered = any(column.isdecimal() and column not in held for column in given.values())
    if numbered:
        held = _held(file, separator, True)
    elif len(set(held)) < len(held):
        twice = next(name for name in held if held.count(name) > 1)
        raise InputError(f"'{file}' has two columns {quote(twice)}.", _headless(kind))
    found = dict(given)
    for role, column in given.items():
        if column not in held:
            raise UsageError(
                f"'{file}' has no column {quote(column)} for {role}. It has: {clean(', '.join(held), 200)}.",
                "Count the columns of a file without a header row from 1.",
            )
    for role, usual in COLUMN_NAMES[kind].items():
        free = [c for c in held if c not in found.values()]
        guess = next((c for name in usual.split() for c in free if c.lower() == name.lower()), None)
        if role not in found and guess:
            found[role] = guess
    missing = [role for role in COLUMN_NAMES[kind] if role not in found and role not in OPTIONAL_ROLES]
    free = [c for c in held if c not in found.values()]
    if len(missing) == 1 and len(free) == 1 and not numbered and (found or len(held) == 1):
        found[missing[0]], missing, free = free[0], [], []
    if missing:
        raise UsageError(
            f"Which column of '{file}' is the {' and which the '.join(missing)}?"
            f" It has: {clean(', '.join(held), 200)}.",
            _which(kind, missing, free, numbered),
        )
    return found, numbered, [c for c in held if c not in found.values()]


def _held(file: Path, separator: str, numbered: bool) -> list[str]:
    """Gives the columns of a table: names, or numbers."""
    arguments: dict[str, Any] = {"separator": separator, "numbered": numbered}
    if separator and not numbered:  # a table with a header only has columns too; names may come twice
        row = next(READERS["own"](file, separator=separator, numbered=True), None)
        held = [] if row is None else [str(value).strip() for value in row.values.values()]
        if next(READERS["own"](file, **arguments), None) is None:
            raise InputError(f"'{file}' has no rows below its first.", "Is there more than a header?")
        return held
    row = next(READERS["own"](file, **arguments), None)
    if row is None:
        raise InputError(f"'{file}' has no rows.")
    return [str(column) for column in row.values]


def _headless(kind: str) -> str:
    roles = [role for role in COLUMN_NAMES[kind] if role not in OPTIONAL_ROLES]
    return f"If it has no header row: --columns {','.join(f'{role}={n}' for n, role in enumerate(roles, 1))}."


def _which(kind: str, missing: list[str], free: list[str], numbered: bool) -> str:
    """Gives the hint when columns are not found."""
    example = ",".join(f"{role}={column}" for role, column in zip(missing, free or ["..."], strict=False))
    names = all(len(c) <= LONGEST_NAME and not c.replace(".", "").isdecimal() for c in free)
    named = f"Name it: --columns {clean(example)}. " if names or numbered else ""
    return named + ("" if numbered else _headless(kind))

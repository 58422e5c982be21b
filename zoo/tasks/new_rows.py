"""Reads what a trained model is to answer: texts, a line each, or a file of any kind with its columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo.files import clean, quote
from zoo.tasks.base import Task
from zoo.tasks.classification import Classification
from zoo.tasks.example import Example
from zoo.tasks.file_kinds import kind_of
from zoo.tasks.formats import is_squad, own_table
from zoo.tasks.qa import QA
from zoo.tasks.rows import Row, lines
from zoo.tasks.tagging import Tagging
from zoo.tasks.text2text import Text2Text
from zoo.tasks.user_files import COLUMN_NAMES, TEXT_COLUMNS, is_own
from zoo.tasks.words import WORD_SPLITTERS

log = logging.getLogger("zoo")

COMMAND_LINE = "the command line"  # in the place of a file's name


@dataclass
class NewRows:
    """Rows to be answered.

    Attributes:
        values: of each row, as they came: column -> value.
        examples: of each row.
        texts: of each row the text that is read, "" where it came as words.
    """

    values: list[Mapping[str, Any]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, task: Task, values: Mapping[str, Any], row: Row) -> bool:
        """Adds a row, without what it says of the right answer; False where the task passes over it."""
        hidden = _gold(task)
        example = task.example(
            row._replace(values={k: v for k, v in row.values.items() if k not in hidden}), "test"
        )
        if example is None:
            return False
        self.values.append(values)
        self.examples.append(example)
        self.texts.append(str(row.values.get("text", "")))
        return True


def of_texts(task: Task, texts: Sequence[str], context: str = "") -> NewRows:
    """Gives texts as rows.

    Args:
        task: of the trained model.
        texts: one for each row; of a QA model questions.
        context: what the questions are about, or the second text of every pair.

    Raises:
        UsageError: the model reads something else than a text.
        InputError: a text is empty.
    """
    roles = _roles(task)
    second = next((role for role in ("context", "pair") if role in roles), "")
    if not roles:
        raise UsageError(f"A model of {task.name} does not answer single texts.", "Give a file: --data FILE.")
    if second and not context:
        what = "a question and its context" if second == "context" else "pairs of texts"
        raise UsageError(f"This model of {task.name} reads {what}.", "Give the second one: --context TEXT.")
    if context and not second:
        raise UsageError(f"This model of {task.name} reads one text; --context is for two.", "Leave it out.")
    found = NewRows()
    for n, text in enumerate(texts, 1):
        shown = {"text": text, **({second: context} if second else {})}
        if not text.strip():
            raise InputError(f"{COMMAND_LINE}, text {n}: it is empty.")
        first = next(iter(roles.values()))
        values = {first: text, **({roles[second]: context} if second else {})}
        row = Row(COMMAND_LINE, n, _as_words(task, {"text": text, **values}, first), "text")
        if not found.add(task, shown, row):
            raise InputError(f"{COMMAND_LINE}, text {n}: there is nothing to answer in {quote(text)}.")
    return found


def of_file(task: Task, file: Path) -> NewRows:
    """Gives the rows of a file: plain text, a line each; a table, JSON or Parquet by its columns; else as the task.

    Raises:
        InputError: it cannot be read, or nothing in it is what the model reads.
    """
    found, roles, passed = NewRows(), _roles(task), 0
    plain = kind_of(file) == "txt" and not isinstance(task, Tagging) and not _is_table(file, roles)
    if plain and len(roles) != 1:
        raise InputError(
            f"'{file}' is plain text, and a model of {task.name} reads {' and '.join(roles) or 'more than that'}.",
            "Give a csv or jsonl with these columns.",
        )
    rows: list[tuple[Mapping[str, Any], Row]]
    if plain:
        column = next(iter(roles.values()))
        rows = [
            ({"text": line}, Row(str(file), n, {"text": line, column: line}))
            for n, line in lines(file)
            if line.strip()
        ]
    else:
        rows = _columns(task, file, roles) or [(_shown(row), row) for row in task.open((file,), "test")]
    for values, row in rows:
        passed += not found.add(task, values, row)
    if not found.examples:
        raise InputError(f"'{file}' has no row to answer.", "Is there more than a header?")
    if passed:
        log.warning("'%s': %d rows have nothing to answer and are left out.", file, passed)
    return found


def _roles(task: Task) -> dict[str, str]:
    """What a model reads -> the column that its task has it in, the text first; {} where one text would not do."""
    if isinstance(task, Classification):
        return {"text": task.text, **({"pair": task.pair} if task.pair else {})}
    if isinstance(task, Tagging):
        return {"words": task.word_column}
    if isinstance(task, QA):
        return {"question": task.question_column, "context": task.context_column}
    if isinstance(task, Text2Text) and not task.lead:
        return {"source": task.source}
    return {}


def _gold(task: Task) -> set[str]:
    """The columns that say what is right."""
    if isinstance(task, Classification):
        return set() if task.prepared else {task.label}
    found = {Tagging: "tag_column", QA: "answers_column", Text2Text: "target"}.get(type(task))
    return {getattr(task, found)} if found else set()


def _is_table(file: Path, roles: Mapping[str, str]) -> bool:
    """Whether the first line of a .txt names the columns of a table."""
    first = next(line for _, line in lines(file)).split("\t")
    return len(first) > 1 and set(roles.values()) <= {name.strip() for name in first}


def _columns(task: Task, file: Path, roles: Mapping[str, str]) -> list[tuple[Mapping[str, Any], Row]] | None:
    """Reads a file by its columns' names, each row as it came and as the task has it; None where they differ."""
    kind = kind_of(file)
    if not roles or kind in ("words", "txt") or (isinstance(task, QA) and kind == "json" and is_squad(file)):
        return None
    reading = dict(task.reading) if is_own(task) and task.format == "own" else {}
    rows = list(own_table(file, **reading))
    held = rows[0].values if rows else {}
    columns = _found(task, roles, list(map(str, held)))
    if columns is None and kind in ("json", "parquet") and task.format not in ("jsonl", "own"):
        raise InputError(
            f"'{file}' has no column for the {' or the '.join(roles)}: {clean(', '.join(map(str, held)), 200)}.",
            f"Call it {' and '.join(map(repr, roles.values()))}.",
        )
    if columns is None:
        return None
    for role, column in columns.items():
        if column != roles[role]:
            log.info("'%s': the column %s is read as the %s.", file, quote(column), role)
    first = next(iter(roles.values()))
    made = []
    for row in rows:
        named = {**row.values, **{roles[role]: row.values.get(column) for role, column in columns.items()}}
        made.append((row.values, row._replace(values=_as_words(task, named, first))))
    return made


def _shown(row: Row) -> Mapping[str, Any]:
    """A row of a format of its own; of plain text the text alone."""
    return {"text": row.values["text"]} if isinstance(row.values.get("text"), str) else row.values


def _found(task: Task, roles: Mapping[str, str], held: Sequence[str]) -> dict[str, str] | None:
    """Role -> column of a file: the task's own, else by its usual names, else the only one."""
    kinds = {Tagging: "tagging", QA: "qa", Text2Text: "text2text"}
    usual = COLUMN_NAMES[kinds.get(type(task), "classification")]
    found: dict[str, str] = {}
    for role, own in roles.items():
        free = [column for column in held if column not in found.values()]
        names = f"{usual[role]} {TEXT_COLUMNS if role == 'words' else ''}".split()
        guess = next((c for name in names for c in free if c.lower() == name), None)
        column = own if own in held else guess
        if column is None:
            if len(held) != 1 or len(roles) != 1:
                return None
            column = held[0]
        found[role] = column
    return found


def _as_words(task: Task, values: dict[str, Any], column: str) -> dict[str, Any]:
    """Cuts a text into the words of a model that tags them."""
    text = values.get(column)
    if not isinstance(task, Tagging) or not isinstance(text, str):
        return values
    return {**values, "text": text, column: [text[a:b] for a, b in WORD_SPLITTERS[task.unit](text)]}

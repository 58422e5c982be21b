"""A user's own files as a task: which file is which split, which column is what, which labels there are.

task = own("classification", "reviews/")                       # reviews/train.csv, dev.csv, perhaps test.csv
task = own("regression", {"train": "a.tsv", "dev": "b.tsv"}, columns={"text": "review", "label": "stars"})
examples = list(task.read("reviews/", "train"))
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo.tasks.base import Task
from zoo.tasks.classification import Classification
from zoo.tasks.formats import READERS, is_squad
from zoo.tasks.qa import QA
from zoo.tasks.rows import Row, lines, shown
from zoo.tasks.tagging import TAG, Tagging, scheme_of
from zoo.tasks.text2text import Text2Text

log = logging.getLogger("zoo")

KINDS = ("classification", "regression", "tagging", "qa", "text2text")
SPLITS = {"train": ("train",), "dev": ("dev", "valid", "val", "validation", "eval"), "test": ("test",)}
SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".json": "jsonl", ".txt": "tsv",
    ".conll": "conll", ".bio": "conll", ".iob": "conll", ".bmes": "conll",
}  # fmt: skip
ROLES = {  # what a column may be called, the likeliest name first
    "classification": {
        "text": "text sentence sentence1 premise question1 text_a content review query tweet comment",
        "label": "label labels class category gold_label sentiment intent",
        "pair": "text_pair pair sentence2 hypothesis question2 text_b",
    },
    "regression": {
        "text": "text sentence sentence1 premise question1 text_a content review query tweet comment",
        "label": "score label value rating stars similarity",
        "pair": "text_pair pair sentence2 hypothesis question2 text_b",
    },
    "tagging": {"words": "words tokens text", "tags": "tags ner_tags pos_tags labels label"},
    "qa": {"question": "question query", "context": "context paragraph passage text", "answers": "answers answer"},
    "text2text": {
        "source": "source src input text content article document paragraph context",
        "target": "target tgt output summary translation title question",
    },
}
OPTIONAL = ("pair",)
PLENTY = 50  # labels; more than this, and half of the rows, cannot be classes
PEEK = 200  # rows that are looked at to tell a language
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def own(
    kind: str,
    data: str | Path | Mapping[str, str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    labels: tuple[str, ...] = (),
    name: str = "own",
    **fields: Any,
) -> Task:
    """The task of a user's own files.

    Args:
        kind: one of KINDS.
        data: a folder with train, dev and perhaps test, or split -> file. csv with quotes, tsv without, JSON lines;
            for tagging also CoNLL's form, for qa also SQuAD's.
        columns: what a column is (text, pair, label; words, tags; question, context, answers; source, target) ->
            its name. What is not said is guessed from the name; the guess is logged.
        labels: in the order of their ids; by default those of the training file, sorted.
        name: of the task.
        fields: any field of the family, such as `max_length`.

    Raises:
        UsageError: there is no such kind or column; names what the file has.
        InputError: a file is missing or malformed.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no kind of task '{kind}'.", f"One of {', '.join(KINDS)}.")
    files = _files(data)
    first = next(iter(files.values()))
    form = _format(first, kind)
    roles = {} if form in ("conll", "squad") else _columns(first, form, kind, columns or {})
    common = {"name": name, "title": name, "files": {s: str(f) for s, f in files.items()}, "format": form, **fields}
    made = {
        "classification": _classification,
        "regression": _regression,
        "tagging": _tagging,
        "qa": _qa,
        "text2text": _text2text,
    }
    return made[kind](first, form, roles, labels, common)


def _files(data: str | Path | Mapping[str, str | Path]) -> dict[str, Path]:
    """Split -> file, train first."""
    if isinstance(data, Mapping):
        files = {split: Path(file).expanduser().absolute() for split, file in data.items()}
        if not files:
            raise UsageError("No file is named.", "Give {'train': 'train.csv', 'dev': 'dev.csv'}.")
        return files
    folder = Path(data).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(f"There is no folder '{data}'.", "Give a folder with train.csv and dev.csv.")
    found: dict[str, Path] = {}
    for split, stems in SPLITS.items():
        held = [f for stem in stems for f in sorted(folder.glob(f"{stem}.*")) if f.suffix in SUFFIXES]
        if len(held) > 1:
            raise UsageError(
                f"'{folder}' has several files for '{split}': {', '.join(f.name for f in held)}.",
                "Name one for each split.",
            )
        found |= {split: held[0]} if held else {}
    if not found:
        raise InputError(
            f"'{folder}' has no train, dev or test file.", f"Expected for example train.csv; {', '.join(SUFFIXES)}."
        )
    return found


def _format(file: Path, kind: str) -> str:
    form = SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise UsageError(f"'{file}' is none of {', '.join(SUFFIXES)}.", "Rename the file after what is in it.")
    if kind == "qa" and file.suffix == ".json" and is_squad(file):
        return "squad"
    if kind == "tagging" and form in ("tsv", "csv"):
        return "conll"
    if form == "csv":
        header = next(lines(file))[1]
        return "semicolon" if ";" in header and "," not in header else "csv"
    return form


def _columns(file: Path, form: str, kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """Role -> column, as given or guessed."""
    for row in READERS[form](file):
        held = [str(column) for column in row.values]
        break
    else:
        raise InputError(f"'{file}' has no rows.")
    unknown = set(given) - set(ROLES[kind])
    if unknown:
        raise UsageError(
            f"A {kind} task has no '{min(unknown)}'.", f"Columns can be named for {', '.join(ROLES[kind])}."
        )
    found = dict(given)
    for role, column in given.items():
        if column not in held:
            raise UsageError(f"'{file}' has no column '{column}' for {role}.", f"It has: {', '.join(held)}.")
    for role, usual in ROLES[kind].items():
        free = [c for c in held if c not in found.values()]
        guess = next((c for name in usual.split() for c in free if c.lower() == name), None)
        if role not in found and guess:
            found[role] = guess
    missing = [role for role in ROLES[kind] if role not in found and role not in OPTIONAL]
    free = [c for c in held if c not in found.values()]
    if len(missing) == 1 and len(free) == 1:
        found[missing[0]], missing = free[0], []
    if missing:
        example = ", ".join(f"'{role}': '{column}'" for role, column in zip(missing, free or ["..."], strict=False))
        raise UsageError(
            f"Which column of '{file}' is the {' and which the '.join(missing)}? It has: {', '.join(held)}.",
            f"Name it: columns={{{example}}}.",
        )
    log.info("'%s': %s.", file, ", ".join(f"{role} = '{column}'" for role, column in found.items()))
    return found


def _classification(file: Path, form: str, roles: dict[str, str], labels: Any, common: Any) -> Task:
    labels = tuple(labels) or _labels(file, form, roles["label"])
    return Classification(**{"metrics": ("accuracy", "macro-f1"), "labels": labels, **_texts(roles), **common})


def _regression(file: Path, form: str, roles: dict[str, str], labels: Any, common: Any) -> Task:
    return Classification(**{"metrics": ("pearson", "spearman"), **_texts(roles), **common})


def _texts(roles: dict[str, str]) -> dict[str, str]:
    return {"text": roles["text"], "pair": roles.get("pair", ""), "label": roles["label"], "id": "id"}


def _labels(file: Path, form: str, column: str) -> tuple[str, ...]:
    """The labels of a file; numbers by value, others by name."""
    count, seen = 0, dict[str, Row]()
    for row in READERS[form](file):
        count += 1
        value = row.get(column)
        if isinstance(value, (list, dict)) or value is None or value == "":
            raise row.error(f"the label '{column}' is {shown(value)}.", "One label per row.")
        seen.setdefault(str(value).lower() if isinstance(value, bool) else str(value), row)
    if len(seen) < 2:
        raise InputError(f"'{file}' has {len(seen)} label in '{column}': nothing to tell apart.")
    if len(seen) > max(PLENTY, count // 2):
        raise UsageError(
            f"'{file}' has {len(seen)} different labels in {count} rows of '{column}'.",
            "Is it another column, or a regression?",
        )
    whole = all(re.fullmatch(r"-?\d+", label) for label in seen)
    return tuple(sorted(seen, key=int if whole else str))  # type: ignore[arg-type]


def _tagging(file: Path, form: str, roles: dict[str, str], labels: Any, common: Any) -> Task:
    prepared = {"word_column": roles["words"], "tag_column": roles["tags"]} if roles else {}
    probe = Tagging(**{**prepared, **common})
    tags = dict[str, None]()
    for row in READERS[form](file):
        _, found = probe.words_and_tags(row)
        if found is None:
            raise row.error("no tags.", "A word, a tab or a space, and its tag on each line.")
        tags.update(dict.fromkeys(found))
    scheme = scheme_of(tags)
    if not labels:
        kinds = sorted({TAG.sub(r"\2", tag) for tag in tags if tag != "O"})
        order = {tag: (tag != "O", kinds.index(TAG.sub(r"\2", tag)) if tag != "O" else 0, tag) for tag in tags}
        labels = tuple(sorted(tags, key=order.__getitem__))
    metrics = {} if scheme else {"metrics": ("accuracy",)}
    return Tagging(**{"labels": labels, "scheme": scheme, **metrics, **prepared, **common})


def _qa(file: Path, form: str, roles: dict[str, str], labels: Any, common: Any) -> Task:
    flat = {f"{role}_column": column for role, column in roles.items()}
    probe = QA(**{"unanswerable": True, **flat, **common})
    examples = [probe.example(row, "train") for row in READERS[form](file)]
    rules = "chinese" if _is_chinese(e.context for e in examples[:PEEK]) else "english"
    none = any(e.answers == () for e in examples)
    return QA(**{"unanswerable": none, "language_rules": rules, **flat, **common})


def _text2text(file: Path, form: str, roles: dict[str, str], labels: Any, common: Any) -> Task:
    chinese = _is_chinese(str(row.get(roles["target"])) for row in islice(READERS[form](file), PEEK))
    metrics = ("bleu-4", "bleu-1", "bleu-2", "bleu-3", "rouge-l") if chinese else ("bleu", "chrf")
    values = {"metrics": metrics, "tokenize": "" if chinese else "13a", **common}
    return Text2Text(source=roles["source"], target=roles["target"], **values)


def _is_chinese(texts: Iterator[str] | Any) -> bool:
    joined = "".join(texts)
    return len(CHINESE.findall(joined)) > 0.3 * len(joined)

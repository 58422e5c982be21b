"""Makes a task of a user's own files: which labels there are, what tags mean, how answers are scored.

task = own("classification", "reviews/")                       # reviews/train.csv, dev.csv, perhaps test.csv
task = own("classification", "all.csv", columns={"text": "1", "label": "2"})     # one file without a header row
task = own("regression", {"train": "a.tsv", "dev": "b.tsv"}, columns={"text": "review", "label": "stars"})
examples = list(task.read("reviews/", "train"))
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo.files import clean, quote
from zoo.tasks.base import HELD_OUT, Task
from zoo.tasks.classification import Classification
from zoo.tasks.columns import layout_of
from zoo.tasks.labels import NO_GOLD, label_of
from zoo.tasks.qa import QA
from zoo.tasks.reranking import Reranking
from zoo.tasks.rows import Row, shown
from zoo.tasks.schemes import OUTSIDE_TAG, TAG_PATTERN, TagReading, reading_of
from zoo.tasks.tagging import Tagging
from zoo.tasks.text2text import Text2Text
from zoo.tasks.text_pairs import RANKED_METRICS, SCORED_METRICS, TRIPLET_METRIC, TextPairs
from zoo.tasks.user_files import (
    COLUMN_NAMES,
    MORE_NEGATIVES,
    TrainingFile,
    columns_of,
    files_of,
    form_of,
    separator_of,
    takes_negatives,
)
from zoo.tasks.user_texts import pairs, rerank

log = logging.getLogger("zoo")

TASK_KINDS = tuple(COLUMN_NAMES)
USER_OPTIONS = ("separator", "scheme")  # beside columns; a scheme is for tagging
MAX_CLASSES = 50  # labels; more than this, and half of the rows, cannot be classes
SNIFFED_ROWS = 200  # to tell a language
MAX_LISTED_LABELS = 8  # labels that the line about the data repeats
CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fff]")
CHINESE_TEXT_METRICS = ("bleu-4", "bleu-1", "bleu-2", "bleu-3", "rouge-l")
TEXT_METRICS = ("bleu", "chrf")
TaskFields = dict[str, Any]  # fields of the task that is made


def outline(kind: str) -> Task:
    """Gives a task of a kind before its files are read: its head, and every metric that it may come to have."""
    metrics = {
        "classification": ("accuracy", "macro-f1"),
        "regression": ("pearson", "spearman"),
        "text2text": (*CHINESE_TEXT_METRICS, *TEXT_METRICS),
        "pairs": (*RANKED_METRICS, *SCORED_METRICS),
        "triplets": (*RANKED_METRICS, TRIPLET_METRIC),
    }
    about: TaskFields = {"name": kind, **({"metrics": metrics[kind]} if kind in metrics else {})}
    families = {"tagging": Tagging, "qa": QA, "text2text": Text2Text, "rerank": Reranking}
    families |= dict.fromkeys(("pairs", "triplets"), TextPairs)
    return families.get(kind, Classification)(**about)


def own(
    kind: str,
    data: str | Path | Mapping[str, str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    labels: tuple[str, ...] = (),
    name: str = "own",
    **fields: Any,
) -> Task:
    """Gives the task of a user's own files. What was found out about them is logged in one line.

    Args:
        kind: one of TASK_KINDS.
        data: a folder with train, dev and perhaps test; split -> file; or one file, which is the training data.
            csv with quotes, tsv without, JSON lines or an array; for tagging also CoNLL's form, for qa SQuAD's.
        columns: what a column is (text, pair, label; words, tags; question, context, answers; source, target) ->
            its name, or, in files without a header row, its number counted from 1. What is not said is guessed from
            the name. Also `separator`, what is between columns (comma, semicolon, tab, pipe; for tagging see
            `columns.SEPARATORS`), and for tagging `scheme` (IOB1, IOB2, IOBES, BILOU, BMES, IOE1, IOE2, IO, none).
        labels: in the order of their ids; by default those of the training file, sorted.
        name: of the task.
        fields: any field of the family, such as `max_length`.

    Raises:
        UsageError: there is no such kind or column; names what the file has.
        InputError: a file is missing or malformed.
    """
    if kind not in TASK_KINDS:
        raise UsageError(f"There is no kind of task '{kind}'.", f"One of {', '.join(TASK_KINDS)}.")
    given = {role: str(column) for role, column in (columns or {}).items()}
    asked = {option: given.pop(option) for option in USER_OPTIONS if option in given}
    if "scheme" in asked and kind != "tagging":
        raise UsageError(f"A {kind} task has no 'scheme'.", "It is for tagging.")
    files = files_of(data)
    file = next(iter(files.values()))
    source, about = _source(file, kind, given, asked.get("separator", ""))
    common = {
        "name": name,
        "title": name,
        "files": {s: str(f) for s, f in files.items()},
        "format": source.form,
        "reading": source.reading,
        **fields,
    }
    if kind == "tagging":
        task, said = _tagging(source, labels, asked.get("scheme"), common)
    else:
        task, said = MAKERS[kind](source, labels, common)
    log.info("%s.", "; ".join([*said, *about, f"splits: {_splits(files)}"]))
    return task


def _source(file: Path, kind: str, given: Mapping[str, str], asked: str) -> tuple[TrainingFile, list[str]]:
    """Gives the training file as it is read, and what the line says of it."""
    form = form_of(file, kind)
    if form == "squad":
        if given or asked:
            raise UsageError(f"'{file}' is of SQuAD's form, which has no columns.", "Leave --columns out.")
        return TrainingFile(file, form, {}, {}), ["columns: SQuAD's"]
    if form == "conll":
        return _words_and_tags(file, given, asked)
    separator = separator_of(file, asked)
    roles, numbered, unused = columns_of(file, kind, given, separator)
    negatives = tuple(c for c in unused if MORE_NEGATIVES.fullmatch(c)) if takes_negatives(kind, roles) else ()
    unused = [column for column in unused if column not in negatives]
    reading = {**({"numbered": True} if numbered else {}), **({"separator": asked} if asked else {})}
    columns = ", ".join(f"{role} = {column if numbered else quote(column)}" for role, column in roles.items())
    columns += "".join(f", negative = {quote(column)}" for column in negatives)
    about = [f"columns: {columns}" + (f" (not used: {clean(', '.join(unused))})" if unused else "")]
    about += [f"separator: {separator}" if separator else "separator: none, records"]
    return TrainingFile(file, form, roles, reading, negatives), about


def _words_and_tags(file: Path, given: Mapping[str, str], asked: str) -> tuple[TrainingFile, list[str]]:
    """Gives the same for a word and its tag on each line."""
    unknown = set(given) - set(COLUMN_NAMES["tagging"])
    if unknown:
        raise UsageError(f"A tagging task has no '{min(unknown)}'.", "Columns can be numbered for words, tags.")
    layout = layout_of(file, asked)
    for role, column in given.items():
        layout.place(column, role, file, 0)
    tree = (
        file.suffix.lower() == ".conllu"
    )  # CoNLL-U has its words in the second column, parts of speech in the fourth
    usual = {"words": "2", "tags": "4"} if tree else {"words": "1", "tags": str(layout.width)}
    reading = {**({} if layout.names else usual), **given, **({"separator": asked} if asked else {})}
    columns = f"words = {reading.get('words', 'by its name')}, tags = {reading.get('tags', 'by its name')}"
    about = [f"columns: {columns} of {layout.width}", f"separator: {layout.separator}"]
    if layout.comments:
        about.append(f"comments: {layout.comments} lines")
    return TrainingFile(file, "conll", {}, reading), about


def _splits(files: Mapping[str, Path]) -> str:
    said = [f"{split} = {clean(file.name)}" for split, file in files.items()]
    if "train" in files and "dev" not in files:
        said.append(f"dev = one in {HELD_OUT} rows of train, drawn by the seed")
    return ", ".join(said)


def listed(labels: Iterable[str]) -> str:
    """Gives what the line about the data says of labels: how many, and the first ones."""
    labels = list(labels)
    more = ", ..." if len(labels) > MAX_LISTED_LABELS else ""
    return f"labels: {len(labels)} ({clean(', '.join(labels[:MAX_LISTED_LABELS]), 200)}{more})"


def _classification(source: TrainingFile, labels: tuple[str, ...], common: TaskFields) -> tuple[Task, list[str]]:
    labels = tuple(labels) or _labels(source, source.roles["label"])
    made = {"metrics": ("accuracy", "macro-f1"), "labels": labels, **_texts(source.roles), **common}
    return Classification(**made), [listed(labels)]


def _regression(source: TrainingFile, labels: tuple[str, ...], common: TaskFields) -> tuple[Task, list[str]]:
    probe = Classification(**{"metrics": ("pearson", "spearman"), **_texts(source.roles), **common})
    examples = (probe.example(row, "train") for row in source.rows())
    numbers = [float(e.label) for e in examples if e is not None and e.label is not None]
    if not numbers:
        raise InputError(f"'{source.file}' has no rows.")
    # -1 may be a score of its own where scores can be negative.
    missing = () if min(numbers) < 0 else (NO_GOLD,)
    said = f"labels: numbers from {min(numbers):g} to {max(numbers):g}"
    made = {"metrics": ("pearson", "spearman"), "missing": missing, **_texts(source.roles), **common}
    return Classification(**made), [said]


def _texts(roles: dict[str, str]) -> dict[str, str]:
    return {"text": roles["text"], "pair": roles.get("pair", ""), "label": roles["label"], "id": "id"}


def _labels(source: TrainingFile, column: str) -> tuple[str, ...]:
    """Gives the labels of a file; numbers by value, others by name."""
    count, seen = 0, dict[str, Row]()
    for row in source.rows():
        count += 1
        value = row.get(column)
        label = None if isinstance(value, (list, dict)) else label_of(value)
        if label is None:
            raise row.error(f"the label {quote(column)} is {shown(value)}.", "One label per row.")
        seen.setdefault(label, row)
    if len(seen) < 2:
        raise InputError(f"'{source.file}' has {len(seen)} label in '{column}': nothing to tell apart.")
    if len(seen) > max(MAX_CLASSES, count // 2):
        raise UsageError(
            f"'{source.file}' has {len(seen)} different labels in {count} rows of '{column}'.",
            "Is it another column, or a regression?",
        )
    whole = all(re.fullmatch(r"-?\d{1,18}", label) for label in seen)
    return tuple(sorted(seen, key=(lambda label: (int(label), label)) if whole else str))  # type: ignore[arg-type]


def _tagging(
    source: TrainingFile, labels: tuple[str, ...], asked: str | None, common: TaskFields
) -> tuple[Task, list[str]]:
    prepared = {"word_column": source.roles["words"], "tag_column": source.roles["tags"]} if source.roles else {}
    probe = Tagging(**{**prepared, **common})
    sentences, unit = list[list[str]](), "characters"
    for row in source.rows():
        words, found = probe.words_and_tags(row)
        if max(map(len, words), default=1) > 1:
            unit = "words"
        if found is None:
            raise row.error("no tags.", "A word, a tab or a space, and its tag on each line.")
        sentences.append(found)
    reading = reading_of(sentences, asked)
    tags = reading.all_tags({tag for sentence in sentences for tag in reading.tags(sentence)})
    labels = tuple(labels) or _in_order(tags)
    metrics = {} if reading.scheme else {"metrics": ("accuracy",)}
    meant = {"scheme": reading.scheme, "file_scheme": reading.file_scheme, "spelled": dict(reading.spelled)}
    made = {"labels": labels, "unit": unit, **meant, **metrics, **prepared, **common}
    return Tagging(**made), [listed(labels), f"scheme: {_scheme(reading)}", f"words: {unit}"]


def _scheme(reading: TagReading) -> str:
    name = f"{reading.file_scheme}, learned as IOB2" if reading.file_scheme else reading.scheme or "none"
    return ", ".join([name, *reading.notes])


def _in_order(tags: Iterable[str]) -> tuple[str, ...]:
    """Gives tags by kind, the one for outside first."""
    held = set(tags)
    return tuple(sorted(held, key=lambda tag: (tag != OUTSIDE_TAG, TAG_PATTERN.sub(r"\2", tag), tag)))


def _qa(source: TrainingFile, labels: tuple[str, ...], common: TaskFields) -> tuple[Task, list[str]]:
    flat = {f"{role}_column": column for role, column in source.roles.items()}
    probe = QA(**{"unanswerable": True, **flat, **common})
    examples = [probe.example(row, "train") for row in source.rows()]
    rules = "chinese" if _is_chinese(e.context for e in examples[:SNIFFED_ROWS]) else "english"
    none = any(e.answers == () for e in examples)
    said = f"scored as {'CMRC 2018' if rules == 'chinese' else 'SQuAD 2.0' if none else 'SQuAD 1.1'}"
    said += ", with questions without an answer" if none else ""
    return QA(**{"unanswerable": none, "language_rules": rules, **flat, **common}), [said]


def _text2text(source: TrainingFile, labels: tuple[str, ...], common: TaskFields) -> tuple[Task, list[str]]:
    target = source.roles["target"]
    chinese = _is_chinese(str(row.get(target)) for row in islice(source.rows(), SNIFFED_ROWS))
    metrics = CHINESE_TEXT_METRICS if chinese else TEXT_METRICS
    values = {"metrics": metrics, "tokenize": "" if chinese else "13a", **common}
    said = f"scored by {', '.join(metrics)} over {'characters' if chinese else 'words'}"
    return Text2Text(source=source.roles["source"], target=target, **values), [said]


def _is_chinese(texts: Iterable[str]) -> bool:
    joined = "".join(texts)
    return len(CHINESE_CHARACTER.findall(joined)) > 0.3 * len(joined)


Maker = Callable[[TrainingFile, tuple[str, ...], TaskFields], tuple[Task, list[str]]]
MAKERS: dict[str, Maker] = {
    "classification": _classification,
    "regression": _regression,
    "qa": _qa,
    "text2text": _text2text,
    "pairs": pairs,
    "triplets": pairs,
    "rerank": rerank,
}

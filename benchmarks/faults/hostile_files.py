"""Files written to do harm: sizes without end, pickles that call or grow, names that leave a folder or turn a line.

`hostile_files` gives more than 620, for every reader of `files_of_strangers`. None of them is downloaded or random.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import hostile_archives, hostile_weights
from benchmarks.faults.files_of_strangers import READERS, Files, write

Make = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Hostile:
    """A folder that a reader gets.

    Attributes:
        reader: of READERS. name: of the case.
        make: fills an empty folder; code of a file that ran would make the second path.
        heavy: takes seconds or hundreds of megabytes to write.
    """

    reader: str
    name: str
    make: Make
    heavy: bool = False


# Values where others belong, as they stand in JSON.
NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e9",
    "1e400",
    "-1",
    "0",
    "1.5",
    "1" + "0" * 29,
    "9" * 5_000,
    "4294967296",
)
TEXTS = (
    '""', '"abc"', '"\\ud800"', '"\\u202eexe.\\u001b[31m\\u0007"', '"a\\u0000b"', f'"{"x" * 4_096}"',
    '"../../../../.profile"', '"/dev/zero"', '"\\u2028\\u009b"',
)  # fmt: skip
OTHERS = ("true", "null", "[]", "{}", "[[1]]", '{"a": {"b": [1, {}]}}', "[" * 200 + "]" * 200, '[1, "a", null]')
SCALARS = (*NUMBERS, *TEXTS, *OTHERS)
SIZES = ("NaN", "Infinity", "1e9", "-1", "1" + "0" * 29, "1.5", '"768"', "[]")
FIELDS_EACH = 4  # values that every field gets

# Whole documents.
WHOLE: dict[str, bytes] = {
    "empty": b"",
    "a number": b"5",
    "a list": b"[]",
    "null": b"null",
    "cut off": b'{"a": [1, 2',
    "nested 100,000 times": b"[" * 100_000,
    "objects nested 100,000 times": b'{"a":' * 100_000,
    "nested 70 times": b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "not UTF-8": b'{"\xff\xfe": 1}',
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "zeros": bytes(4_096),
    "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    "a key of 1 MB": b'{"' + b"k" * (1 << 20) + b'": 1}',
    "20 MB of spaces": b"{" + b" " * (20 << 20) + b"}",
    "a million fields": json.dumps(dict.fromkeys(map(str, range(300_000)), 0)).encode(),
    "escape codes": b'{"\\u001b]0;x\\u0007\\u202e": "\\u001b[2J"}',
}


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _sparse(file: Path) -> None:
    with open(file, "wb") as stream:
        stream.write(b'{"a": "')
        stream.truncate(1 << 40)


# What is no file, or none of a sensible size.
NOT_FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a link to /dev/zero": lambda file: file.symlink_to("/dev/zero"),
    "a link to itself": lambda file: file.symlink_to(file.name),
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a folder": lambda file: file.mkdir(),
    "a file of 1 TB": _sparse,
}


def hostile_files(heavy: bool = True) -> Iterator[Hostile]:
    """Every hostile folder. `heavy`: also those that are slow to make."""
    for reader in READERS:
        files = READERS[reader].seeds()[0]
        for name in (name for name in files if READERS[reader].changed(name)):
            yield from _whole(reader, name, files)
    for reader, names in DOCUMENTS.items():
        for number, files in enumerate(READERS[reader].seeds()[: 2 if reader == "config" else 5]):
            for name in (name for name in names if name in files):
                yield from _fields(reader, f"{number} {name}", name, files)
    for number, files in enumerate(READERS["config"].seeds()):
        yield from _sizes(number, files)
    for case in (*hostile_weights.cases(), *hostile_archives.cases()):
        reader = "archive" if case.file == "model.archive" else "weights"
        if heavy or not case.heavy:
            yield Hostile(reader, case.name, case.make, case.heavy)


DOCUMENTS = {
    "config": ("config.json",),
    "certificate": ("certificate.json",),
    "run": ("run.json", "state.json"),
    "task": ("task.json",),
    "export": ("export.json", "graph.json"),
    "tokenizer": ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json"),
    "sentence": ("1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"),
}


def _whole(reader: str, name: str, files: Files) -> Iterator[Hostile]:
    for called, content in WHOLE.items():
        yield Hostile(reader, f"{reader} {name}: {called}", _replaced(files, name, content))
    for called, maker in NOT_FILES.items():

        def make(folder: Path, trace: Path, maker: Callable[[Path], None] = maker) -> None:
            write({other: data for other, data in files.items() if other != name}, folder)
            (folder / name).parent.mkdir(exist_ok=True)
            maker(folder / name)

        yield Hostile(reader, f"{reader} {name}: {called}", make)


def _fields(reader: str, called: str, name: str, files: Files) -> Iterator[Hostile]:
    """Every field of a document and of the objects in it, with some of SCALARS, each field with others."""
    document = json.loads(files[name])
    for n, path in enumerate(_paths(document)):
        for k in range(FIELDS_EACH):
            raw = SCALARS[(n * 11 + k * 7) % len(SCALARS)]
            where = ".".join(map(str, path))
            made = _replaced(files, name, with_value(document, path, raw))
            yield Hostile(reader, f"{reader} {called}: {where} = {raw[:30]!a}", made)


def _sizes(number: int, files: Files) -> Iterator[Hostile]:
    """Every number of a config.json, with what no size can be."""
    document = json.loads(files["config.json"])
    for path in _paths(document):
        value = document[path[0]] if len(path) == 1 else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            for raw in SIZES:
                made = _replaced(files, "config.json", with_value(document, path, raw))
                yield Hostile("config", f"config {number}: {path[0]} = {raw[:30]}", made)


def _paths(document: Any) -> list[tuple[Any, ...]]:
    """Keys of a document's fields and, one level deeper, of those of its objects."""
    found: list[tuple[Any, ...]] = []
    for key, value in document.items():
        found.append((key,))
        if isinstance(value, dict):
            found += [(key, inner) for inner in list(value)[:8]]
    return found


def with_value(document: Any, path: tuple[Any, ...], raw: str) -> bytes:
    """A document as JSON, with a raw value at one place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "the hole"
    return json.dumps(copy, ensure_ascii=False).replace('"the hole"', raw).encode("utf-8", "surrogatepass")


def _replaced(files: Files, name: str, content: bytes) -> Make:
    return lambda folder, trace: write({**files, name: content}, folder)

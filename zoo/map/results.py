"""The results of a job on disk: a file for each part, and a record of it that is written last."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files
from zoo.errors import InputError, UsageError
from zoo.files import Fields, JsonObject, quote, read_object
from zoo.inference.pipelines.files import plain
from zoo.inference.pipelines.hybrid import HybridEmbedding

DONE = "done"  # the folder of the records
MANIFEST_FILE, ERRORS_FILE = "manifest.json", "errors.jsonl"
FORMAT = 1
MAX_RECORD_BYTES = 1 << 30  # a reason for each of a part's rows
LEFTOVER = re.compile(r"\.(.+)\.zoo-(?:tmp-.*|lock)")


@dataclass
class Done:
    """What came of a part.

    Attributes:
        number: of the part.
        rows: that were answered.
        bad: those that were not: row -> reason.
        files: name -> bytes; none where no row was answered.
        by: the engine.
        wrong: how many are in `bad`, also where that was left out.
    """

    number: int
    rows: int = 0
    bad: dict[int, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    by: str = ""
    wrong: int = 0

    def counted(self) -> Done:
        """Gives the same without the reasons, which would fill the memory."""
        return replace(self, bad={})


@dataclass
class Answers:
    """The answers to the rows of a part, in their order.

    Attributes:
        file: the input, as the user named it.
        rows: the number of each.
        ids: the id of each; empty where there are none.
        answers: of a pipeline.
    """

    file: str
    rows: list[int] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def known(self) -> dict[str, Sequence[Any]]:
        """Gives the columns that say which row it is."""
        ids = {"id": self.ids} if self.ids else {}
        return {"file": [self.file] * len(self.rows), "row": self.rows, **ids}


def part_name(number: int) -> str:
    """Gives the name of a part's files without their endings."""
    return f"part-{number:06d}"


def _record(folder: Path, number: int) -> Path:
    return folder / DONE / f"{number:06d}.json"


def _begun(folder: Path, number: int) -> Path:
    return folder / DONE / f"{number:06d}.begun"


# --- writing ---


def _as_jsonl(folder: Path, name: str, answers: Answers) -> list[str]:
    """Writes a line for each row; vectors go into an array [N, D], float32, whose row n is that of line n."""
    columns, names = answers.known(), [f"{name}.jsonl.gz"]
    if isinstance(answers.answers[0], np.ndarray):
        with files.write_file(folder / f"{name}.npy", replace=True, mode="wb") as stream:
            np.save(stream, np.stack(answers.answers), allow_pickle=False)
        names.append(f"{name}.npy")
    else:
        columns["answer"] = answers.answers
    with (
        files.write_file(folder / names[0], replace=True, mode="wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=5, fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as stream,
    ):
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            stream.write(json.dumps(row, ensure_ascii=False, default=_plain) + "\n")
    return names


def _plain(value: Any) -> Any:
    """Gives what JSON has in place of an answer's arrays, and of a parquet file's dates and decimals as ids."""
    try:
        return plain(value)
    except TypeError:
        return str(value)


def _as_parquet(folder: Path, name: str, answers: Answers) -> list[str]:
    from zoo.map import parquet

    column = answers.answers
    if isinstance(column[0], HybridEmbedding):  # texts of JSON: each has token ids of its own
        column = [json.dumps(answer, default=plain) for answer in column]
    with files.new_file(folder / f"{name}.parquet", replace=True) as made:
        parquet.write(made, {**answers.known(), "answer": column})
    return [f"{name}.parquet"]


FORMATS: Mapping[str, Callable[[Path, str, Answers], list[str]]] = {"jsonl": _as_jsonl, "parquet": _as_parquet}


def write_part(folder: Path, form: str, done: Done, answers: Answers) -> Done:
    """Writes the files of a part, then its record; a part without answers has no file.

    Raises:
        DiskError: the disk is full.
        UsageError: the folder cannot be written.
    """
    if answers.rows:
        names = FORMATS[form](folder, part_name(done.number), answers)
        done.files = {name: (folder / name).stat().st_size for name in names}
    files.write_json(_record(folder, done.number), asdict(done), replace=True)
    _begun(folder, done.number).unlink(missing_ok=True)
    return done


def begin(folder: Path, number: int, run: str) -> int:
    """Notes that a part is begun; gives how often it has been in this run, this time included."""
    file = _begun(folder, number)
    held = Fields(read_object(file, error=InputError) if file.is_file() else {}, quote(str(file), 200), InputError)
    count = 1 + (held.whole("count", 0) if held.text("run", "") == run else 0)
    files.write_json(file, {"run": run, "count": count}, replace=True)
    return count


# --- reading ---


def nothing_done(folder: Path) -> bool:
    """Tells whether no part has been written."""
    return not any((folder / DONE).glob("*.json")) and not any(folder.glob("part-*"))


def check_free(folder: Path, job: str) -> None:
    """Raises UsageError unless a folder is new or has nothing but the file of a job."""
    files.probe(folder, last=MANIFEST_FILE)
    if folder.is_dir() and any(path.name not in (job, DONE) for path in folder.iterdir()):
        raise UsageError(f"{quote(str(folder), 200)} has other files.", "Give a new or empty folder.")


def read_done(folder: Path, number: int) -> Done | None:
    """Reads the record of a part; None where it is not done, or a file of it is missing.

    Raises:
        UsageError: a file of it was changed since.
        InputError: the record is damaged.
    """
    file = _record(folder, number)
    if not file.is_file():
        return None
    found = done_of(number, read_object(file, MAX_RECORD_BYTES, error=InputError))
    for name, size in found.files.items():
        path = folder / name
        if not path.is_file():
            return None
        if path.stat().st_size != size:
            raise UsageError(
                f"{quote(str(path), 200)} was changed since it was written.",
                "Move it away, and the same command makes it again.",
            )
    return found


def done_of(number: int, document: JsonObject) -> Done:
    """Reads the record of a part from JSON.

    Raises:
        InputError: it is damaged.
    """
    about = Fields(document, f"The record of part {number}", InputError)
    files_of = {name: size for name, size in about.object("files", {}).items() if files.is_name(name)}
    bad = {int(row): str(why) for row, why in about.object("bad", {}).items() if row.isdecimal()}
    return Done(number, about.whole("rows", 0), bad, files_of, about.text("by", ""), len(bad))


def tidy(folder: Path) -> None:
    """Removes what a killed process left beside the files that it wrote."""
    for place in (folder, folder / DONE):
        if place.is_dir():
            for name in {found[1] for path in place.iterdir() if (found := LEFTOVER.fullmatch(path.name))}:
                files.remove_leftovers(place / name)


def write_errors(folder: Path, bad: Iterator[tuple[str, int, str]]) -> None:
    """Writes errors.jsonl, a line for each row without an answer: file, row and reason."""
    with files.write_file(folder / ERRORS_FILE, replace=True) as stream:
        for name, row, reason in bad:
            stream.write(json.dumps({"file": name, "row": row, "reason": reason}, ensure_ascii=False) + "\n")


def write_manifest(folder: Path, found: Sequence[tuple[str, Done]]) -> None:
    """Writes manifest.json: every part with its input, rows and files. It is there when the job is done."""
    parts = [
        {"input": name, "rows": done.rows, "bad": done.wrong, "files": done.files, "by": done.by}
        for name, done in found
    ]
    total = {"rows": sum(done.rows for _, done in found), "bad": sum(done.wrong for _, done in found)}
    files.write_json(folder / MANIFEST_FILE, {"format": FORMAT, **total, "parts": parts}, replace=True)

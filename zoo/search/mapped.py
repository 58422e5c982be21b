"""The vectors that `zoo map` wrote, and where each of them comes from."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.map.job import JOB_FILE, read_job
from zoo.map.model import digest_of
from zoo.map.results import part_name, read_done
from zoo.search.vectors import opened

log = logging.getLogger("zoo")

PROMPTS = ("prompt", "prompt_name")  # options of the corpus that queries do not share


class Mapped:
    """A folder of `zoo map` with vectors.

    Attributes:
        files: the .npy file of each part that has answers, in their order.
        options: of the pipeline that made them, for queries.

    Raises:
        InputError: it is no such folder, or damaged.
        UsageError: its answers are no vectors, or not in .npy files; or the model has changed since.
    """

    def __init__(self, folder: Path) -> None:
        name = quote(str(folder), 200)
        if not (folder / JOB_FILE).is_file():
            what = "no folder of `zoo map`: it has no " + JOB_FILE if folder.is_dir() else "no folder"
            raise InputError(f"{name} is {what}.", "`zoo map MODEL FILE --out FOLDER` makes one.")
        self.job = read_job(folder)
        question = self.job.question
        if question.task != "embeddings":
            raise UsageError(f"{name} has answers of the pipeline {question.task}, no vectors.")
        if question.format != "jsonl":
            raise UsageError(f"{name} has its vectors in {question.format}.", "Search takes --format jsonl.")
        parts = {number: read_done(folder, number) for number in range(len(self.job.parts))}
        if any(done.files and f"{part_name(n)}.npy" not in done.files for n, done in parts.items() if done):
            raise UsageError(
                f"{name} has several kinds of embeddings of each text.",
                "Search takes what `zoo map` writes without outputs=.",
            )
        if missing := sum(done is None for done in parts.values()):
            log.warning("%s: %s of %s parts are not done, and not searched", name, missing, len(parts))
        self.numbers = [number for number, done in parts.items() if done is not None and done.files]
        self.files = [folder / f"{part_name(number)}.npy" for number in self.numbers]
        if not self.files:
            raise InputError(f"{name} has no vectors yet.", "The same `zoo map` command goes on with them.")
        self.options = {option: value for option, value in question.options.items() if option not in PROMPTS}

    def check_model(self) -> None:
        """Raises UsageError where the model's files are not those that made the vectors."""
        if digest_of(self.job.question.model) != self.job.question.digest:
            said = f"The files of the model {quote(self.job.question.model, 200)} have changed since the vectors."
            raise UsageError(said, "Vectors of another network cannot be compared; make them again.")

    def sources(self, rows: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Gives row -> where it comes from: "file", "row", perhaps "id", and "text" where the file is unchanged."""
        starts = [0]
        for file in self.files:
            starts.append(starts[-1] + len(opened(file)))
        wanted: dict[int, list[int]] = {}
        for row in sorted(set(rows)):
            wanted.setdefault(bisect_right(starts, row) - 1, []).append(row)
        found: dict[int, dict[str, Any]] = {}
        for at, held in wanted.items():
            lines = self._lines(at, {row - starts[at] for row in held})
            texts = self._texts(at, {line["row"] for line in lines.values()})
            for row in held:
                line = lines[row - starts[at]]
                found[row] = {**line, **({"text": texts[line["row"]]} if line["row"] in texts else {})}
        return found

    def _lines(self, at: int, numbers: set[int]) -> dict[int, Mapping[str, Any]]:
        """Gives some lines of a part's .jsonl.gz, counted from 0."""
        file = self.files[at].with_suffix(".jsonl.gz")
        try:
            with gzip.open(file, "rt", encoding="utf-8") as stream:
                lines = islice(enumerate(stream), max(numbers) + 1)
                found = {number: json.loads(line) for number, line in lines if number in numbers}
            if len(found) == len(numbers) and all(type(line.get("row")) is int for line in found.values()):
                return found
        except (OSError, EOFError, ValueError, AttributeError, RecursionError, zlib.error):
            pass
        raise InputError(f"{quote(str(file), 200)} is damaged.", "Move it away and map again.")

    def _texts(self, at: int, rows: set[int]) -> dict[int, str]:
        """Gives row of an input -> its text; nothing of a file that is gone or has changed."""
        source, part = self.job.parts[self.numbers[at]]
        try:
            column, records = source.roles["text"], self.job.reader(source).records(part)
            return {record.row: str(record.values[column]) for record in records if record.row in rows}
        except (UsageError, InputError) as error:
            log.warning("%s", error.message)
            return {}

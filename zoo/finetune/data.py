"""The examples of a run: which file is which split, what is held out, and the line that says so."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.files import clean, quote, sha256, user_path
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.judgement import with_gold
from zoo.finetune.run_folder import data_files
from zoo.tasks import Example, Task
from zoo.tasks.base import HELD_OUT
from zoo.tasks.user_files import is_own
from zoo.tasks.user_tasks import listed

log = logging.getLogger("zoo")

MOST_FILES = 1000  # of a split that a record names one by one; RACE's training data are 25,000


@dataclass
class Data:
    """Examples of every split that is there, and the files they came from.

    Attributes:
        splits: train, dev and, if it has gold answers, test.
        files: split -> path -> sha256.
        notes: what a reader of the scores must know.
    """

    splits: dict[str, list[Example]]
    files: dict[str, dict[str, str]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sources:
    """Where the examples of each split are.

    Attributes:
        rest: folder, file or "hub" of the splits that are not named; "" for none.
        named: split -> file.
    """

    rest: str | Path
    named: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, config: FinetuneConfig, task: Task | None = None) -> Sources:
        """Gives those of a configuration; of a user's own task the files that it knows.

        Raises:
            UsageError: there is no such folder or file.
        """
        if task is not None and is_own(task):
            return cls("", {split: Path(str(file)) for split, file in task.files.items()})
        named = {split: existing(file, f"{split}_file") for split, file in config.split_files.items()}
        return cls("" if named and not config.data else source_of_path(config.data), named)

    def source(self, split: str) -> str | Path:
        """Gives where a split is.

        Raises:
            UsageError: it is nowhere.
        """
        if split not in self.named and self.rest == "":
            raise UsageError(
                f"There is no file for the split '{split}', only for {', '.join(self.named)}.",
                f"Say where: --{split}_file FILE.",
            )
        return self.named.get(split, self.rest)

    def splits(self, task: Task) -> set[str]:
        """Gives the splits that may be there. A file alone is the training data."""
        if self.rest == "":
            return set(self.named)
        if self.is_file:
            return {"train", *self.named}
        return {*(("train", "dev", "test") if self.rest == "hub" and not task.files else task.files), *self.named}

    @property
    def is_file(self) -> bool:
        """Tells whether the splits that are not named are one file."""
        return isinstance(self.rest, Path) and not self.rest.is_dir()


def source_of_path(data: str) -> str | Path:
    """Gives a folder or file of data, or "hub" for none.

    Raises:
        UsageError: there is no such folder or file.
    """
    return existing(data, "data") if data else "hub"


def existing(data: str, option: str) -> Path:
    """Gives a folder or file as a path; raises UsageError where there is none."""
    path = user_path(data)
    if not path.exists():
        wanted = "a folder or a file, or leave it out for the Hub" if option == "data" else "a file"
        raise UsageError(f"--{option}: there is no {quote(data, 200)}.", f"Give {wanted}.")
    if option != "data" and path.is_dir():
        raise UsageError(f"--{option}: {quote(data, 200)} is a folder.", f"Give a file, or --data {clean(data)}.")
    return path


def read_data(task: Task, sources: Sources, config: FinetuneConfig) -> Data:
    """Reads every split. Selection looks at the languages of the training data only.

    A file alone is one split: the training data, of which a part is held out; the development set where nothing is
    trained; the test set of a task that never is. What was read is logged in a line.

    Raises:
        InputError: a file that is missing or malformed; names file and line.
    """
    data = Data({}, {})
    there = sources.splits(task)
    for split in wanted_splits(task, sources.is_file and not sources.named and config.epochs == 0):
        languages = languages_of(task, split, config)
        if split == "dev" and split not in there and "train" in data.splits:
            _hold_out(task, data, config.seed)
            continue
        if split == "test" and task.trains:
            if split not in there or not (found := _found(task, sources.source(split), split, languages)):
                continue
            languages = _without_missing(languages, found, config, data.notes)
        source = sources.source(split)
        examples = list(task.read(source, split, languages))
        if split == "test":
            examples = _with_gold(examples, data.notes)
            if not examples:
                continue
        if split == "train" and 0 < config.train_rows < len(examples):
            chosen = _drawn(len(examples), config.train_rows, config.seed)
            data.notes.append(
                f"trained on {config.train_rows} of {len(examples)} rows, drawn by seed {config.seed}"
            )
            examples = [examples[n] for n in chosen]
        data.splits[split] = examples
        data.files[split] = sums_of(data_files(task, source, split, languages))
    if not is_own(task):  # of a user's own files more was guessed, and has been said
        log.info("%s.", "; ".join(_line(task, data)))
    return data


def sums_of(paths: Iterable[Path]) -> dict[str, str]:
    """Gives path -> SHA-256; of more than MOST_FILES one entry, which says the same wherever their folder lies.

    It is the sum of lines of sum, two spaces and path below the folder.
    """
    sums = {str(path): sha256(path) for path in paths}
    if len(sums) <= MOST_FILES:
        return sums
    folder = os.path.commonpath(sums)
    lines = "".join(f"{value}  {os.path.relpath(path, folder)}\n" for path, value in sums.items())
    return {f"{folder}, {len(sums):,} files": hashlib.sha256(lines.encode()).hexdigest()}


def _line(task: Task, data: Data) -> list[str]:
    """What was read, for people: labels, scheme, splits."""
    labels, scheme = getattr(task, "labels", ()), getattr(task, "scheme", "")
    said = [listed(labels)] if labels else []
    said += [f"scheme: {getattr(task, 'file_scheme', '') or scheme}"] if scheme else []
    rows = [f"{split} = {_named(data, split)}" for split in data.splits]
    return [*said, f"splits: {', '.join(rows)}"]


def _named(data: Data, split: str) -> str:
    count, files = len(data.splits[split]), data.files.get(split, {})
    places = ", ".join(Path(file).name for file in list(files)[:2]) + (", ..." if len(files) > 2 else "")
    return f"{count:,} rows" + (f" of {clean(places)}" if places else "")


def _with_gold(examples: list[Example], notes: list[str]) -> list[Example]:
    """Those that can be scored; a note for the others."""
    kept = with_gold(examples)
    if not kept:
        notes.append("the test split has no gold answers; `zoo predict` writes a submission for it")
    elif len(kept) < len(examples):
        notes.append(f"{len(examples) - len(kept)} of {len(examples)} rows of test have no gold answer: not scored")
    return kept


def _drawn(rows: int, count: int, seed: int) -> list[int]:
    """So many numbers of rows, drawn by a seed, in their order."""
    random = np.random.Generator(np.random.PCG64(seed))
    return [int(n) for n in np.sort(random.permutation(rows)[:count])]


def languages_of(task: Task, split: str, config: FinetuneConfig) -> Sequence[str]:
    """Gives the languages of a split that a run reads: to train and to pick, those of the training data."""
    if not task.languages:
        return ()
    if split in ("train", "dev"):
        return task.train_languages or config.language_names
    return config.language_names or task.languages


def wanted_splits(task: Task, only_scored: bool) -> Sequence[str]:
    """The splits that a run reads."""
    if not task.trains:
        return ("test",)
    return ("dev",) if only_scored else ("train", "dev", "test")


def _found(task: Task, source: str | Path, split: str, languages: Sequence[str]) -> Sequence[str]:
    """Gives the languages whose files of a split are there: a data set need not come with its test files."""
    return [language for language in languages or ("",) if _is_there(task, source, split, language)]


def _is_there(task: Task, source: str | Path, split: str, language: str) -> bool:
    """Tells whether a language of a split ("" for a task without languages) can be read at all."""
    try:
        return source == "hub" or bool(list(data_files(task, source, split, (language,) if language else ())))
    except InputError:
        return False


def _without_missing(
    wanted: Sequence[str], found: Sequence[str], config: FinetuneConfig, notes: list[str]
) -> Sequence[str]:
    """Gives the languages to read of the test split; a note names those without a file that nobody asked for."""
    missing = [language for language in wanted if language not in found]
    if not missing or config.language_names:  # reading names the file that is missing
        return wanted
    notes.append(f"the test split has no file for {', '.join(missing)}: not scored")
    return found


def _hold_out(task: Task, data: Data, seed: int) -> None:
    """Takes the development set from the training data, drawn by the seed; rows of a `Task.group` together.

    Raises:
        InputError: nothing would be left.
    """
    rows = data.splits["train"]
    groups = [task.group(row) or str(n) for n, row in enumerate(rows)]
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise InputError("The training data has one row, and there is no development set.", "Give more rows.")
    held = {names[n] for n in _drawn(len(names), max(1, len(names) // HELD_OUT), seed)}
    data.splits["dev"] = [row for group, row in zip(groups, rows, strict=True) if group in held]
    data.splits["train"] = [row for group, row in zip(groups, rows, strict=True) if group not in held]
    data.files["dev"] = {}
    data.notes.append(
        f"there is no development set: {len(data.splits['dev'])} of the {len(rows)} training rows, drawn by seed "
        f"{seed}, are it"
    )

"""The data of a run, read again: the same files, the same part held out; a file that has changed is named."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.files import sha256, user_path
from zoo.files.run_model import RUN_FILE
from zoo.finetune.config import DEFAULTS, FIELD_NAMES, FinetuneConfig
from zoo.finetune.data import Sources, languages_of, read_data
from zoo.finetune.flags import checked
from zoo.finetune.run_folder import places_of, read_run
from zoo.tasks import Example, Task

log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Remembered:
    """What run.json says of the data.

    Attributes:
        folder: of the run.
        sums: split -> path -> SHA-256.
    """

    folder: Path
    task: Task
    config: FinetuneConfig
    sources: Sources
    sums: dict[str, dict[str, str]]
    directory: Path

    @classmethod
    def of(cls, folder: Path, task: Task) -> Remembered | None:
        """Reads run.json; None where the files are no longer where they were and were not on the Hub.

        Raises:
            UsageError: run.json is damaged.
        """
        record = read_run(folder / RUN_FILE)
        known = {name: value for name, value in record["config"].items() if name in FIELD_NAMES}
        held: dict[str, Any] = {**DEFAULTS, **checked(known, str(folder / RUN_FILE))}
        config = FinetuneConfig(**{**held, **places_of(record, held)})
        try:
            sources = Sources.of(config, task)
        except UsageError as error:
            log.warning("the data of the run are no longer there: %s", error.message)
            return None
        data = record.get("data")
        sums = {
            split: {str(file): str(value) for file, value in about["files"].items()}
            for split, about in (data.items() if isinstance(data, dict) else ())
            if isinstance(about, dict) and isinstance(about.get("files"), dict)
        }
        return cls(folder, task, config, sources, sums, Path(str(record.get("directory", "."))))

    def file(self, split: str) -> Path:
        """The file of a split of a user's own; says if it has changed."""
        self._compare(split)
        return Path(self.sources.source(split))

    def examples(self, split: str, languages: tuple[str, ...] = ()) -> list[Example]:
        """Reads a split as the run did: where it held out a part of the training data, the same part.

        Raises:
            InputError, UsageError: as `Task.read` and `Sources.source`.
        """
        if split == "dev" and "dev" not in self.sources.splits(self.task) and not languages:
            self._compare("train")
            log.info("the development set is the part of the training data that the run held out")
            return read_data(self.task, self.sources, self.config).splits["dev"]
        self._compare(split)
        wanted = languages or languages_of(self.task, split, self.config)
        return list(self.task.read(self.sources.source(split), split, tuple(wanted)))

    def _compare(self, split: str) -> None:
        """Says which files of a split are not what they were."""
        for name, value in self.sums.get(split, {}).items():
            file = user_path(name)
            file = file if file.exists() else self.directory / name
            if file.is_file() and sha256(file) != value:
                log.warning("'%s' has changed since the run read it.", file)

"""A trained model at work: the head, labels and thresholds that were saved, on new files. Exports too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import tasks
from zoo.batching import padding_of
from zoo.errors import InputError, UsageError
from zoo.files import user_path
from zoo.files.run_model import RUN_FILE
from zoo.finetune.data import existing
from zoo.finetune.judgement import Judgement, Split, with_gold
from zoo.finetune.remembered import Remembered
from zoo.finetune.run_folder import read_task
from zoo.inference import rows
from zoo.inference.deployed import EXPORT_FILE, Deployed, deploy
from zoo.model_files import saved_head
from zoo.tasks import Example, Task
from zoo.tasks.base import published
from zoo.tasks.new_rows import NewRows
from zoo.tasks.readable import readable
from zoo.tasks.running import features_of, task_for, with_labels_of
from zoo.tasks.saved import TASK_FILE, model_folder
from zoo.tasks.user_files import file_of_split, is_own
from zoo.terminal import Progress

if TYPE_CHECKING:
    from zoo.models.common.base import Model

log = logging.getLogger("zoo")


class TrainedModel:
    """The best model of a run with its task, an export, or any model whose head a data set fits.

    Files are read and checked before the network is loaded.

    Args:
        path: folder of the run, its best/, a folder of `zoo export`; with `task` any name of `zoo.load`.
        task: read files as another data set of the same kind ("squad" by a model that learned "squad2").

    Raises:
        UsageError: no such folder, or a data set that the head does not fit.
    """

    def __init__(self, path: str, task: str = "") -> None:
        self.path, self.folder = path, model_folder(path)
        self.exported = (self.folder / EXPORT_FILE).is_file()
        self.options: Mapping[str, Any] = {}
        if (self.folder / TASK_FILE).is_file() or not task:
            saved, self.options = read_task(self.folder)
            self.task = with_labels_of(tasks.find(task), saved) if task else saved
        else:
            self.task = task_for({}, task, self.model.task, self.model.config.labels)
        run = next((place for place in self.folder.parents[:2] if (place / RUN_FILE).is_file()), None)
        self.run = Remembered.of(run, self.task) if run and not task and not self.exported else None

    @cached_property
    def model(self) -> Model | Deployed:
        """The model with its weights, or the engine of an export.

        Raises:
            UsageError: its labels are not those of the task that was saved, or its head was never trained.
        """
        found: Model | Deployed = deploy(self.folder) if self.exported else self._loaded()
        wanted = getattr(self.task, "labels", ()) if hasattr(self, "task") else ()
        unnamed = tuple(f"LABEL_{n}" for n in range(len(wanted)))
        if wanted and tuple(found.config.labels) not in (tuple(wanted), unnamed):
            raise UsageError(
                f"'{self.folder}': its head has the labels {', '.join(found.config.labels)}, and task.json "
                f"{', '.join(wanted)}.",
                "The files are not of one run.",
            )
        return found

    def _loaded(self) -> Model:
        from zoo.loading import load

        if (self.folder / TASK_FILE).is_file():
            return load(self.folder)
        place = self.folder if self.folder.is_dir() else self.path
        return load(place, task=saved_head(place))

    def read(self, data: str, split: str, languages: tuple[str, ...] = (), scored: bool = False) -> Split:
        """Examples of a folder or a file, as token ids; without one those of the run, or of the Hub.

        Args:
            data: empty for what the run was trained and judged on.
            split: which one.
            languages: only these.
            scored: only those with a gold answer; says how many others there are.

        Raises:
            InputError: a file that is missing or malformed, or no gold answer where one is needed.
        """
        where = f"'{data}'" if data else "the data of the run" if self.run else "the Hub"
        examples = self._examples(data, split, languages)
        if scored:
            kept = with_gold(examples)
            if not kept:
                raise InputError(
                    f"{where} has no gold answers for the split '{split}', so there is nothing to score.",
                    "zoo predict writes answers for it.",
                )
            if len(kept) < len(examples):
                log.info("%d of %d rows have no gold answer: not scored", len(examples) - len(kept), len(examples))
            examples = kept
        return self._split(split, examples)

    def _examples(self, data: str, split: str, languages: tuple[str, ...]) -> list[Example]:
        if not data and self.run is not None:
            return self.run.examples(split, languages)
        if is_own(self.task):
            return list(self.task.read(file_of_split(self.task, data, split), split, languages))
        if not data and not self.task.hub:
            raise UsageError(f"Nothing says where the files of {self.task.name} are.", "Say it: --data PATH.")
        return list(self.task.read(existing(data, "data") if data else "hub", split, languages))

    def source(self, split: str) -> Path | None:
        """The file of a split of a user's own data that the run knows."""
        if self.run is None or not is_own(self.task) or split not in self.run.sources.named:
            return None
        return self.run.file(split)

    def _split(self, name: str, examples: list[Example]) -> Split:
        length = self.options.get("max_length") or None
        made = features_of(examples, self.task, self.model.tokenizer, self.model.config, length)
        return Split(name, examples, made)

    def judge(self, split: Split) -> Judgement:
        """Scores, with the thresholds that were saved; of an export the loss is not known, NaN."""
        with self._bar(split) as bar:
            if not isinstance(self.model, Deployed):
                from zoo.finetune.evaluation import judge

                return judge(self.model, self.task, split, options=self._generate(), on_rows=bar.add)
        answers, _ = self._answers(split)
        return Judgement(self.task, answers, self.task.score(answers, split.examples), float("nan"))

    def predict(self, split: Split, out: Path, overwrite: bool = False) -> list[Any]:
        """Writes the answers to a file, in the form that the benchmark's server takes; gives them.

        Raises:
            UsageError: there is such a file already, without `overwrite`.
        """
        answers, _ = self._answers(split)
        published(out, self.task.lines(answers, split.examples, split.name), overwrite)
        return answers

    def answer(self, new: NewRows) -> list[dict[str, Any]]:
        """Answers rows: for each what a person reads, such as {"label": "positive", "score": 0.98}."""
        split = self._split("test", list(new.examples))
        answers, outputs = self._answers(split)
        return readable(self.task, answers, outputs, split.features, split.examples, new.texts)

    def _answers(self, split: Split) -> tuple[list[Any], dict[str, Any]]:
        with self._bar(split) as bar:
            if isinstance(self.model, Deployed):
                padding, head = padding_of(self.model), self.task.head
                outputs, _ = rows.outputs_of(
                    self.model.engine, split.features, head, padding, self._generate(), bar.add
                )
            else:
                from zoo.finetune.evaluation import outputs_of

                outputs, _ = outputs_of(self.model, split.features, self._generate(), bar.add)
        return self.task.predictions(outputs, split.features, split.examples), outputs

    def _generate(self) -> dict[str, Any]:
        return dict(self.options.get("generate", {}))

    def _bar(self, split: Split) -> Progress:
        return Progress(self.task.name, len(split.features), lambda n: f"{n:,}")


def is_official(task: Task, data: str) -> bool:
    """Whether answers go to a benchmark's server: of a published data set its folder, or a file with its name."""
    if is_own(task):
        return False
    names = [name for names in task.files.values() for name in ((names,) if isinstance(names, str) else names)]
    path = user_path(data) if data else None
    return (
        path is None
        or path.is_dir()
        or any(path.match(Path(name.replace("{language}", "*")).name) for name in names)
    )

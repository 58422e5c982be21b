"""A finished run at work: the head, labels and thresholds that were saved, on new files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.finetune.data import source_of_path
from zoo.finetune.evaluation import Judgement, Split, judge, outputs_of, with_gold
from zoo.finetune.run_folder import read_task
from zoo.finetune.setup import split_of
from zoo.loading import load
from zoo.models.common.base import Model
from zoo.tasks.base import published
from zoo.tasks.running import with_labels_of
from zoo.tasks.saved import model_folder
from zoo.tasks.user_files import file_of_split, is_own
from zoo.terminal import Progress

log = logging.getLogger("zoo")


class TrainedModel:
    """The best model of a run, with its task.

    Args:
        path: folder of the run, or its best/.
        task: read files as another data set of the same kind ("squad" by a model that learned "squad2").

    Raises:
        UsageError: no such folder, or a data set that the head does not fit.
    """

    def __init__(self, path: str, task: str = "") -> None:
        self.folder = model_folder(path)
        self.task, self.options = read_task(self.folder)
        if task:
            self.task = with_labels_of(tasks.find(task), self.task)
        self.model: Model = load(self.folder)
        wanted = getattr(self.task, "labels", ())
        if wanted and self.model.config.labels != tuple(wanted):
            raise UsageError(
                f"'{self.folder}': its head has the labels {', '.join(self.model.config.labels)}, and task.json "
                f"{', '.join(wanted)}.",
                "The files are not of one run.",
            )

    def read(self, data: str, split: str, languages: tuple[str, ...] = (), scored: bool = False) -> Split:
        """Examples of a folder, a file, or the Hub when `data` is empty; as token ids.

        Args:
            data: of a user's own task: empty for the files that it was trained on.
            split: which one.
            languages: only these.
            scored: only those with a gold answer; says how many others there are.

        Raises:
            InputError: a file that is missing or malformed, or no gold answer where one is needed.
        """
        source = file_of_split(self.task, data, split) if is_own(self.task) else source_of_path(data)
        examples = list(self.task.read(source, split, languages))
        if scored:
            kept = with_gold(examples)
            if not kept:
                raise InputError(
                    f"'{source}' has no gold answers for the split '{split}', so there is nothing to score.",
                    "zoo predict writes answers for it.",
                )
            if len(kept) < len(examples):
                log.info("%d of %d rows have no gold answer: not scored", len(examples) - len(kept), len(examples))
            examples = kept
        return split_of(split, examples, self.task, self.model, self.options)

    def judge(self, split: Split) -> Judgement:
        """Scores, with the thresholds that were saved."""
        with self._bar(split) as bar:
            return judge(self.model, self.task, split, options=self._generate(), on_rows=bar.add)

    def predict(self, split: Split, out: Path, overwrite: bool = False) -> list[Any]:
        """Writes the answers to a file, in the form that the benchmark's server takes; gives them.

        Raises:
            UsageError: there is such a file already, without `overwrite`.
        """
        with self._bar(split) as bar:
            outputs, _ = outputs_of(self.model, split.features, self._generate(), bar.add)
        answers = self.task.predictions(outputs, split.features, split.examples)
        published(out, self.task.lines(answers, split.examples, split.name), overwrite)
        return answers

    def _generate(self) -> dict[str, Any]:
        return dict(self.options.get("generate", {}))

    def _bar(self, split: Split) -> Progress:
        return Progress(self.task.name, len(split.features), lambda n: f"{n:,}")

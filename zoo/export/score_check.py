"""The gate of an export: what a network's metric is on real rows, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.batching import padding_of
from zoo.errors import InputError, UsageError
from zoo.files import user_path
from zoo.inference.rows import outputs_of
from zoo.models.common.base import Model
from zoo.tasks import Example, Features, Task
from zoo.tasks.base import Source
from zoo.tasks.running import features_of, task_for
from zoo.terminal import Progress

SCORE_BUDGETS = {"fp32": 0.1, "bf16": 0.3, "int8": 1.0}  # points of the metric that an export may cost
CALIBRATION_ROWS = 300  # rows


@dataclass(frozen=True)
class ScoreCheck:
    """The data of a gate; see `read_gate`.

    Attributes:
        data: folder or file; empty for no gate.
        budget: points; None for each precision's own.
        calibrate: file of rows for int8; empty for the train split of `data`.
    """

    data: str = ""
    task: str = ""
    split: str = "dev"
    languages: tuple[str, ...] = ()
    budget: float | None = None
    calibrate: str = ""


@dataclass(frozen=True)
class ScoreCost:
    """A line of the table: what an engine and precision give, and what they cost.

    Attributes:
        recipe: how it was quantised; empty for what was not.
        value: of the task's headline metric, percent.
        metrics: every metric of the headline's row.
        difference: to eager float32, points; below 0 is worse.
        bytes: of the graph with its weights.
        ms: per row of the gate, batches of similar length.
    """

    precision: str
    engine: str
    recipe: str
    metric: str
    value: float
    difference: float
    bytes: int
    ms: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Gate:
    """Rows with gold answers, and what every candidate scored on them.

    Attributes:
        options: of `generate`, for encoder-decoders.
        budget: points that the metric may fall below that of the first candidate, eager float32.
    """

    task: Task
    source: Source
    split: str
    examples: list[Example]
    features: Features
    model: Model
    options: Mapping[str, Any]
    max_length: int | None
    budget: float = 0.0
    trades: list[ScoreCost] = field(default_factory=list)

    @property
    def before(self) -> float:
        """The metric of eager float32."""
        return self.trades[0].value

    def enough(self, value: float) -> bool:
        """Whether a metric is within the budget."""
        return self.before - value <= self.budget + 1e-9

    def judge(self, run: Any, precision: str, engine: str, size: int, recipe: str = "") -> ScoreCost:
        """Scores a candidate and adds it to the table, if it is not there.

        Args:
            run: an engine; for encoder-decoders what has `generate`.
            size: bytes of its files.
        """
        for known in self.trades:
            if (known.precision, known.engine, known.recipe) == (precision, engine, recipe):
                return known
        label = " ".join(part for part in (engine, precision, recipe) if part)
        outputs, seconds = self._outputs(run, f"{self.task.name}, {label}")
        scores = self.task.score(self.task.predictions(outputs, self.features, self.examples), self.examples)
        first = self.trades[0].value if self.trades else scores.value
        ms = 1000 * seconds / len(self.features)
        metrics = scores.rows[scores.row]
        gap = scores.value - first
        trade = ScoreCost(precision, engine, recipe, scores.metric, scores.value, gap, size, round(ms, 3), metrics)
        self.trades.append(trade)
        return trade

    def _outputs(self, run: Any, label: str) -> tuple[dict[str, list[Any]], float]:
        with Progress(label, len(self.features), lambda n: f"{n:,} rows") as bar:
            return outputs_of(run, self.features, self.task.head, padding_of(self.model), self.options, bar.add)

    def calibration(self, file: str = "") -> list[dict[str, np.ndarray]]:
        """Rows [1, T] to quantise by, none of them a row of the gate: evenly from the train split, or from a file.

        Raises:
            UsageError: the gate's data is one file, so that there is no train split.
            InputError: the file or split cannot be read, or every row of it is one of the gate's.
        """
        if not file and (self.split == "train" or not (self.source == "hub" or Path(str(self.source)).is_dir())):
            raise UsageError(
                "int8 is calibrated on rows that the gate does not have.",
                "Give --guard a folder with a train split, or a file of other rows: --calibrate FILE.",
            )
        source = existing(file, "--calibrate") if file else self.source
        found = list(self.task.read(source, "train"))
        step = max(1, len(found) // CALIBRATION_ROWS)
        chosen = found[::step][:CALIBRATION_ROWS]
        rows = features_of(chosen, self.task, self.model.tokenizer, self.model.config, self.max_length)
        taken = {self.features.columns["input_ids"][n].tobytes() for n in range(len(self.features))}
        padding = padding_of(self.model)
        kept = [
            {k: v for k, v in rows.batch([n], padding.width(int(rows.lengths[n]))).items() if k != "labels"}
            for n in range(min(len(rows), CALIBRATION_ROWS))
            if rows.columns["input_ids"][n].tobytes() not in taken
        ]
        if not kept:
            raise InputError("Every row to calibrate on is a row of the gate.", "Give --calibrate other rows.")
        return kept


def read_gate(
    model: Model,
    settings: Mapping[str, Any],
    data: str,
    task: str = "",
    split: str = "dev",
    languages: Sequence[str] = (),
) -> Gate:
    """Reads the rows of a gate.

    Args:
        model: the network, with its head.
        settings: task.json of a finetuned model; {} without.
        data: folder or file as the task's own, or "hub".
        task: name of the data set; that of task.json without.

    Raises:
        UsageError: no such data, no task is known, or one that the head does not fit.
        InputError: a file that is missing or malformed.
    """
    found = task_of(model, settings, task)
    generate = dict(settings.get("generate", {}))
    if found.head == "embedding" and generate.get("layer"):
        raise UsageError("This run's vectors are of an inner layer; a graph gives those of the head.")
    source = existing(data, "--guard")
    examples = list(found.read(source, split, languages))
    length = settings.get("max_length") or None
    features = features_of(examples, found, model.tokenizer, model.config, length)
    return Gate(found, source, split, examples, features, model, generate, length)


def task_of(model: Model, settings: Mapping[str, Any], name: str) -> Task:
    """The task that a network's answers are judged by, with the labels in the order of its head.

    Raises:
        UsageError: none is known, or one that the head does not fit.
    """
    if not name and not settings.get("task"):
        raise UsageError("Nothing says which task --guard holds.", "Name it: --task sst2.")
    return task_for(settings, name, model.task, model.config.labels)


def existing(data: str, flag: str) -> str | Path:
    """A folder or file of data, or "hub".

    Raises:
        UsageError: there is no such folder or file.
    """
    if data == "hub":
        return data
    path = user_path(data)
    if not path.exists():
        raise UsageError(f"{flag}: there is no '{data}'.", "Give a folder or a file, or hub.")
    return path

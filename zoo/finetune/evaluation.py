"""From a network and a split of a data set to answers and scores; every row once, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

import numpy as np
import paddle

from zoo.batching import eval_batches, padding_of
from zoo.finetune import parallel
from zoo.finetune.losses import counted, objective_of
from zoo.models.common.base import Model
from zoo.tasks import Example, Features, Scores, Task
from zoo.tasks.labels import NO_GOLD
from zoo.tasks.running import BATCH_TOKENS, OUTPUT_FIELDS, rows_of

SURE_BY_OUTPUTS = ("classification", "multiple-choice", "tagging")  # heads whose probabilities are in their outputs


@dataclass
class Split:
    """A split of a data set, ready for a network.

    Attributes:
        name: train, dev or test.
    """

    name: str
    examples: list[Example]
    features: Features


@dataclass(frozen=True)
class Judgement:
    """What a network made of a split.

    Attributes:
        task: with what was chosen on this split, such as a threshold.
        loss: mean over rows; NaN for vectors, whose loss depends on which of them stand together.
        outputs: of heads whose answers do not say how sure they are, name -> one array per row; else empty.
    """

    task: Task
    answers: list[Any]
    scores: Scores
    loss: float
    outputs: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)

    def flat(self) -> dict[str, float]:
        """The headline row, and the loss where there is one."""
        return {**self.scores.rows[self.scores.row], **({} if isnan(self.loss) else {"loss": self.loss})}


def outputs_of(
    model: Model,
    features: Features,
    options: dict[str, Any] | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> tuple[dict[str, list[np.ndarray]], float]:
    """What the head gives for every row, and the mean loss (0 without labels, NaN of a head without a loss).

    Args:
        model: in eval mode.
        features: N rows.
        options: of `model.generate`.
        on_rows: is told how many rows each batch had.

    Returns:
        Name -> N arrays without the batch axis, padding cut off.
    """
    padding = padding_of(model)
    names = OUTPUT_FIELDS.get(model.task or "", ("sequences",))
    done: list[int] = []
    held: list[tuple[Any, ...]] = []
    loss = labels = 0.0
    summed = "labels" in features.columns and objective_of(model).summed
    with paddle.no_grad():
        batches = eval_batches(
            features.lengths, padding, BATCH_TOKENS, rank=parallel.rank(), world=parallel.world()
        )
        for numbers in batches:
            lengths = features.lengths[numbers]
            batch = features.batch(numbers, padding.width(int(lengths.max())))
            arrays, mean = _run(model, batch, names, options or {})
            count = counted(model.task, batch) if "labels" in batch else 0.0
            loss, labels = loss + mean * (1.0 if summed else count), labels + count
            held += rows_of(model.task or "", arrays, lengths)
            done += [int(n) for n in numbers]
            if on_rows:
                on_rows(len(numbers))
    whole = parallel.gather(done, held, len(features))
    mean = parallel.total(loss) / max(1.0, parallel.total(labels))
    mean = nan if model.task == "embedding" else mean
    return {name: [row[k] for row in whole] for k, name in enumerate(names)}, mean


def _run(
    model: Model, arrays: dict[str, np.ndarray], names: Sequence[str], options: dict[str, Any]
) -> tuple[list[Any], float]:
    """The head's arrays of a batch, and its loss."""
    batch = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    if names == ("sequences",):
        loss = float(model(**batch).loss) if "labels" in batch else 0.0
        given = {
            k: v for k, v in batch.items() if k not in ("labels", "decoder_input_ids", "decoder_attention_mask")
        }
        return [model.generate(**given, **options).sequences], loss
    output = model(**batch)
    loss = float(output.loss) if "labels" in batch else 0.0
    return [getattr(output, name).numpy() for name in names], loss


def judge(
    model: Model,
    task: Task,
    split: Split,
    tune: bool = False,
    options: dict[str, Any] | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Judgement:
    """Runs a network over a split with gold answers.

    Args:
        model: its mode is put back afterwards.
        task: whose head the model has.
        tune: choose on this split what can be chosen (a threshold); for development sets only.
        options: of `model.generate`.
        on_rows: is told how many rows each batch had.
    """
    before = model.training
    model.eval()
    outputs, loss = outputs_of(model, split.features, options, on_rows)
    if before:
        model.train()
    answers = task.predictions(outputs, split.features, split.examples)
    scores = task.score(answers, split.examples)
    # What is chosen here serves later predictions; the score on the same split is the one without it.
    chosen = task.tuned(outputs, split.features, split.examples) if tune else task
    kept = outputs if task.head in SURE_BY_OUTPUTS else {}
    return Judgement(chosen, answers, scores, loss, kept)


def with_gold(examples: Sequence[Example]) -> list[Example]:
    """Gives the examples that say what is right; none where all say -1, as test sets without answers do."""
    names = [name for name in ("label", "tags", "answers", "target") if hasattr(examples[0], name)]
    kept = [example for example in examples if all(getattr(example, name) is not None for name in names)]
    marked = {str(getattr(example, "label", "")) for example in kept} in ({NO_GOLD}, {f"{NO_GOLD}.0"})
    return [] if marked else kept


def confusion(labels: Sequence[str], gold: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """[C, C] counts, gold by answer."""
    index = {label: n for n, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, ([index[g] for g in gold], [index[a] for a in answers]), 1)
    return counts

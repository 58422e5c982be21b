"""From a network and a split of a data set to answers and scores; every row once, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np
import paddle

from zoo.batching import eval_batches, padding_of
from zoo.finetune import parallel
from zoo.finetune.judgement import Judgement, Split
from zoo.finetune.losses import counted, objective_of
from zoo.models.common.base import Model
from zoo.tasks import Features, Task
from zoo.tasks.running import BATCH_TOKENS, OUTPUT_FIELDS, rows_of

SURE_BY_OUTPUTS = ("classification", "multiple-choice", "tagging")  # heads whose probabilities are in their outputs


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

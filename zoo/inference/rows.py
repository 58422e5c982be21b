"""Runs an engine over the rows of a task: the outputs that its answers are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.batching import Padding, eval_batches
from zoo.tasks import Features
from zoo.tasks.running import BATCH_TOKENS, OUTPUT_FIELDS, rows_of


def outputs_of(
    run: Any,
    features: Features,
    head: str,
    padding: Padding,
    options: Mapping[str, Any],
    on_rows: Callable[[int], None],
) -> tuple[dict[str, list[Any]], float]:
    """Gives what the head says of every row, and the seconds that the engine took.

    Args:
        run: an engine; for encoder-decoders what has `generate`.
        features: N rows.
        head: of the network.
        options: of `generate`.
        on_rows: is told how many rows each batch had.

    Returns:
        Name -> N arrays without the batch axis, padding cut off.
    """
    names = OUTPUT_FIELDS.get(head, ("sequences",))
    held: list[Any] = [None] * len(features)
    seconds = 0.0
    for rows in eval_batches(features.lengths, padding, BATCH_TOKENS):
        lengths = features.lengths[rows]
        batch = features.batch(rows, padding.width(int(lengths.max())))
        start = time.perf_counter()
        arrays = _run(run, batch, names, options)
        seconds += time.perf_counter() - start
        for row, kept in zip(rows, rows_of(head, arrays, lengths), strict=True):
            held[row] = kept
        on_rows(len(rows))
    return {name: [row[k] for row in held] for k, name in enumerate(names)}, seconds


def _run(run: Any, batch: dict[str, np.ndarray], names: Sequence[str], options: Mapping[str, Any]) -> list[Any]:
    if names == ("sequences",):
        given = {k: batch[k] for k in ("input_ids", "attention_mask", "token_type_ids") if k in batch}
        return [run.generate(**given, **options).sequences]
    found = run(batch)
    return [found[name] for name in names]

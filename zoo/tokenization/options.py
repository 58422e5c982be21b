"""Checks the options of a call, and turns its arrays into the form that was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.errors import UsageError

Batch = dict[str, Any]  # name -> Paddle tensor, NumPy array, or list of arrays of rows without padding
TENSOR_TYPES = ("pd", "np")
TRUNCATION_STRATEGIES = ("longest_first", "only_first", "only_second")
CALL_OPTIONS = (
    "max_length",
    "truncation",
    "stride",
    "padding",
    "padding_side",
    "pad_to_multiple_of",
    "is_split_into_words",
    "return_offsets",
)


def converted(batch: Batch, return_tensors: str) -> Batch:
    """Gives a batch of NumPy arrays as `return_tensors` says; lists (rows without padding) stay as they are."""
    if return_tensors == "np" or not any(isinstance(value, np.ndarray) for value in batch.values()):
        return batch
    from zoo.tokenization.tensors import to_paddle

    return to_paddle(batch)


def check_options(
    strategy: bool | str, padding: bool | str, side: str, stride: int | None, multiple: int | None, pair: bool
) -> None:
    """Raises UsageError for an option that does not exist or does not go with another."""
    if strategy not in (*TRUNCATION_STRATEGIES, False):
        raise UsageError(
            f"truncation={strategy!r} does not exist.", f"One of True, False, {', '.join(TRUNCATION_STRATEGIES)}."
        )
    if padding not in (True, False, "max_length"):
        raise UsageError(f"padding={padding!r} does not exist.", "One of True, False, 'max_length'.")
    if side not in ("left", "right"):
        raise UsageError(f"padding_side={side!r} does not exist.", "One of 'left', 'right'.")
    if multiple is not None and multiple < 1:
        raise UsageError(f"pad_to_multiple_of={multiple} does not exist.", "Give 1 or more.")
    if strategy == "longest_first" and pair and stride is not None:
        raise UsageError("A stride does not go with 'longest_first' for pairs.", "truncation='only_second'.")
    if strategy == "only_second" and not pair:
        raise UsageError("truncation='only_second' needs a text_pair.", "truncation=True cuts a single text.")

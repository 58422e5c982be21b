"""What an engine is, and what all of them share.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from zoo.errors import InputError


class Engine(Protocol):
    """A compiled network: arrays in, arrays out. Safe to call from many threads; they take turns.

    Attributes:
        name: a key of `zoo.inference.engines.ENGINES`.
        precision: "fp32", "bf16" or "int8".
        inputs: names of the arrays that a batch must have: input_ids, attention_mask and perhaps token_type_ids.
        outputs: names of the arrays that come back; see `zoo.inference.static.fields`.
    """

    name: str
    precision: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs one batch.

        Args:
            batch: the arrays of `inputs`, integers [B, T] ([B, N, T] for multiple-choice); others are left aside.

        Raises:
            InputError: an input is missing, or the shapes differ.
        """
        ...


def arrays(batch: Mapping[str, np.ndarray], inputs: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The inputs of a graph, int64 and contiguous.

    Raises:
        InputError: an input is missing, or the shapes differ.
    """
    if missing := [name for name in inputs if name not in batch]:
        raise InputError(f"The batch has no {missing[0]}.", f"The graph takes {', '.join(inputs)}.")
    found = {name: np.ascontiguousarray(batch[name], dtype=np.int64) for name in inputs}
    if len({array.shape for array in found.values()}) > 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in found.items())
        raise InputError(f"The inputs must have one shape; they have {shapes}.")
    return found

"""What an engine is, and what all of them share.

Legend of shapes: B batch, T tokens, N choices; see zoo/models/common.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from zoo.batching import Limits
from zoo.errors import InputError

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
CALLS_PER_TRIM = 50  # calls after which memory goes back
MANY_BATCHES = 32  # batches that are worth compiling a second time for
Thing = TypeVar("Thing")


class Engine(Protocol):
    """A compiled network: arrays in, arrays out. Safe to call from many threads; they take turns.

    Attributes:
        name: a key of `zoo.inference.engines.ENGINES`.
        precision: "fp32", "bf16" or "int8".
        inputs: names of the arrays that the graph takes: input_ids, attention_mask and, for a network with several
            token types, token_type_ids, which are 0 for a batch without them.
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
            InputError: an input is missing, the shapes differ, or the network has no row for what they hold.
        """
        ...


@runtime_checkable
class Streams(Protocol):
    """An engine that is faster when batches are computed side by side, each by some of the cores."""

    def side_by_side(self) -> AbstractContextManager[int]:
        """While it lasts, calls of as many threads as it gives run side by side."""
        ...


def side_by_side(engine: Any, batches: int) -> AbstractContextManager[int]:
    """How many threads should call an engine to compute so many batches; within the context."""
    return engine.side_by_side() if batches >= MANY_BATCHES and isinstance(engine, Streams) else nullcontext(1)


def arrays(
    batch: Mapping[str, np.ndarray], inputs: tuple[str, ...], limits: Limits | None = None
) -> dict[str, np.ndarray]:
    """The inputs of a graph, int64 and contiguous. Token types that a batch lacks are 0, as in the network itself.

    Raises:
        InputError: an input is missing, the shapes differ, or the network has no row for what they hold.
    """
    if TYPES in inputs and TYPES not in batch and IDS in batch:
        batch = {**batch, TYPES: np.zeros_like(batch[IDS])}
    if missing := [name for name in inputs if name not in batch]:
        raise InputError(f"The batch has no {missing[0]}.", f"The graph takes {', '.join(inputs)}.")
    found = {name: np.ascontiguousarray(batch[name], dtype=np.int64) for name in inputs}
    if len({array.shape for array in found.values()}) > 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in found.items())
        raise InputError(f"The inputs must have one shape; they have {shapes}.")
    if limits is not None:
        _check_limits(found, limits)
    return found


def _check_limits(given: Mapping[str, np.ndarray], limits: Limits) -> None:
    for name, rows in ((IDS, limits.words), (TYPES, limits.types)):
        array = given.get(name)
        if array is None or not array.size:
            continue
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= rows:
            raise InputError(f"{name} holds {low if low < 0 else high}; the model knows 0 to {rows - 1}.")
    width = given[IDS].shape[-1]
    too_wide = limits.width is not None and width > limits.width
    if too_wide or (limits.tokens is not None and given[MASK][..., limits.tokens :].any()):
        raise InputError(
            f"A row has {width} tokens; the model reads {limits.width if too_wide else limits.tokens}.",
            "Cut the text to the model's max_length.",
        )


class CallPool(Generic[Thing]):
    """What the calls of an engine take in turns: a call gets one that is free, or waits.

    Every CALLS_PER_TRIM calls, what was freed goes back to the system: buffers of ever new sizes leave holes, and
    the process would grow by them. See benchmarks/speed/shapes.py.
    """

    def __init__(self, *things: Thing) -> None:
        self._free: SimpleQueue[Thing] = SimpleQueue()
        for thing in things:
            self._free.put(thing)
        self._calls = 0

    @contextmanager
    def __call__(self) -> Iterator[Thing]:
        thing = self._free.get()
        try:
            yield thing
        finally:
            self._calls += 1
            if self._calls % CALLS_PER_TRIM == 0 and (trim := _malloc_trim()):
                trim(0)
            self._free.put(thing)


@lru_cache(maxsize=1)
def _malloc_trim() -> Any:
    """glibc's malloc_trim; None with another library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None

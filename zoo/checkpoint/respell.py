"""Gives the tensors of one library's file the names that another writes: no number is moved or copied."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from zoo.checkpoint.dialect import Spelling
from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.layout import StoredTensor, row_major
from zoo.checkpoint.reader import Checkpoint
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import KeyRuleError
from zoo.files import quote


def respell(checkpoint: Checkpoint, spelling: Spelling) -> None:
    """Gives the tensors of an opened file the names that a key table knows.

    Raises:
        KeyRuleError: two tensors would have one name, or one cannot be cut into its parts.
    """
    places: dict[str, tuple[Path, memoryview, StoredTensor]] = {}
    for key, (file, data, stored) in checkpoint.places.items():
        names = spelling.of(key)
        for name, part in zip(names, _parts(key, stored, names), strict=True):
            if name in places:
                raise KeyRuleError(
                    f"{quote(key)} and {quote(places[name][2].info.name)} are the same tensor, '{name}'.",
                    "Keep the keys of one network in the file.",
                )
            places[name] = file, data, part
    for name, like in spelling.zeros.items():
        if name not in places and like in places:
            file, data, stored = places[like]
            info = TensorInfo(name, stored.info.dtype, (1, *stored.info.shape[1:]))
            size = math.prod(info.shape) * NUMPY_DTYPES[info.dtype].itemsize
            places[name] = file, data, StoredTensor(info, 0, inline=bytes(size))
    checkpoint.places = {
        name: (file, data, replace(stored, info=replace(stored.info, name=name)))
        for name, (file, data, stored) in places.items()
    }


def _parts(key: str, stored: StoredTensor, names: tuple[str, ...]) -> list[StoredTensor]:
    """Cuts a tensor along its first axis; the parts are views."""
    if len(names) < 2:
        return [stored] * len(names)
    shape = stored.info.shape
    if not shape or shape[0] % len(names):
        raise KeyRuleError(f"{quote(key)} has the shape {list(shape)}, which has no {len(names)} equal parts.")
    rows = shape[0] // len(names)
    step = (stored.strides or row_major(shape))[0] * rows * NUMPY_DTYPES[stored.info.dtype].itemsize
    info = replace(stored.info, shape=(rows, *shape[1:]))
    return [replace(stored, info=info, start=stored.start + n * step) for n in range(len(names))]

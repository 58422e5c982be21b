"""Puts arrays into a network: strictly, and without a copy where the array can serve as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import numpy as np
import paddle
from paddle.base import core

from zoo.errors import CheckpointError

PADDLE_DTYPES = {"float32": paddle.float32, "float16": paddle.float16, "bfloat16": paddle.bfloat16}
POOLER_PREFIX = "encoder.pooler."


class Prefixed(Protocol):
    """A network whose tensors have `prefix` before their names in a file."""

    prefix: str

    def state_dict(self) -> Mapping[str, paddle.Tensor]:
        """Gives the tensors by their names in the network."""
        ...


def disk_names(model: Prefixed) -> dict[str, paddle.Tensor]:
    """Gives a model's tensors by their names in a file: those of a network without a head get `model.prefix`."""
    return {model.prefix + name: tensor for name, tensor in model.state_dict().items()}


def groups_of(names: Collection[str]) -> set[str]:
    """Gives the first parts of tensor names, and "encoder.pooler" when a file has one: not every file does."""
    groups = {name.partition(".")[0] for name in names}
    return groups | {POOLER_PREFIX[:-1]} if any(name.startswith(POOLER_PREFIX) for name in names) else groups


def check_names(
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    fresh: Collection[str],
    skipped: Collection[str],
    where: str,
    hint: str = "",
) -> None:
    """Raises unless every tensor of the network is in the file or fresh, with its shape, and no other is.

    Args:
        expected: shapes by name, of the network.
        found: shapes by name, of the file.
        fresh: names of the network that are made new.
        skipped: groups of the file that this network has no use for: other heads, `unused`, a pooler.
        where: names the file in the message.
        hint: what to type, where more is known than that config.json may not fit.

    Raises:
        CheckpointError: a missing or unexpected tensor, or a wrong shape; names the first.
    """
    missing = [n for n in expected if n not in found and n not in fresh]
    extra = [n for n in found if n not in expected and not n.startswith(tuple(f"{g}." for g in skipped))]
    for names, what in ((missing, "lacks"), (extra, "holds, without a place for them,")):
        if names:
            raise CheckpointError(
                f"{where} {what} {len(names)} tensors; the first is '{names[0]}'.",
                hint or "Does config.json belong to this weight file?",
            )
    for name, shape in expected.items():
        if name not in fresh and found[name] != shape:
            raise CheckpointError(
                f"'{name}' in {where} is {list(found[name])}; config.json's network needs {list(shape)}.",
                hint or "Does config.json belong to this weight file?",
            )


def attach(parameter: paddle.Tensor, array: np.ndarray, dtype: str, place: core.Place) -> None:
    """Makes an array the value of a parameter.

    On the CPU a float32 array is used where it lies. It must be writable memory of its own, such as a private map
    of a file: an optimiser's step then changes the memory and never the file.
    """
    if array.dtype != np.float32:
        raise TypeError(f"{parameter.name}: {array.dtype} must be widened first")  # set_state_dict would assert
    ready = dtype == "float32" and place.is_cpu_place() and array.flags.c_contiguous and array.flags.writeable
    if ready:
        tensor = core.eager.Tensor(array, place, False, True, parameter.name, True)
    else:
        tensor = paddle.to_tensor(np.ascontiguousarray(array), place=place).astype(PADDLE_DTYPES[dtype])
    tensor._share_buffer_to(parameter)


def fill(
    tensors: Mapping[str, paddle.Tensor],
    read: Callable[[str], np.ndarray],
    fresh: Collection[str],
    dtype: str,
    place: core.Place,
) -> None:
    """Gives every tensor of a network its value: from the file, or its initial one (a buffer has it already)."""
    for name, tensor in tensors.items():
        if name not in fresh:
            attach(tensor, read(name), dtype, place)
            continue
        if not tensor._is_initialized():
            tensor.initialize()
        if dtype != "float32" or not place.is_cpu_place():
            attach(tensor, tensor.numpy(), dtype, place)

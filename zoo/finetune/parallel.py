"""Several processes, on one host or many: started by `python -m paddle.distributed.launch`, or just one.

On CPUs: `python -m paddle.distributed.launch --nproc_per_node 2 ...`, by gloo; GPUs use nccl.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle import distributed as dist

from zoo.errors import InputError


def start() -> tuple[int, int]:
    """Joins the processes that the launcher started. Returns (rank, world); (0, 1) without a launcher."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not dist.is_initialized():
        dist.init_parallel_env()
    return rank(), world()


def rank() -> int:
    """The number of this process; 0 writes files and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait() -> None:
    """Returns when every process has come here."""
    if world() > 1:
        total(0.0)


def total(value: float) -> float:
    """The sum of a number over all processes."""
    if world() == 1:
        return value
    whole = paddle.to_tensor([value], "float64")
    dist.all_reduce(whole)
    return float(whole.numpy()[0])


def same(tensors: Iterable[Tensor], source: int = 0) -> None:
    """Gives every process the values that one of them has."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=source)


def add(tensors: Iterable[Tensor]) -> None:
    """Replaces every tensor by its sum over all processes; all of them give as many, in the same order."""
    if world() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def add_at(tensor: Tensor, target: int) -> None:
    """Replaces a tensor on one process by its sum over all; on the others its values mean nothing any more."""
    if world() > 1:
        dist.reduce(tensor, dst=target)


def copy_of(tensor: Tensor | None, owner: int, shape: tuple[int, ...]) -> Tensor:
    """A float32 tensor of one process, on all of them.

    By broadcast: gloo numbers what is sent from one to one by what each process did before, so it hangs as soon as
    one of them has more to do with others.
    """
    if rank() == owner:
        assert tensor is not None
        moved = tensor.to(paddle.get_device())  # an optimiser keeps small ones on the CPU
    else:
        moved = paddle.empty(list(shape), "float32")
    same([moved], owner)
    return moved


def gather_objects(value: Any) -> list[Any]:
    """What every process has, in their order, on all of them."""
    if world() == 1:
        return [value]
    gathered: list[Any] = []
    dist.all_gather_object(gathered, value)
    return gathered


def gather(rows: Sequence[int] | np.ndarray, results: Sequence[Any], count: int) -> list[Any]:
    """Joins what each process computed for its rows.

    Args:
        rows: row numbers of this process.
        results: one for each of them.
        count: rows of the data set.

    Returns:
        The results of all rows in the order of their numbers, on every process.

    Raises:
        InputError: a row that is missing or there twice.
    """
    whole: dict[int, Any] = {}
    for numbers, values in gather_objects((np.asarray(rows).tolist(), list(results))):
        for number, value in zip(numbers, values, strict=True):
            if number in whole:
                raise InputError(f"Row {number} was evaluated twice.")
            whole[number] = value
    if sorted(whole) != list(range(count)):
        missing = next(n for n in range(count) if n not in whole)
        raise InputError(f"{count} rows were to be evaluated and {len(whole)} were; row {missing} is missing.")
    return [whole[n] for n in range(count)]

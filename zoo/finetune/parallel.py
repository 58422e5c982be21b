"""Several processes, on one host or many: started by `python -m paddle.distributed.launch`, or just one.

On CPUs: `python -m paddle.distributed.launch --nproc_per_node 2 --backend gloo ...`; GPUs use nccl by themselves.
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


def same(tensors: Iterable[Tensor]) -> None:
    """Gives every process the values of the first one."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def add_gradients(parameters: Iterable[Tensor]) -> None:
    """Replaces every gradient by its sum over all processes. A parameter has one on all of them or on none."""
    if world() > 1:
        for p in parameters:
            if p.grad is not None:
                dist.all_reduce(p.grad)


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
    parts: list[Any] = [(np.asarray(rows).tolist(), list(results))]
    if world() > 1:
        gathered: list[Any] = []
        dist.all_gather_object(gathered, parts[0])
        parts = gathered
    whole: dict[int, Any] = {}
    for numbers, values in parts:
        for number, value in zip(numbers, values, strict=True):
            if number in whole:
                raise InputError(f"Row {number} was evaluated twice.")
            whole[number] = value
    if sorted(whole) != list(range(count)):
        missing = next(n for n in range(count) if n not in whole)
        raise InputError(f"{count} rows were to be evaluated and {len(whole)} were; row {missing} is missing.")
    return [whole[n] for n in range(count)]

"""Several processes, on one host or many: started by `python -m paddle.distributed.launch`, or just one.

On CPUs: `python -m paddle.distributed.launch --nproc_per_node 2 --backend gloo ...`; on GPUs nccl is the default.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def start() -> tuple[int, int]:
    """Joins the other processes that the launcher started, once. Returns (rank, world); (0, 1) without a launcher."""
    raise NotImplementedError


def rank() -> int:
    """The number of this process; 0 writes files and prints."""
    raise NotImplementedError


def world() -> int:
    """How many processes there are."""
    raise NotImplementedError


def total(value: float) -> float:
    """The sum of a number over all processes."""
    raise NotImplementedError


def gather(rows: np.ndarray, results: list[Any]) -> list[Any]:
    """Joins what each process computed for its rows: the results of all rows in the order of their numbers.

    Args:
        rows: row numbers of this process.
        results: one for each of them.

    Raises:
        InputError: a row that is missing or there twice.
    """
    raise NotImplementedError

"""Converts a checkpoint of any size in constant memory: read in place, check, transpose block by block, write.

The time goes to three things that hardly share anything: the sha256 of the source (one thread from the first byte
to the last), the tensors (the other cores), and the disk (a thread that asks it to store what is written already,
so that little is left to wait for at the end).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.checkpoint.apply import forward
from zoo.checkpoint.dtypes import check_finite, is_finite, widen, widened
from zoo.checkpoint.reader import Checkpoint
from zoo.checkpoint.rules import Plan, Step, TensorInfo
from zoo.checkpoint.safetensors_file import header_bytes
from zoo.checkpoint.shapes import target_shapes
from zoo.errors import CheckpointError
from zoo.files import sha256_of

HASH_BYTES = 16 << 20  # the lock of the interpreter is asked for this often only
BLOCK_BYTES = 1 << 20  # a contiguous block: small enough to be in the cache still when it is written
BLOCK_ROWS, TILE_COLUMNS = 256, 16  # a transposed block; six times as fast as one copy of the whole matrix
TRANSPOSED_BYTES = 4 << 20
STORE_BYTES = 256 << 20


@dataclass(frozen=True)
class StreamReport:
    """The bytes that `stream` wrote, and the sha256 of each source file by its name."""

    bytes: int
    sha256: Mapping[str, str]


def target_infos(plan: Plan, checkpoint: Checkpoint) -> dict[str, TensorInfo]:
    """Gives our tensors of a plan, floats as F32, in the order of the plan."""
    shapes = {name: info.shape for name, info in checkpoint.infos.items()}
    return {
        name: TensorInfo(name, widened(checkpoint.infos[step.sources[0]].dtype), shape)
        for step in plan.steps
        for name, shape in target_shapes(step, shapes).items()
    }


def stream(
    plan: Plan,
    checkpoint: Checkpoint,
    out_path: Path,
    metadata: Mapping[str, str],
    progress: Callable[[int], None] = lambda done: None,
) -> StreamReport:
    """Writes our safetensors file of a checkpoint.

    Args:
        plan: which upstream tensors become which of ours.
        out_path: the file; it is incomplete until this returns, so give one inside `publish`.
        metadata: texts for the header of the file.
        progress: called with the number of bytes just written, from the calling thread.

    Raises:
        CheckpointError: a tensor has NaN or infinite elements; names it and its file.
    """
    infos = target_infos(plan, checkpoint)
    head, places = header_bytes(infos.values(), metadata)
    halt = threading.Event()
    handle = os.open(out_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        _write(handle, np.frombuffer(head, np.uint8), 0)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with (
            ThreadPoolExecutor(1) as hasher,
            ThreadPoolExecutor(1) as storer,
            ThreadPoolExecutor(max(1, min(cores - 1, 4))) as workers,
        ):
            digests = {
                file.name: hasher.submit(sha256_of, _until(halt, data)) for file, data in checkpoint.buffers.items()
            }
            steps = [workers.submit(_convert, step, checkpoint, handle, places, halt) for step in plan.steps]
            read = {name for step in plan.steps if step.rule.op != "tie" for name in step.sources}
            others = [workers.submit(checkpoint.read, name) for name in checkpoint.infos if name not in read]
            stored: list[Future[None]] = []
            written = len(head)
            try:
                for size in _finished([*steps, *others, *digests.values()], steps):
                    written += size
                    progress(size)
                    if written // STORE_BYTES > len(stored):
                        stored.append(storer.submit(os.fsync, handle))
                for task in (*stored, storer.submit(os.fsync, handle)):
                    task.result()
            except BaseException:
                halt.set()
                for pool in (workers, hasher, storer):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise
        return StreamReport(written, {name: digest.result() for name, digest in digests.items()})
    finally:
        os.close(handle)


def _finished(waiting: list[Future], counted: list[Future[int]]) -> Iterator[int]:
    """Gives the results of the counted ones as they come; raises the first error of any."""
    left, count = set(waiting), set(counted)
    while left:
        done, left = wait(left, timeout=0.1, return_when=FIRST_EXCEPTION)
        for task in done:
            result = task.result()
            if task in count:
                yield result


def _until(halt: threading.Event, data: memoryview) -> Iterator[memoryview]:
    """Gives the bytes of a file in blocks, until everything is to stop."""
    for start in range(0, len(data), HASH_BYTES):
        if halt.is_set():
            return
        yield data[start : start + HASH_BYTES]


def _convert(
    step: Step, checkpoint: Checkpoint, handle: int, places: Mapping[str, int], halt: threading.Event
) -> int:
    """Writes the tensors of one step; gives their bytes."""
    written = 0
    read, dtype = _reader(step, checkpoint)
    for target, array in forward(step, read).items():
        at = places[target]
        for block in _blocks(array, dtype):
            if halt.is_set():
                return written
            if not is_finite(block):
                _name_bad(step, checkpoint)
            at = _write(handle, block, at)
        written += at - places[target]
    return written


def _reader(step: Step, checkpoint: Checkpoint) -> tuple[Callable[[str], np.ndarray], str]:
    """Gives the way to read the sources of a step, and the element type they have then (joined ones share one)."""
    dtypes = {checkpoint.infos[name].dtype for name in step.sources}
    if len(dtypes) == 1:
        return checkpoint.read, dtypes.pop()
    if {widened(dtype) for dtype in dtypes} != {"F32"}:
        raise CheckpointError(f"'{step.sources[0]}' and the tensors it is joined with differ in type: {dtypes}.")
    return lambda name: widen(checkpoint.read(name), checkpoint.infos[name].dtype), "F32"


def _write(handle: int, block: np.ndarray, at: int) -> int:
    """Writes a block, however many calls it takes (a disk that is nearly full takes less); the place behind it."""
    data = block.reshape(-1).view(np.uint8).data
    while data:
        size = os.pwrite(handle, data, at)
        data, at = data[size:], at + size
    return at


def _name_bad(step: Step, checkpoint: Checkpoint) -> None:
    for name in step.sources:
        whole = widen(checkpoint.read(name), checkpoint.infos[name].dtype)
        check_finite(name, whole, checkpoint.file_of(name))


def _blocks(array: np.ndarray, dtype: str) -> Iterator[np.ndarray]:
    """Gives the elements of an array in row order, widened, as contiguous pieces."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        step = BLOCK_BYTES // array.itemsize
        for start in range(0, flat.size, step):
            yield widen(flat[start : start + step], dtype)
        return
    row = array.nbytes // len(array)
    step = max(1, min(BLOCK_ROWS, TRANSPOSED_BYTES // row))
    for start in range(0, len(array), step):
        yield _packed(widen(array[start : start + step], dtype))


def _packed(array: np.ndarray) -> np.ndarray:
    """Gives a contiguous copy, made by columns as wide as a cache line, so that they stay in the cache."""
    if array.ndim != 2:
        return np.ascontiguousarray(array)
    out = np.empty(array.shape, array.dtype)
    for column in range(0, array.shape[1], TILE_COLUMNS):
        out[:, column : column + TILE_COLUMNS] = array[:, column : column + TILE_COLUMNS]
    return out

"""Reads safetensors with a strict check of the header, and writes them tensor by tensor.

The format: 8 bytes with the size of the header, the header (JSON: name -> dtype, shape, data_offsets, and texts
under `__metadata__`), then the tensors without gaps. https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np

from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.layout import FileContent, StoredTensor, check_shape, damaged
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError
from zoo.files import JsonObject, clean, quote

MAX_HEADER_BYTES = 100_000_000  # what the format allows
MAX_VALUES = 5_000_000  # of a header: some 500,000 tensors
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}


def is_safetensors(data: memoryview) -> bool:
    """Tells whether a file starts as safetensors do; `read_safetensors` checks the rest."""
    return len(data) >= 9 and data[8] == ord("{") and int.from_bytes(data[:8], "little") >= 2


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    done = dict(pairs)
    if len(done) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{quote(twice)} is in it twice")
    return done


def _header(data: memoryview, source: str) -> JsonObject:
    """Gives the JSON object at the start; what it holds is not checked."""
    size = int.from_bytes(data[:8], "little")
    if size > MAX_HEADER_BYTES:
        raise damaged(f"{source} says its header has {size} bytes; safetensors allow {MAX_HEADER_BYTES}.")
    if 8 + size > len(data):
        raise damaged(f"{source} is cut off in its header ({len(data)} of {8 + size} bytes).")
    raw = bytes(data[8 : 8 + size])
    if sum(map(raw.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise damaged(f"The header of {source} has more than {MAX_VALUES:,} values, which none has.")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(f"The header of {source} is no valid JSON: {clean(str(error), 120)}.") from None
    if not isinstance(header, dict):
        raise damaged(f"The header of {source} is no table of tensors.")
    return header


def read_safetensors(data: memoryview, source: str) -> FileContent:
    """Parses and checks the header of a safetensors file.

    Args:
        source: what a message calls the file.

    Raises:
        CheckpointError: the header is damaged, or tensors overlap, leave gaps or do not fill the file.
    """
    size = int.from_bytes(data[:8], "little")
    header = _header(data, source)
    metadata = header.pop(_METADATA, None)
    metadata = {} if metadata is None else metadata  # the library takes null for none, too
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise damaged(f"The metadata of {source} holds something else than texts.")
    found = [_entry(name, entry, source) for name, entry in header.items()]
    at, room = 0, len(data) - 8 - size
    for info, start, end in sorted(found, key=itemgetter(1, 2)):
        if start != at:
            what = "overlaps the one before it" if start < at else f"leaves a gap of {start - at} bytes before it"
            raise damaged(f"{quote(info.name)} in {source} {what}.")
        at = end
        if at > room:
            raise damaged(
                f"{source} is cut off: {quote(info.name)} ends {at - room} bytes beyond the end of the file."
            )
    if at != room:
        raise damaged(f"{source} has {room - at} bytes behind its last tensor.")
    return FileContent(
        "safetensors", {i.name: StoredTensor(i, 8 + size + start) for i, start, _ in found}, metadata
    )


def _entry(name: str, entry: object, source: str) -> tuple[TensorInfo, int, int]:
    if not isinstance(entry, dict) or not entry.keys() >= _FIELDS:
        raise damaged(f"{quote(name)} in {source} lacks dtype, shape or data_offsets.")
    dtype, offsets = entry["dtype"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in NUMPY_DTYPES:
        raise CheckpointError(f"{quote(name)} in {source} is of type {_type(dtype)}, which the zoo does not read.")
    shape = check_shape(name, entry["shape"], source)
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(type(n) is int and 0 <= n < 1 << 60 for n in offsets)
    ):
        raise damaged(f"{quote(name)} in {source} has data_offsets that are no two positions.")
    start, end = offsets
    if end - start != (size := math.prod(shape) * NUMPY_DTYPES[dtype].itemsize):
        raise damaged(f"{quote(name)} in {source} takes {end - start} bytes, its shape needs {size}.")
    return TensorInfo(name, dtype, shape), start, end


def _type(dtype: object) -> str:
    return clean(dtype, 40) if isinstance(dtype, str) else quote(dtype, 40)


def header_bytes(infos: Iterable[TensorInfo], metadata: Mapping[str, str]) -> tuple[bytes, dict[str, int]]:
    """Gives the start of a file, padded so that data is aligned to 64 bytes, and where each tensor goes."""
    table: JsonObject = {_METADATA: dict(metadata)} if metadata else {}
    places, at = {}, 0
    for info in infos:
        if info.name in places:
            raise CheckpointError(f"'{info.name}' would be written twice.")
        places[info.name] = at
        size = math.prod(info.shape) * NUMPY_DTYPES[info.dtype].itemsize
        table[info.name] = {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: start + place for name, place in places.items()}


def write_safetensors(
    path: Path, infos: Sequence[TensorInfo], arrays: Iterator[np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Writes a file tensor by tensor; no more than one is held.

    Args:
        infos: what the file holds, in order.
        arrays: the tensors in the same order, any strides; bfloat16 as uint16.
        metadata: texts for the header.

    Raises:
        CheckpointError: an array is missing, left over, or not what its info says.
    """
    head, _ = header_bytes(infos, metadata)
    with open(path, "wb") as file:
        file.write(head)
        done = 0
        for info, array in zip(infos, arrays, strict=False):
            if array.shape != info.shape or array.dtype != NUMPY_DTYPES[info.dtype]:
                raise CheckpointError(
                    f"'{info.name}' is {array.dtype} {list(array.shape)} and was announced for {path} as "
                    f"{info.dtype} {list(info.shape)}."
                )
            if array.size:
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            done += 1
        if done != len(infos) or next(iter(arrays), None) is not None:
            raise CheckpointError(f"{path}: {len(infos)} tensors were announced and not as many were given.")

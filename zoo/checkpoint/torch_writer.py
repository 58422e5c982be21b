"""Writes a torch file of the zip format without torch: what `torch.load(path, weights_only=True)` reads.

The members are `data.pkl`, a pickle of the state dict whose tensors refer to numbered storages, one uncompressed
member `data/<number>` per storage, and the version of the format.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.layout import row_major
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError

STORAGE_NAMES = {
    "F32": "Float",
    "F64": "Double",
    "F16": "Half",
    "BF16": "BFloat16",
    "I64": "Long",
    "I32": "Int",
    "I16": "Short",
    "I8": "Char",
    "U8": "Byte",
    "BOOL": "Bool",
}
_EMPTY_DICT = b"ccollections\nOrderedDict\n)R"
_MEMBER_DATE = (1980, 1, 1, 0, 0, 0)  # the same tensors give the same file


def write_torch(path: Path, infos: Sequence[TensorInfo], arrays: Iterator[np.ndarray]) -> None:
    """Writes a file tensor by tensor; no more than one is held.

    Args:
        infos: what the file holds, in order.
        arrays: the tensors in the same order, any strides; bfloat16 as uint16.

    Raises:
        CheckpointError: an array is missing, left over, or not what its info says; or torch has no such type.
    """
    for info in infos:
        if info.dtype not in STORAGE_NAMES:
            raise CheckpointError(f"'{info.name}' is {info.dtype}, which a torch file of the zoo cannot hold.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member("archive/data.pkl"), _pickle(infos))
        done = 0
        for info, array in zip(infos, arrays, strict=False):
            if array.shape != info.shape or array.dtype != NUMPY_DTYPES[info.dtype]:
                raise CheckpointError(
                    f"'{info.name}' is {array.dtype} {list(array.shape)} and was announced for {path} as "
                    f"{info.dtype} {list(info.shape)}."
                )
            with archive.open(_member(f"archive/data/{done}"), "w", force_zip64=True) as member:
                if array.size:
                    member.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            done += 1
        if done != len(infos) or next(iter(arrays), None) is not None:
            raise CheckpointError(f"{path}: {len(infos)} tensors were announced and not as many were given.")
        archive.writestr(_member("archive/version"), b"3\n")


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _MEMBER_DATE)


def _pickle(infos: Sequence[TensorInfo]) -> bytes:
    """Gives the pickle of an ordered dict of names and rebuilt tensors, protocol 2."""
    items = [_text(info.name) + _tensor(info, str(n)) for n, info in enumerate(infos)]
    return b"\x80\x02" + _EMPTY_DICT + b"(" + b"".join(items) + b"u."


def _tensor(info: TensorInfo, key: str) -> bytes:
    """Gives a call of torch's rebuilding function: storage, offset, shape, strides, no gradient, no hooks."""
    size = int(np.prod(info.shape, dtype=np.int64))
    storage = _text("storage") + f"ctorch\n{STORAGE_NAMES[info.dtype]}Storage\n".encode()
    storage = b"(" + storage + _text(key) + _text("cpu") + _number(size) + b"tQ"
    shape, strides = (b"(" + b"".join(map(_number, n)) + b"t" for n in (info.shape, row_major(info.shape)))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"K\x00"
        + shape
        + strides
        + b"\x89"
        + _EMPTY_DICT
        + b"tR"
    )


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)

"""Reads and writes Paddle's .pdparams: a pickled dict of numpy arrays, in place and tensor by tensor."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from zoo.checkpoint.dtypes import DTYPE_NAMES
from zoo.checkpoint.layout import FileContent, StoredTensor, check_shape, damaged, keys_of, row_major
from zoo.checkpoint.machine import Machine
from zoo.checkpoint.pickle_values import PLAIN_NAMES, Allowed, Blob, Builder, Opaque
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.unpickle import unpickle
from zoo.errors import CheckpointError
from zoo.files import quote

NAME_TABLE = "StructuredToParameterName: object"  # paddle.save's own names of parameters; no tensor
PARTS_KEY = "UnpackBigParamInfor: object"  # how protocol 2 and 3 cut tensors above 1 GB


_DTYPES = {dtype.str[1:]: dtype for dtype in DTYPE_NAMES}  # numpy's codes


class PickledDType:
    """A stand-in for numpy.dtype(code): filled by `set_state` with the byte order."""

    def __init__(self, code: object = "", *rest: object) -> None:
        if not isinstance(code, str):
            raise TypeError("a dtype without a code")
        self.code, self.order = code, "|"

    def set_state(self, state: object) -> None:
        """Takes numpy's state of a dtype: (version, byte order, subarray, names, ...)."""
        if not isinstance(state, tuple) or len(state) < 5 or state[2] is not None or state[3] is not None:
            raise TypeError("a dtype with parts")
        self.order = state[1]


class PickledArray:
    """A stand-in for a numpy array: filled by `set_state`."""

    shape: object = None

    def set_state(self, state: object) -> None:
        """Takes numpy's state of an array: (version, shape, dtype, fortran, bytes)."""
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], PickledDType):
            raise TypeError("an array without shape, dtype and data")
        _, self.shape, self.dtype, self.fortran, self.data = state


def _empty(kind: object, *rest: object) -> PickledArray:
    if not isinstance(kind, Builder) or kind.name != "numpy.ndarray":
        raise TypeError("an array of an unknown class")
    return PickledArray()


def _from_buffer(data: object, dtype: object, shape: object, order: object = "C") -> PickledArray:
    array = PickledArray()
    array.set_state((1, shape, dtype, order == "F", data))
    return array


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "multiarray._reconstruct": _empty,
    "multiarray.scalar": lambda *args: Opaque("numpy scalar"),
    "numeric._frombuffer": _from_buffer,
}
ARRAY_NAMES: Allowed = {
    "numpy.ndarray": Builder("numpy.ndarray", lambda *args: PickledArray()),
    "numpy.dtype": Builder("numpy.dtype", PickledDType),
    **{
        f"numpy.{core}.{name}": Builder(f"numpy.{core}.{name}", make)
        for core in ("core", "_core")
        for name, make in _FUNCTIONS.items()
    },
}
ALLOWED_NAMES: Allowed = {**PLAIN_NAMES, **ARRAY_NAMES}


def read_pdparams(data: memoryview, source: str) -> FileContent:
    """Parses a .pdparams file (any pickle protocol).

    Raises:
        CheckpointError: the pickle is damaged, unsafe or holds something else than a dict of arrays.
    """
    root = unpickle(Machine(data, source, ALLOWED_NAMES))
    if not isinstance(root, dict):
        raise CheckpointError(f"{source} is a pickle of a {type(root).__name__}, not of a state dict.")
    if root.get(PARTS_KEY):
        raise CheckpointError(
            f"{source} holds tensors cut into parts (pickle protocol 2 or 3).",
            "Save it again with paddle.save(paddle.load(file), file, protocol=4).",
        )
    tensors = {}
    for name, value in root.items():
        array = value[1] if isinstance(value, tuple) and len(value) == 2 else value  # paddle.save's (name, array)
        if isinstance(array, PickledArray):
            tensors[_name(name, source)] = _locate(name, array, source)
    if not tensors:
        raise CheckpointError(f"{source} is a pickle without arrays; it holds: {keys_of(root) or 'nothing'}.")
    return FileContent("pdparams", tensors)


def _name(name: object, source: str) -> str:
    if not isinstance(name, str):
        raise damaged(f"{source} has an array without a name (its key is {quote(name)}).")
    return name


def _locate(name: str, array: PickledArray, source: str) -> StoredTensor:
    shape = check_shape(name, array.shape, source)
    dtype = _DTYPES.get(array.dtype.code) if array.dtype.order in ("<", "|", "=") else None
    if dtype is None:
        kind = f"{quote(array.dtype.code, 20)} and byte order {quote(array.dtype.order, 20)}"
        raise CheckpointError(
            f"{quote(name)} in {source} has elements of type {kind}, which the zoo does not read."
        )
    blob = array.data
    size = math.prod(shape) * dtype.itemsize
    held = -1
    if isinstance(blob, bytes | str):  # a short string; a text is one of Python 2
        held = len(blob) if isinstance(blob, bytes) or blob.isascii() else len(blob.encode())
    elif isinstance(blob, Blob):
        held = blob.size
    text = isinstance(blob, Blob) and blob.utf8
    if held < size or (held != size and not text):
        raise damaged(f"{quote(name)} in {source} has no data or not the {size} bytes of its shape.")
    strides = row_major(shape[::-1])[::-1] if array.fortran is True and len(shape) > 1 else None
    info = TensorInfo(name, DTYPE_NAMES[dtype], shape)
    if isinstance(blob, bytes | str):
        return StoredTensor(info, 0, strides, inline=blob)
    return StoredTensor(info, blob.start, strides, held if text else 0)


def write_pdparams(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes what `paddle.load` (2.x and 3.x) reads as a state dict; one tensor in memory at a time.

    Args:
        arrays: our name -> array of any shape; a mapping that makes its arrays on access keeps memory constant.
    """
    with open(path, "wb") as file:
        file.write(b"\x80\x04}")
        for name in arrays:
            array = np.ascontiguousarray(arrays[name]).reshape(np.shape(arrays[name]))
            file.write(_text(name) + _array_head(array))
            file.write(array.reshape(-1).view(np.uint8).data if array.size else b"")
            file.write(b"tbs")
        file.write(b".")


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _array_head(array: np.ndarray) -> bytes:
    """Gives all of a pickled array up to its bytes; the old module name is known to every numpy."""
    code = array.dtype.str[1:]
    order = "|" if array.dtype.itemsize == 1 else "<"
    return b"".join(
        (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n",
            _number(0) + b"\x85C\x01b\x87R",
            b"(K\x01(" + b"".join(_number(n) for n in array.shape) + b"t",
            b"cnumpy\ndtype\n" + _text(code) + b"\x89\x88\x87R",
            b"(K\x03" + _text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89\x8e" + struct.pack("<Q", array.nbytes),
        )
    )

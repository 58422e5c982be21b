"""Names element types, widens them to float32 and back, and checks for NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.errors import CheckpointError
from zoo.files import clean, quote

# Numpy has no bfloat16: such tensors travel as their 16 bits, and their TensorInfo says "BF16".
NUMPY_DTYPES = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
DTYPE_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items() if name != "BF16"}
FLOAT_DTYPES = frozenset({"F16", "BF16", "F32", "F64"})


def widened(dtype: str) -> str:
    """Gives the element type that `widen` makes of a dtype."""
    return "F32" if dtype in FLOAT_DTYPES else dtype


def widen(array: np.ndarray, dtype: str) -> np.ndarray:
    """Gives float tensors as float32; float16 and bfloat16 exactly, float64 rounded. Others are not touched.

    Args:
        array: any shape; bfloat16 as uint16.
        dtype: what the file calls its elements.
    """
    if dtype == "BF16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if dtype in FLOAT_DTYPES and array.dtype != np.float32:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which the caller's check names
            return array.astype(np.float32)
    return array


def narrow(array: np.ndarray, dtype: str) -> np.ndarray:
    """Gives float32 as `dtype`, rounded to nearest even: exact for what `widen` made. Others are unchanged."""
    if dtype == "BF16" and array.dtype == np.float32:
        bits = np.ascontiguousarray(array).view(np.uint32)
        rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
        return (rounded >> np.uint32(16)).astype(np.uint16).reshape(array.shape)
    if dtype in FLOAT_DTYPES and array.dtype != NUMPY_DTYPES[dtype]:
        return array.astype(NUMPY_DTYPES[dtype])
    return array


def is_finite(array: np.ndarray) -> bool:
    """Tells whether no element is NaN or infinite; integers are always finite."""
    if array.dtype.kind != "f" or array.size == 0:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass at memory speed: NaN and inf survive a sum. A sum may also overflow, so only then look closer.
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def check_finite(name: str, array: np.ndarray, file: Path) -> None:
    """Refuses a tensor with NaN or infinite elements.

    Raises:
        CheckpointError: names the tensor, the file and how many elements are bad.
    """
    if not is_finite(array):
        bad = ~np.isfinite(array)
        first = [int(n) for n in np.unravel_index(int(np.argmax(bad)), array.shape)]
        raise CheckpointError(
            f"{quote(name)} in {clean(str(file), 300)} has {int(bad.sum())} elements that are NaN or infinite (the "
            f"first at {first}).",
            "The file is damaged or was saved after training diverged: get it again from its publisher.",
        )

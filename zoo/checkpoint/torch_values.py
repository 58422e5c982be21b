"""Describes the values of torch's pickles: element types, storages and tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.layout import ZipMember, damaged
from zoo.checkpoint.pdparams import ARRAY_NAMES
from zoo.checkpoint.pickle_values import PLAIN_NAMES, Allowed, Builder, Opaque, items_of
from zoo.errors import CheckpointError
from zoo.files import quote

MAX_KEY = 200  # characters of a storage's name


@dataclass(frozen=True)
class TorchDType:
    """A torch element type or typed storage; `name` is None for those no weight file of ours uses."""

    torch: str
    name: str | None


@dataclass
class TorchStorage:
    """A run of elements in the file; `start` and `part` are known once the storages have been found."""

    key: str
    dtype: TorchDType
    size: int
    offset: int = 0
    start: int = -1
    part: ZipMember | None = None


@dataclass(frozen=True)
class TorchTensor:
    """A view of a storage: offset and strides in elements."""

    storage: TorchStorage
    offset: object
    shape: object
    strides: object
    dtype: TorchDType


_STORAGES = {
    "Float": "F32",
    "Double": "F64",
    "Half": "F16",
    "BFloat16": "BF16",
    "Long": "I64",
    "Int": "I32",
    "Short": "I16",
    "Char": "I8",
    "Byte": "U8",
    "Bool": "BOOL",
}
_DTYPES = {
    "float32": "F32",
    "float": "F32",
    "float64": "F64",
    "double": "F64",
    "float16": "F16",
    "half": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "long": "I64",
    "int32": "I32",
    "int": "I32",
    "int16": "I16",
    "short": "I16",
    "int8": "I8",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "bool": "BOOL",
}
_UNREADABLE_DTYPES = (
    "complex32",
    "complex64",
    "complex128",
    "qint8",
    "quint8",
    "qint32",
    "float8_e4m3fn",
    "float8_e5m2",
)


def _rebuild(storage: object, offset: object, shape: object, strides: object, *rest: object) -> TorchTensor:
    if not isinstance(storage, TorchStorage):
        raise TypeError("a tensor without storage")
    return TorchTensor(storage, offset, shape, strides, storage.dtype)


def _rebuild_typed(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    grad: object,
    hooks: object,
    dtype: object,
    *rest: object,
) -> TorchTensor:
    if not isinstance(storage, TorchStorage) or not isinstance(dtype, TorchDType):
        raise TypeError("a tensor without storage or element type")
    return TorchTensor(storage, offset, shape, strides, dtype)


def _rebuild_subclass(builder: object, kind: object, args: object, state: object = None) -> object:
    if not isinstance(builder, Builder) or builder.name not in _REBUILD:
        raise TypeError("a tensor of an unknown kind")
    return _REBUILD[builder.name](*items_of(args))


_REBUILD: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
}
# What fairseq before 0.10 keeps of its training statistics beside the model.
_FAIRSEQ_METERS = tuple(f"fairseq.meters.{name}" for name in ("AverageMeter", "TimeMeter", "StopwatchMeter"))
_BUILDERS: dict[str, Callable[..., object]] = {
    **_REBUILD,
    "torch._tensor._rebuild_from_type_v2": _rebuild_subclass,
    "torch.nn.parameter.Parameter": lambda data, *rest: data,
    "torch.Tensor": lambda *args: Opaque("torch.Tensor"),
    "torch.Size": lambda sizes=(): tuple(items_of(sizes)),
    "torch.device": lambda *args: Opaque("torch.device"),
    "torch.serialization._get_layout": lambda *args: Opaque("torch.layout"),
    **{name: lambda *args: Opaque("fairseq.meters") for name in _FAIRSEQ_METERS},
}
ALLOWED_NAMES: Allowed = {
    **PLAIN_NAMES,
    **ARRAY_NAMES,
    **{name: Builder(name, make) for name, make in _BUILDERS.items()},
    **{f"torch.{name}": TorchDType(f"torch.{name}", dtype) for name, dtype in _DTYPES.items()},
    **{f"torch.{name}": TorchDType(f"torch.{name}", None) for name in _UNREADABLE_DTYPES},
    **{f"{module}.{name}Storage": TorchDType(f"torch.{name}Storage", dtype)
       for module in ("torch", "torch.cuda") for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": TorchDType("torch.UntypedStorage", "U8"),
}  # fmt: skip


def storage_of(source: str, key: object, storages: dict[str, TorchStorage], legacy: bool) -> TorchStorage:
    """Gives the storage of a persistent id: ("storage", type, key, device, elements[, view of another storage])."""
    if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":
        what = key[0] if isinstance(key, tuple) and key and isinstance(key[0], str) else type(key).__name__
        raise CheckpointError(
            f"{source} refers to data of the kind {quote(what)}; only the storages of tensors are read.",
            "A file that holds a whole module has to be saved again as model.state_dict().",
        )
    _, kind, name, _, size = key[:5]
    if not isinstance(kind, TorchDType) or not isinstance(name, str) or type(size) is not int or size < 0:
        raise damaged(f"{source} describes a storage in a way that makes no sense.")
    if len(name) > MAX_KEY or size.bit_length() > 56:
        raise damaged(f"{source} describes a storage {quote(name)} of {quote(size)} elements, which none has.")
    found = storages.setdefault(name, TorchStorage(name, kind, size))
    if found.dtype != kind or found.size != size:
        raise damaged(f"{source} describes the storage {quote(name)} in two ways that differ.")
    if legacy and len(key) == 6 and key[5] is not None:
        view = key[5]
        if not (isinstance(view, tuple) and len(view) == 3 and all(type(n) is int and n >= 0 for n in view[1:])):
            raise damaged(f"{source} describes a view of the storage {quote(name)} wrongly.")
        if view[1] + view[2] > size:
            raise damaged(f"A view of the storage {quote(name)} in {source} lies beyond its {size} elements.")
        part = storages.setdefault(
            f"{name}\0{view[1]}:{view[2]}", TorchStorage(name, kind, view[2], offset=view[1])
        )
        return part
    return found


def item_size(dtype: TorchDType, what: str, source: str) -> int:
    """Gives the bytes of an element; `what` has the type, for a message.

    Raises:
        CheckpointError: no weight file of ours has this type.
    """
    if dtype.name is None:
        raise CheckpointError(f"{quote(what)} in {source} is of type {dtype.torch}, which the zoo does not read.")
    return NUMPY_DTYPES[dtype.name].itemsize

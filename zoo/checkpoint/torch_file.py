"""Torch files without torch: the zip format and the format before torch 1.6.

Both hold a pickle of the state dict, whose tensors refer to numbered storages. Zip: `data.pkl` and one uncompressed
member `data/<key>` per storage. Legacy: magic number, protocol, system info, the pickle, a pickled list of storage
keys, then each storage as its number of elements (int64) and its raw elements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checkpoint.dtypes import NUMPY
from zoo.checkpoint.layout import MAX_EXPANDED, Content, Stored, check_shape, damaged, last_element, simplify
from zoo.checkpoint.pdparams import ARRAYS
from zoo.checkpoint.pickle_values import PLAIN, Allowed, Builder, Namespace, Opaque
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.unpickle import Machine
from zoo.checkpoint.zip_file import members
from zoo.errors import CheckpointError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
WRAPPERS = ("model", "state_dict", "module", "palm", "model_state_dict")


@dataclass(frozen=True)
class DType:
    """A torch element type or typed storage; `name` is None for those no weight file of ours uses."""

    torch: str
    name: str | None


@dataclass
class Storage:
    """A run of elements in the file; `start` is known once the storages have been found."""

    key: str
    dtype: DType
    size: int
    offset: int = 0
    start: int = -1


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: offset and strides in elements."""

    storage: Storage
    offset: Any
    shape: Any
    strides: Any
    dtype: DType


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
_UNREAD = ("complex32", "complex64", "complex128", "qint8", "quint8", "qint32", "float8_e4m3fn", "float8_e5m2")


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without storage")
    return Tensor(storage, offset, shape, strides, storage.dtype)


def _rebuild_typed(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any
) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(dtype, DType):
        raise TypeError("a tensor without storage or element type")
    return Tensor(storage, offset, shape, strides, dtype)


def _rebuild_subclass(builder: Any, kind: Any, args: Any, state: Any = None) -> Any:
    if not isinstance(builder, Builder) or builder.name not in _REBUILD:
        raise TypeError("a tensor of an unknown kind")
    return _REBUILD[builder.name](*args)


_REBUILD = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
}
# What fairseq before 0.10 keeps of its training statistics beside the model.
_METERS = tuple(f"fairseq.meters.{name}" for name in ("AverageMeter", "TimeMeter", "StopwatchMeter"))
_TABLE: dict[str, Any] = {
    **_REBUILD,
    "torch._tensor._rebuild_from_type_v2": _rebuild_subclass,
    "torch.nn.parameter.Parameter": lambda data, *rest: data,
    "torch.Tensor": lambda *args: Opaque("torch.Tensor"),
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch.device": lambda *args: Opaque("torch.device"),
    "torch.serialization._get_layout": lambda *args: Opaque("torch.layout"),
    **{name: lambda *args: Opaque("fairseq.meters") for name in _METERS},
}
ALLOWED: Allowed = {
    **PLAIN,
    **ARRAYS,
    **{name: Builder(name, make) for name, make in _TABLE.items()},
    **{f"torch.{name}": DType(f"torch.{name}", dtype) for name, dtype in _DTYPES.items()},
    **{f"torch.{name}": DType(f"torch.{name}", None) for name in _UNREAD},
    **{f"{module}.{name}Storage": DType(f"torch.{name}Storage", dtype)
       for module in ("torch", "torch.cuda") for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": DType("torch.UntypedStorage", "U8"),
}  # fmt: skip


def _storage(file: Path, key: Any, storages: dict[str, Storage], legacy: bool) -> Storage:
    """The storage of a persistent id: ("storage", type, key, device, elements[, view of another storage])."""
    if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":
        what = key[0] if isinstance(key, tuple) and key and isinstance(key[0], str) else type(key).__name__
        raise CheckpointError(
            f"{file} refers to data of the kind '{what[:100]}'; only the storages of tensors are read.",
            "A file that holds a whole module has to be saved again as model.state_dict().",
        )
    _, kind, name, _, size = key[:5]
    if not isinstance(kind, DType) or not isinstance(name, str) or type(size) is not int or size < 0:
        raise damaged(f"{file} describes a storage in a way that makes no sense.")
    found = storages.setdefault(name, Storage(name, kind, size))
    if found.dtype != kind or found.size != size:
        raise damaged(f"{file} describes the storage '{name}' in two ways that differ.")
    if legacy and len(key) == 6 and key[5] is not None:
        view = key[5]
        if not (isinstance(view, tuple) and len(view) == 3 and all(type(n) is int and n >= 0 for n in view[1:])):
            raise damaged(f"{file} describes a view of the storage '{name}' wrongly.")
        if view[1] + view[2] > size:
            raise damaged(f"A view of the storage '{name}' in {file} lies beyond its {size} elements.")
        part = storages.setdefault(f"{name}\0{view[1]}:{view[2]}", Storage(name, kind, view[2], offset=view[1]))
        return part
    return found


def _item_size(dtype: DType, what: str, file: Path) -> int:
    if dtype.name is None:
        raise CheckpointError(f"{what} in {file} is of type {dtype.torch}, which the zoo does not read.")
    return NUMPY[dtype.name].itemsize


def read_zip(data: memoryview, file: Path) -> Content:
    """Parses a zip-format torch file.

    Raises:
        CheckpointError: the archive, its pickle or a storage is damaged or unsafe.
    """
    entries = members(data, file)
    pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        what = f"holds {len(pickles)} files data.pkl"
        raise CheckpointError(
            f"{file} is a zip archive that is not a torch checkpoint: it {what}.",
            "If it is an archive of a model folder, unpack it and give the folder.",
        )
    root = pickles[0].removesuffix("data.pkl")
    if (order := entries.get(f"{root}byteorder")) and bytes(data[slice(*order)]) != b"little":
        raise CheckpointError(f"{file} was written on a big-endian machine, which the zoo does not read.")
    storages: dict[str, Storage] = {}
    start, end = entries[pickles[0]]
    machine = Machine(data[:end], file, ALLOWED, lambda key: _storage(file, key, storages, False), start)
    root_object = machine.run()
    for storage in storages.values():
        member = entries.get(f"{root}data/{storage.key}")
        if member is None:
            raise damaged(f"{file} lacks the storage '{storage.key}' that its tensors refer to.")
        if (size := storage.size * _item_size(storage.dtype, f"Storage '{storage.key}'", file)) != member[
            1
        ] - member[0]:
            raise damaged(
                f"The storage '{storage.key}' in {file} has {member[1] - member[0]} bytes and should have {size}."
            )
        storage.start = member[0]
    return _content("torch-zip", root_object, file)


def is_legacy(data: memoryview) -> bool:
    """True when a file starts with the magic number of the old torch format."""
    return MAGIC.to_bytes(10, "little") in bytes(data[:32]) and data[0] == 0x80


def read_legacy(data: memoryview, file: Path) -> Content:
    """Parses a torch file written before 1.6, or with `_use_new_zipfile_serialization=False`.

    Raises:
        CheckpointError: a pickle or a storage is damaged or unsafe.
    """
    storages: dict[str, Storage] = {}
    at, parts = 0, []
    for _ in range(5):
        machine = Machine(data, file, ALLOWED, lambda key: _storage(file, key, storages, True), at)
        parts.append(machine.run())
        at = machine.at
    magic, protocol, system, root_object, keys = parts
    if magic != MAGIC or protocol != PROTOCOL:
        raise damaged(f"{file} has the header of no torch file we know (protocol {protocol!r:.50}).")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError(f"{file} was written on a big-endian machine, which the zoo does not read.")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise damaged(f"The list of storages in {file} is no list of distinct names.")
    for key in keys:
        storage = storages.get(key)
        if storage is None:
            raise damaged(f"{file} lists the storage '{key[:100]}', to which nothing refers.")
        size = storage.size * _item_size(storage.dtype, f"Storage '{key}'", file)
        if at + 8 + size > len(data):
            raise damaged(f"{file} is cut off: its storage '{key}' ends {at + 8 + size - len(data)} bytes "
                                  "beyond the end of the file.")  # fmt: skip
        if (count := int.from_bytes(data[at : at + 8], "little", signed=True)) != storage.size:
            raise damaged(
                f"The storage '{key}' in {file} says it has {count} elements and should have {storage.size}."
            )
        storage.start, at = at + 8, at + 8 + size
    if at != len(data):
        raise damaged(f"{file} has {len(data) - at} bytes behind its last storage.")
    for storage in storages.values():
        if storage.start < 0:
            base = storages[storage.key]
            if base.start < 0:
                raise damaged(f"{file} lacks the storage '{storage.key}' that its tensors refer to.")
            storage.start = base.start + storage.offset * _item_size(storage.dtype, "A storage", file)
    return _content("torch-legacy", root_object, file)


def _content(kind: str, root: Any, file: Path) -> Content:
    state, args = unwrap(root, file)
    tensors = {name: _locate(name, value, file) for name, value in state.items() if isinstance(value, Tensor)}
    return Content(kind, tensors, extras=plain(args))


def _locate(name: str, tensor: Tensor, file: Path) -> Stored:
    shape = check_shape(name, tensor.shape, file)
    strides = check_shape(name, tensor.strides, file)
    size = _item_size(tensor.dtype, f"'{name}'", file)
    storage = tensor.storage
    room = storage.size * _item_size(storage.dtype, f"'{name}'", file)
    if type(tensor.offset) is not int or tensor.offset < 0 or len(strides) != len(shape):
        raise damaged(f"'{name}' in {file} is a view that makes no sense.")
    end = (tensor.offset + last_element(shape, strides)) * size
    if end > room and 0 not in shape:
        raise damaged(f"'{name}' in {file} needs {end} bytes of the storage '{storage.key}', which has {room}.")
    if (total := math.prod(shape) * size) > max(room, MAX_EXPANDED):
        raise damaged(f"'{name}' in {file} claims {total} bytes over a storage of {room}.")
    assert tensor.dtype.name is not None  # _item_size has refused it
    return Stored(
        TensorInfo(name, tensor.dtype.name, shape),
        storage.start + tensor.offset * size,
        simplify(shape, strides),
    )


def unwrap(root: Any, file: Path) -> tuple[dict[str, Any], dict]:
    """The state dict in what was pickled, and fairseq's arguments beside it ({} when there are none).

    A dict that holds a dict under exactly one of the names in WRAPPERS is opened, again and again; the dict where
    that ends is the state dict, and its tensors are the checkpoint. Everything else (optimizer, scheduler, nested
    dicts) is left out.

    Raises:
        CheckpointError: there is no dict, no tensor, or more than one candidate.
    """
    args: dict = {}
    for _ in range(8):
        if not isinstance(root, dict):
            break
        if isinstance(root.get("args"), Namespace):
            args = root["args"]
        inner = [name for name in WRAPPERS if isinstance(root.get(name), dict) and root[name]]
        if not inner:
            break
        if len(inner) > 1:
            raise CheckpointError(
                f"{file} holds several state dicts ({', '.join(inner)}); which one is meant is unclear."
            )
        root = root[inner[0]]
    if not isinstance(root, dict) or not any(isinstance(value, Tensor) for value in root.values()):
        keys = ", ".join(str(key)[:40] for key in list(root)[:8]) if isinstance(root, dict) else ""
        raise CheckpointError(
            f"{file} holds no state dict: no tensors where they should be. Its keys: {keys or 'none'}.",
            f"A state dict is looked for at the top and under {', '.join(WRAPPERS)}.",
        )
    if bad := [key for key, value in root.items() if isinstance(value, Tensor) and not isinstance(key, str)]:
        raise damaged(f"{file} has a tensor without a name (its key is {bad[0]!r:.60}).")
    return root, args


def plain(values: dict) -> dict[str, Any]:
    """The attributes that are plain: scalars, and flat lists of them."""
    scalars = (str, int, float, bool, type(None))

    def flat(value: Any) -> bool:
        return isinstance(value, scalars) or (
            isinstance(value, list | tuple) and all(isinstance(item, scalars) for item in value)
        )

    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if isinstance(key, str) and flat(value)
    }

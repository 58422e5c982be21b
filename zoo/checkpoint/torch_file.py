"""Reads torch files without torch: the zip format and the format before torch 1.6.

Both hold a pickle of the state dict, whose tensors refer to numbered storages. Zip: `data.pkl` and one uncompressed
member `data/<key>` per storage. Legacy: magic number, protocol, system info, the pickle, a pickled list of storage
keys, then each storage as its number of elements (int64) and its raw elements.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from zoo.checkpoint.layout import (
    MAX_EXPANDED,
    FileContent,
    StoredTensor,
    check_shape,
    damaged,
    keys_of,
    last_element,
    simplify,
)
from zoo.checkpoint.machine import Budget, Machine
from zoo.checkpoint.pickle_values import Namespace
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.torch_values import ALLOWED_NAMES, TorchStorage, TorchTensor, item_size, storage_of
from zoo.checkpoint.unpickle import unpickle
from zoo.checkpoint.weight_files import WRAPPER_KEYS
from zoo.checkpoint.zip_file import members
from zoo.errors import CheckpointError
from zoo.files import quote

LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_OPTIONS, MAX_LIST = 10_000, 256  # a training's options, and the items of one


def read_zip(data: memoryview, source: str) -> FileContent:
    """Parses a zip-format torch file.

    The checksums of its small members are compared here; those of storages belong to `Stored.part`.

    Raises:
        CheckpointError: the archive, its pickle or a storage is damaged or unsafe.
    """
    entries = members(data, source)
    pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        what = f"holds {len(pickles)} files data.pkl"
        raise CheckpointError(
            f"{source} is a zip archive that is not a torch checkpoint: it {what}.",
            "If it is an archive of a model folder, unpack it and give the folder.",
        )
    root = pickles[0].removesuffix("data.pkl")
    checked = any(part.crc for part in entries.values())  # torch can be told to compute none; all are 0 then
    for name, part in entries.items() if checked else ():
        if not name.startswith(f"{root}data/") and not part.is_whole(data):
            raise damaged(f"{quote(name)} in the zip archive {source} has a wrong checksum.")
    order = entries.get(f"{root}byteorder")
    if order and bytes(data[order.start : min(order.end, order.start + 16)]) != b"little":
        raise CheckpointError(f"{source} was written on a big-endian machine, which the zoo does not read.")
    storages: dict[str, TorchStorage] = {}
    pickled = entries[pickles[0]]
    read = partial(storage_of, source, storages=storages, legacy=False)
    root_object = unpickle(Machine(data[: pickled.end], source, ALLOWED_NAMES, read, pickled.start))
    for storage in storages.values():
        member = entries.get(f"{root}data/{storage.key}")
        if member is None:
            raise damaged(f"{source} lacks the storage {quote(storage.key)} that its tensors refer to.")
        size = storage.size * item_size(storage.dtype, storage.key, source)
        if size != (held := member.end - member.start):
            raise damaged(f"The storage {quote(storage.key)} in {source} has {held} bytes and should have {size}.")
        storage.start, storage.part = member.start, member if checked else None
    return _content("torch-zip", root_object, source)


def is_legacy(data: memoryview) -> bool:
    """Tells whether a file starts with the magic number of the old torch format."""
    return LEGACY_MAGIC_NUMBER.to_bytes(10, "little") in bytes(data[:32]) and data[0] == 0x80


def read_legacy(data: memoryview, source: str) -> FileContent:
    """Parses a torch file written before 1.6, or with `_use_new_zipfile_serialization=False`.

    Raises:
        CheckpointError: a pickle or a storage is damaged or unsafe.
    """
    storages: dict[str, TorchStorage] = {}
    at, parts, budget = 0, [], Budget()
    read = partial(storage_of, source, storages=storages, legacy=True)
    for _ in range(5):
        machine = Machine(data, source, ALLOWED_NAMES, read, at, budget)
        parts.append(unpickle(machine))
        at = machine.at
    magic, protocol, system, root_object, keys = parts
    if magic != LEGACY_MAGIC_NUMBER or protocol != LEGACY_PROTOCOL:
        raise damaged(f"{source} has the header of no torch file we know (protocol {quote(protocol)}).")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError(f"{source} was written on a big-endian machine, which the zoo does not read.")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise damaged(f"The list of storages in {source} is no list of distinct names.")
    for key in keys:
        storage = storages.get(key)
        if storage is None:
            raise damaged(f"{source} lists the storage {quote(key)}, to which nothing refers.")
        size = storage.size * item_size(storage.dtype, key, source)
        if at + 8 + size > len(data):
            raise damaged(f"{source} is cut off: its storage {quote(key)} ends {at + 8 + size - len(data)} bytes "
                                  "beyond the end of the file.")  # fmt: skip
        if (count := int.from_bytes(data[at : at + 8], "little", signed=True)) != storage.size:
            raise damaged(
                f"The storage {quote(key)} in {source} says it has {count} elements and should have {storage.size}."
            )
        storage.start, at = at + 8, at + 8 + size
    if at != len(data):
        raise damaged(f"{source} has {len(data) - at} bytes behind its last storage.")
    for storage in storages.values():
        if storage.start < 0:
            base = storages[storage.key]
            if base.start < 0:
                raise damaged(f"{source} lacks the storage {quote(storage.key)} that its tensors refer to.")
            storage.start = base.start + storage.offset * item_size(storage.dtype, storage.key, source)
    return _content("torch-legacy", root_object, source)


def _content(kind: str, root: object, source: str) -> FileContent:
    state, args = unwrap(root, source)
    tensors = {
        name: _locate(name, value, source) for name, value in state.items() if isinstance(value, TorchTensor)
    }
    return FileContent(kind, tensors, extras=plain(args, source))


def _locate(name: str, tensor: TorchTensor, source: str) -> StoredTensor:
    shape = check_shape(name, tensor.shape, source)
    strides = check_shape(name, tensor.strides, source)
    size = item_size(tensor.dtype, name, source)
    storage = tensor.storage
    room = storage.size * item_size(storage.dtype, name, source)
    if type(tensor.offset) is not int or tensor.offset < 0 or len(strides) != len(shape):
        raise damaged(f"{quote(name)} in {source} is a view that makes no sense.")
    end = (tensor.offset + last_element(shape, strides)) * size
    if end > room and 0 not in shape:
        raise damaged(
            f"{quote(name)} in {source} needs {quote(end)} bytes of the storage {quote(storage.key)}, which has "
            f"{room}."
        )
    if (total := math.prod(shape) * size) > max(room, MAX_EXPANDED):
        raise damaged(f"{quote(name)} in {source} claims {total} bytes over a storage of {room}.")
    assert tensor.dtype.name is not None  # item_size has refused it
    return StoredTensor(
        TensorInfo(name, tensor.dtype.name, shape),
        storage.start + tensor.offset * size,
        simplify(shape, strides),
        part=storage.part,
    )


def unwrap(root: object, source: str) -> tuple[dict[str, Any], dict]:
    """Gives the state dict in what was pickled, and fairseq's arguments beside it ({} when there are none).

    A dict that holds a dict under exactly one of WRAPPER_KEYS is opened, again and again; the dict where
    that ends is the state dict, and its tensors are the checkpoint. Everything else (optimizer, scheduler, nested
    dicts) is left out.

    Raises:
        CheckpointError: there is no dict, no tensor, or more than one candidate.
    """
    args: dict = {}
    for _ in range(8):
        if not isinstance(root, dict):
            break
        args = _options(root) or args
        inner = [name for name in WRAPPER_KEYS if isinstance(root.get(name), dict) and root[name]]
        if not inner:
            break
        if len(inner) > 1:
            raise CheckpointError(
                f"{source} holds several state dicts ({', '.join(inner)}); which one is meant is unclear."
            )
        root = root[inner[0]]
    if not isinstance(root, dict) or not any(isinstance(value, TorchTensor) for value in root.values()):
        raise CheckpointError(
            f"{source} holds no state dict: no tensors where they should be. Its keys: {keys_of(root) or 'none'}.",
            f"A state dict is looked for at the top and under {', '.join(WRAPPER_KEYS)}.",
        )
    if bad := [key for key, value in root.items() if isinstance(value, TorchTensor) and not isinstance(key, str)]:
        raise damaged(f"{source} has a tensor without a name (its key is {quote(bad[0])}).")
    return root, args


def _options(root: dict) -> dict:
    """Gives the arguments that fairseq keeps beside a model: `args`, or since 0.10.1 `cfg.model`."""
    if isinstance(root.get("args"), Namespace):
        return root["args"]
    cfg = root.get("cfg")
    model = cfg.get("model") if isinstance(cfg, dict) else None
    return model if isinstance(model, dict) else {}


def plain(values: dict, source: str) -> dict[str, Any]:
    """Gives the attributes that are plain: scalars, and short flat lists of them.

    Raises:
        CheckpointError: there are more of them than any program has.
    """
    scalars = (str, int, float, bool, type(None))
    if len(values) > MAX_OPTIONS:
        raise damaged(f"{source} holds {len(values):,} options of a training, which none has.")

    def flat(value: object) -> bool:
        if isinstance(value, list | tuple):
            return len(value) <= MAX_LIST and all(isinstance(item, scalars) for item in value)
        return isinstance(value, scalars)

    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if isinstance(key, str) and flat(value)
    }

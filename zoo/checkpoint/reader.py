"""Opens a weight file or a folder of them, whatever the format, as one table of tensors."""

from __future__ import annotations

import json
import math
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from zoo.checkpoint.dtypes import NUMPY
from zoo.checkpoint.layout import Content, Stored, damaged, view
from zoo.checkpoint.pdparams import read_pdparams
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.safetensors_file import is_safetensors, read_safetensors
from zoo.checkpoint.torch_file import is_legacy, read_legacy, read_zip
from zoo.errors import CheckpointError

# In a folder the first of these that is there is taken: safetensors before pickles, one file before shards.
USUAL = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "palm_model.pt",
    "model.pt",
    "model_state.pdparams",
    "model_state.pdparams.index.json",
)
ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".pdparams")
_INDEX_LIMIT = 64 << 20


class Checkpoint:
    """The tensors of a weight file or of the shards of one. A context manager.

    Attributes:
        path: what was opened. files: the weight files themselves. buffers: file -> its bytes, mapped.
        format: "safetensors", "torch-zip", "torch-legacy" or "pdparams".
        infos: name -> dtype and shape, in the order of the file.
        metadata: texts of a safetensors header. extras: the plain arguments of a fairseq file, {} for others.
    """

    def __init__(self, path: Path, parts: list[tuple[Path, memoryview, Content]]) -> None:
        self.path = path
        self.files = tuple(file for file, _, _ in parts)
        self.buffers = {file: data for file, data, _ in parts}
        self.format = parts[0][2].format
        self.metadata: dict[str, str] = {}
        self.extras: dict[str, Any] = {}
        self._places: dict[str, tuple[Path, memoryview, Stored]] = {}
        for file, data, content in parts:
            self.metadata |= content.metadata
            self.extras |= content.extras
            for name, stored in content.tensors.items():
                if name in self._places:
                    raise CheckpointError(f"'{name}' is both in {self._places[name][0]} and in {file}.")
                self._places[name] = file, data, stored
        self.infos: dict[str, TensorInfo] = {name: place[2].info for name, place in self._places.items()}

    def read(self, name: str) -> np.ndarray:
        """A tensor as a view of the file, also where it is strided; bfloat16 as uint16.

        Raises:
            CheckpointError: the checkpoint has no tensor of this name.
        """
        _, data, stored = self._place(name)
        return view(stored, data)

    def file_of(self, name: str) -> Path:
        """The file a tensor is in."""
        return self._place(name)[0]

    def _place(self, name: str) -> tuple[Path, memoryview, Stored]:
        if name not in self._places:
            raise CheckpointError(f"{self.path} has no tensor '{name}'.")
        return self._places[name]

    def close(self) -> None:
        """Lets go of the files; arrays that are still in use keep their own hold on them."""
        self._places.clear()
        self.buffers.clear()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_checkpoint(path: Path) -> Checkpoint:
    """Opens a weight file, an index of shards or a folder that holds either. The content decides, not the name.

    Raises:
        CheckpointError: there is no such file, or it is damaged, unsafe or of an unknown format.
    """
    file = _find(Path(path))
    shards, names = _shards(file) if file.name.endswith(".index.json") else ([file], None)
    checkpoint = Checkpoint(file, [(shard, *_parse(shard)) for shard in shards])
    if names is not None:
        _check_index(file, names, checkpoint)
    return checkpoint


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"There is no weight file or folder '{path}'.")
    for name in USUAL:
        if (path / name).is_file():
            return path / name
    found = sorted(p for p in path.iterdir() if p.suffix in ENDINGS and p.is_file())
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in found[:5])
    raise CheckpointError(
        f"'{path}' holds several weight files ({names})." if found else f"'{path}' holds no weight file.",
        "Give the path of the file itself.",
    )


def _shards(index: Path) -> tuple[list[Path], dict[str, str]]:
    """The shards an index names, and which tensor is in which."""
    if index.stat().st_size > _INDEX_LIMIT:
        raise damaged(f"{index} is too large to be an index of shards.")
    try:
        names = json.loads(index.read_bytes().decode("utf-8"))["weight_map"]
        assert isinstance(names, dict) and names and all(isinstance(shard, str) for shard in names.values())
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise damaged(f"{index} is no index of shards: it has no weight_map.") from None
    shards = []
    for shard in dict.fromkeys(names.values()):
        if Path(shard).name != shard or shard in ("", ".", ".."):
            raise CheckpointError(f"{index} names the shard '{shard[:200]}', which is not a file beside it.")
        if not (index.parent / shard).is_file():
            raise CheckpointError(f"{index} names the shard '{shard}', which is missing.", "Get it again.")
        shards.append(index.parent / shard)
    return shards, names


def _check_index(index: Path, names: dict[str, str], checkpoint: Checkpoint) -> None:
    """Every tensor of the index is in its shard; a shard may have others, such as buffers, which are read too."""
    for name, shard in names.items():
        if name not in checkpoint.infos or checkpoint.file_of(name).name != shard:
            raise damaged(f"{index} says '{name}' is in {shard}, which does not hold it.")


_OTHERS = (
    (b"\x1f\x8b", "a .gz archive", "Unpack it and give the folder."),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for", "Run git lfs pull."),
    (b"<", "a web page", "The download went wrong: get the file itself."),
    (b"\x89HDF", "an HDF5 file (TensorFlow, Keras)", "Give the torch or safetensors file."),
)


def _map(file: Path) -> memoryview:
    try:
        with open(file, "rb") as handle:
            if os.fstat(handle.fileno()).st_size == 0:
                raise damaged(f"{file} is empty.")
            try:
                # Private: arrays can be handed to a network without a copy, and the file never changes.
                return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY))
            except OSError:  # a private mapping beyond the memory of the machine is refused, a read-only one never
                return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}.") from None


def _parse(file: Path) -> tuple[memoryview, Content]:
    data = _map(file)
    if data[:4] == b"PK\x03\x04":
        content = read_zip(data, file)
    elif is_safetensors(data):
        content = read_safetensors(data, file)
    elif is_legacy(data):
        content = read_legacy(data, file)
    else:
        for start, what, hint in _OTHERS:
            if data[: len(start)] == start:
                raise CheckpointError(f"{file} is {what}, not a weight file.", hint)
        if data[0] not in b"\x80(}]c":
            raise damaged(f"{file} is neither safetensors nor a torch or Paddle file.")
        content = read_pdparams(data, file)
    total = sum(math.prod(s.info.shape) * NUMPY[s.info.dtype].itemsize for s in content.tensors.values())
    if total > 8 * len(data) + (256 << 20):
        raise damaged(f"The tensors of {file} claim {total} bytes; the file has {len(data)}.")
    return data, content

"""Opens a weight file or a folder of them, whatever the format, as one table of tensors."""

from __future__ import annotations

import gc
import math
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from zoo.checkpoint.dtypes import NUMPY_DTYPES
from zoo.checkpoint.layout import FileContent, StoredTensor, damaged, shown, view
from zoo.checkpoint.pdparams import read_pdparams
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.safetensors_file import is_safetensors, read_safetensors
from zoo.checkpoint.torch_file import is_legacy, read_legacy, read_zip
from zoo.checkpoint.weight_files import WEIGHT_FILES, WEIGHT_SUFFIXES
from zoo.errors import CheckpointError
from zoo.files import Fields, clean, is_name, open_regular, quote, read_object

MAX_INDEX_BYTES, MAX_SHARDS = 64 << 20, 5_000
MAX_NAME_CHARACTERS = 500  # of a tensor
MAX_QUOTED_PATH = 200  # characters


class Checkpoint:
    """The tensors of a weight file or of the shards of one. A context manager.

    Attributes:
        path: what was opened. files: the weight files themselves. buffers: file -> its bytes, mapped.
        format: "safetensors", "torch-zip", "torch-legacy" or "pdparams".
        infos: name -> dtype and shape, in the order of the file.
        metadata: texts of a safetensors header. extras: the plain arguments of a fairseq file, {} for others.
    """

    def __init__(self, path: Path, parts: list[tuple[Path, memoryview, FileContent]]) -> None:
        self.path = path
        self.files = tuple(file for file, _, _ in parts)
        self.buffers = {file: data for file, data, _ in parts}
        self.format = parts[0][2].format
        self.metadata: dict[str, str] = {}
        self.extras: dict[str, Any] = {}
        places: dict[str, tuple[Path, memoryview, StoredTensor]] = {}
        self._whole: set[int] = set()  # ids of the members whose checksums were compared
        for file, data, content in parts:
            self.metadata |= content.metadata
            self.extras |= content.extras
            for name, stored in content.tensors.items():
                if not (
                    name.isprintable() and len(name) <= MAX_NAME_CHARACTERS
                ):  # keeps every later message fit to print
                    raise damaged(f"{shown(file)} has a tensor called {quote(name)}, which is no name of one.")
                if name in places:
                    raise CheckpointError(f"{quote(name)} is both in {shown(places[name][0])} and in "
                                          f"{shown(file)}.")  # fmt: skip
                places[name] = file, data, stored
        self.places = places

    @property
    def places(self) -> dict[str, tuple[Path, memoryview, StoredTensor]]:
        """Gives the place of every tensor: the weight file, its bytes, and where they are in it."""
        return self._places

    @places.setter
    def places(self, places: dict[str, tuple[Path, memoryview, StoredTensor]]) -> None:
        self._places = places
        self.infos: dict[str, TensorInfo] = {name: place[2].info for name, place in places.items()}

    def read(self, name: str) -> np.ndarray:
        """Gives a tensor as a view of the file, also where it is strided; bfloat16 as uint16.

        The first tensor of a member of an archive waits until the member's checksum was compared.

        Raises:
            CheckpointError: the checkpoint has no tensor of this name, or its bytes were changed.
        """
        file, data, stored = self._place(name)
        if stored.part is not None and id(stored.part) not in self._whole:
            if not stored.part.is_whole(data):
                what = f"{quote(name)} in {shown(file)} is damaged"
                raise damaged(f"{what}: {quote(stored.part.name)} has a wrong checksum.")
            self._whole.add(id(stored.part))
        return view(stored, data)

    def file_of(self, name: str) -> Path:
        """Gives the file a tensor is in."""
        return self._place(name)[0]

    def _place(self, name: str) -> tuple[Path, memoryview, StoredTensor]:
        if name not in self._places:
            raise CheckpointError(f"{shown(self.path)} has no tensor {quote(name)}.")
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
    with _uncollected():
        checkpoint = Checkpoint(file, [(shard, *_parse(shard)) for shard in shards])
    if names is not None:
        _check_index(file, names, checkpoint)
    return checkpoint


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps Python from looking for garbage: a table of tensors is millions of objects and none of them is any."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _find(path: Path) -> Path:
    try:
        if path.is_file():
            return path
        if not path.is_dir():
            raise CheckpointError(f"There is no weight file or folder {quote(str(path), MAX_QUOTED_PATH)}.")
        for name in WEIGHT_FILES:
            if (path / name).is_file():
                return path / name
        found = sorted(p for p in path.iterdir() if p.suffix in WEIGHT_SUFFIXES and p.is_file())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{quote(str(path), MAX_QUOTED_PATH)} cannot be read: {_reason(error)}.") from None
    if len(found) == 1:
        return found[0]
    names = ", ".join(clean(p.name) for p in found[:5])
    where = quote(str(path), MAX_QUOTED_PATH)
    raise CheckpointError(
        f"{where} holds several weight files ({names})." if found else f"{where} holds no weight file.",
        "Give the path of the file itself.",
    )


def _shards(index: Path) -> tuple[list[Path], dict[str, str]]:
    """Gives the shards an index names, and which tensor is in which."""
    names = Fields(read_object(index, MAX_INDEX_BYTES), shown(index)).object("weight_map", {})
    if not names or not all(isinstance(shard, str) for shard in names.values()):
        raise damaged(f"{shown(index)} is no index of shards: it has no weight_map.")
    shards: list[Path] = []
    for shard in dict.fromkeys(names.values()):
        if not is_name(shard):
            raise CheckpointError(f"{shown(index)} names the shard {quote(shard)}, which is not a file beside it.")
        if len(shards) == MAX_SHARDS:
            raise damaged(f"{shown(index)} names more than {MAX_SHARDS:,} shards, which no model has.")
        if not (index.parent / shard).is_file():
            raise CheckpointError(
                f"{shown(index)} names the shard {quote(shard)}, which is missing.", "Get it again."
            )
        shards.append(index.parent / shard)
    return shards, names


def _check_index(index: Path, names: dict[str, str], checkpoint: Checkpoint) -> None:
    """Raises unless each tensor of the index is in its shard; a shard may have others, which are read too."""
    for name, shard in names.items():
        if name not in checkpoint.infos or checkpoint.file_of(name).name != shard:
            raise damaged(f"{shown(index)} says {quote(name)} is in {quote(shard)}, which does not hold it.")


_OTHER_KINDS = (
    (b"\x1f\x8b", "a .gz archive", "Unpack it and give the folder."),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for", "Run git lfs pull."),
    (b"<", "a web page", "The download went wrong: get the file itself."),
    (b"\x89HDF", "an HDF5 file (TensorFlow, Keras)", "Give the torch or safetensors file."),
)


def _map(file: Path) -> memoryview:
    with open_regular(file) as handle:
        if os.fstat(handle.fileno()).st_size == 0:
            raise damaged(f"{shown(file)} is empty.")
        try:
            # Private: arrays can be handed to a network without a copy, and the file never changes.
            return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY))
        except OSError:  # a private mapping beyond the memory of the machine is refused, a read-only one never
            try:
                return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
            except OSError as error:
                raise CheckpointError(f"{shown(file)} cannot be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "this is no name of a file"


def _parse(file: Path) -> tuple[memoryview, FileContent]:
    data, source = _map(file), shown(file)
    if data[:4] == b"PK\x03\x04":
        content = read_zip(data, source)
    elif is_safetensors(data):
        content = read_safetensors(data, source)
    elif is_legacy(data):
        content = read_legacy(data, source)
    else:
        for start, what, hint in _OTHER_KINDS:
            if data[: len(start)] == start:
                raise CheckpointError(f"{source} is {what}, not a weight file.", hint)
        if data[0] not in b"\x80(}]c":
            raise damaged(f"{source} is neither safetensors nor a torch or Paddle file.")
        content = read_pdparams(data, source)
    if not content.tensors:
        raise damaged(f"{source} holds no tensors.")
    total = sum(math.prod(s.info.shape) * NUMPY_DTYPES[s.info.dtype].itemsize for s in content.tensors.values())
    if total > 8 * len(data) + (256 << 20):
        raise damaged(f"The tensors of {source} claim {total} bytes; the file has {len(data)}.")
    return data, content

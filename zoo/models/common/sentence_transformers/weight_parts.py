"""Reads and writes the small weight files beside a network's: those of modules, and FlagEmbedding's two.

Linear weights are [outputs, inputs] in the files, as torch has them, and [inputs, outputs] here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from zoo.checkpoint import open_checkpoint, widen, write_safetensors, write_torch
from zoo.checkpoint.rules import TensorInfo
from zoo.checkpoint.weight_files import TOKEN_OUTPUT_FILES
from zoo.errors import CheckpointError
from zoo.files import quote

log = logging.getLogger("zoo")


def has_token_outputs(folder: Path) -> bool:
    """Tells whether a folder has both of FlagEmbedding's files; one alone is not used."""
    return all((folder / name).is_file() for name in TOKEN_OUTPUT_FILES.values())


def warn_of_one(folder: Path) -> None:
    """Says that one of FlagEmbedding's files is there without the other."""
    there = [name for name in TOKEN_OUTPUT_FILES.values() if (folder / name).is_file()]
    if len(there) == 1:
        (absent,) = set(TOKEN_OUTPUT_FILES.values()) - set(there)
        log.warning("%s has %s and no %s: neither is used.", quote(str(folder), 200), there[0], absent)


def token_widths(folder: Path) -> tuple[int, int]:
    """Gives the numbers of a token's vector, and those of the state that it is made of; reads no tensor.

    Raises:
        CheckpointError: the file is damaged or no Linear layer's.
    """
    file = folder / TOKEN_OUTPUT_FILES["colbert"]
    with open_checkpoint(file) as checkpoint:
        shape = checkpoint.infos["weight"].shape if "weight" in checkpoint.infos else ()
    if len(shape) != 2 or not all(shape):
        raise CheckpointError(f"{quote(str(file), 200)} is not of a Linear layer.", "Get it again.")
    return shape[0], shape[1]


def read_weights(file: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Reads the tensors of a file, float32.

    Args:
        names: those that it must have.

    Raises:
        CheckpointError: the file is missing or damaged, holds other tensors, or a number that is none.
    """
    found: dict[str, np.ndarray] = {}
    with open_checkpoint(file) as checkpoint:
        if other := sorted(set(names) ^ set(checkpoint.infos)):
            what = "lacks" if other[0] in names else "holds, without a place for it,"
            raise CheckpointError(f"{quote(str(file), 200)} {what} {quote(other[0])}.", "Get it again.")
        for key, info in checkpoint.infos.items():
            array = np.array(_turned(key, widen(checkpoint.read(key), info.dtype)), np.float32, order="C")
            if not np.isfinite(array).all():
                raise CheckpointError(f"{quote(str(file), 200)} holds a number in {quote(key)} that is none.")
            found[key] = array
    return found


def write_weights(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes tensors, float32, as safetensors or as a file of torch, by the file's suffix."""
    turned = {key: np.ascontiguousarray(_turned(key, array)) for key, array in arrays.items()}
    infos = [TensorInfo(key, "F32", array.shape) for key, array in turned.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".safetensors":
        write_safetensors(file, infos, iter(turned.values()), {"format": "pt"})
    else:
        write_torch(file, infos, iter(turned.values()))


def _turned(key: str, array: np.ndarray) -> np.ndarray:
    """Turns a Linear's weight between torch's [outputs, inputs] and paddle's [inputs, outputs]; others stay."""
    return array.T if key.rpartition(".")[2] == "weight" and array.ndim == 2 else array

"""Finds the tensors that have a row for each piece, and writes weights and config.json with fewer rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoint import Checkpoint, write_safetensors
from zoo.checkpoint.rules import Shape
from zoo.errors import CheckpointError
from zoo.files import JsonObject, quote
from zoo.model_folder import ModelFolder
from zoo.models.common.weights import groups_of
from zoo.outline import layout
from zoo.trim.vocabulary import Renaming

log = logging.getLogger("zoo")

TOKEN_ID = "_token_id"  # ending of the names of config.json's special ids


def vocabulary_axes(model: ModelFolder, checkpoint: Checkpoint) -> dict[str, int]:
    """Gives the tensors of a file that grow with the vocabulary, each with the axis that does.

    They are found by building the network (without its weights) for one piece more.

    Raises:
        CheckpointError: a tensor is not of config.json's network, or nobody knows whether its rows are pieces.
    """
    size, groups = model.config.vocab_size, groups_of(checkpoint.infos)

    def shapes(pieces: int) -> dict[str, Shape]:
        content = {**model.content, "vocab_size": pieces, "architectures": [model.architecture.name]}
        return layout(model.architecture, content, groups)

    now, larger = shapes(size), shapes(size + 1)
    axes = {name: _grown(shape, larger[name]) for name, shape in now.items() if shape != larger[name]}
    found = {name: axis for name, axis in axes.items() if name in checkpoint.infos}
    for name, info in checkpoint.infos.items():
        if (name in found and info.shape != now[name]) or (name not in now and size in info.shape):
            raise CheckpointError(
                f"'{name}' in {quote(str(checkpoint.path), 200)} is {list(info.shape)}; whether its rows are the "
                f"{size:,} pieces of the vocabulary is not known.",
                "Save the model without it: zoo.load(...).save(DIR), then trim DIR.",
            )
    return found


def _grown(one: Shape, other: Shape) -> int:
    return next(n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)


def parameters(infos: Mapping[str, Any]) -> int:
    """Gives the numbers of weights of a file's tensors; those that no network uses are not counted."""
    return sum(math.prod(info.shape) for name, info in infos.items() if not name.startswith("unused."))


def write_weights(
    checkpoint: Checkpoint, out: Path, axes: Mapping[str, int], kept: np.ndarray, progress: Callable[[int], None]
) -> None:
    """Writes a weight file with the kept rows of some tensors, and all others as they are.

    Args:
        axes: from `vocabulary_axes`.
        kept: ids, ascending.
        progress: called with the number of bytes just read.
    """

    def shape(name: str, old: Shape) -> Shape:
        return tuple(len(kept) if n == axes.get(name) else size for n, size in enumerate(old))

    def arrays() -> Iterator[np.ndarray]:
        for name in checkpoint.infos:
            array = checkpoint.read(name)
            yield np.take(array, kept, axis=axes[name]) if name in axes else array
            progress(array.nbytes)

    infos = [replace(info, shape=shape(name, info.shape)) for name, info in checkpoint.infos.items()]
    write_safetensors(out, infos, arrays(), checkpoint.metadata)


def special_ids(config: Mapping[str, Any], vocabulary: int) -> set[int]:
    """Gives the ids that config.json names, and all up to the padding's: networks count positions from that."""
    values = (v for name, value in config.items() if name.endswith(TOKEN_ID) for v in _listed(value))
    found = {value for value in values if type(value) is int and 0 <= value < vocabulary}
    pad = config.get(f"pad{TOKEN_ID}")
    return found | set(range(pad + 1 if type(pad) is int and pad in found else 0))


def trimmed_config(config: JsonObject, renaming: Renaming) -> JsonObject:
    """Gives config.json with the new size and ids; an id that is none of the vocabulary stays, with a warning."""

    def new(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [new(name, item) for item in value]
        if type(value) is int and 0 <= value < len(renaming.new):
            return renaming.of(value, f"{name} of config.json")
        if value is not None:
            log.warning("config.json has %s=%s, which is no token: left as it is", name, quote(value))
        return value

    made = {name: new(name, value) if name.endswith(TOKEN_ID) else value for name, value in config.items()}
    return {**made, "vocab_size": len(renaming.kept)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

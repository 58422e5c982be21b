"""Checkpoints of a run: a folder per update, published whole, without a pickle in it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.optimizer import Optimizer

from zoo import files
from zoo.checkpoint import open_checkpoint, write_safetensors
from zoo.checkpoint.dtypes import DTYPE_NAMES
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError, DiskError, UsageError
from zoo.files import Fields, quote, read_object

CHECKPOINT_NAME = re.compile(r"step-(\d+)")
LEFTOVER_NAME = re.compile(r"\.(step-\d+)\.zoo-.*")
LAST_FILE = "state.json"  # without it a folder is no checkpoint
MASK_PREFIX = "mask"  # of Child-Tuning, beside the moments


def save(
    folder: Path,
    update: int,
    weights: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    states: Iterator[np.ndarray],
    about: Mapping[str, Any],
    keep: int = 1,
) -> Path:
    """Writes <folder>/step-<update>: model.safetensors, optimiser.safetensors, state.json; removes older ones.

    Args:
        folder: of the run's checkpoints.
        update: updates done.
        weights: of the model, float32, by their names in a file.
        shapes, states: of the optimiser: the shapes of its `states`, and these in the same order.
        about: anything that JSON can hold.
        keep: newest checkpoints that stay.

    Raises:
        CheckpointError: it could not be written (a full disk); the older checkpoints stay as they are.
    """
    target = folder / f"step-{update:08d}"
    try:
        with files.publish(target, last=LAST_FILE) as work:
            infos = [TensorInfo(name, DTYPE_NAMES[a.dtype], tuple(a.shape)) for name, a in weights.items()]
            _write(work / "model.safetensors", infos, iter(weights.values()))
            infos = [TensorInfo(name, "F32", shape) for name, shape in shapes.items()]
            _write(work / "optimiser.safetensors", infos, states)
            (work / LAST_FILE).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    except (DiskError, UsageError) as error:
        last = newest(folder)
        hint = f"The run can go on from {last}." if last else "There is no older checkpoint of this run."
        raise CheckpointError(
            f"The checkpoint of update {update} could not be written. {error.message}",
            hint,
        ) from error
    stay = [checkpoint for checkpoint in _all(folder) if _whole(checkpoint)][-keep:]
    for old in _all(folder):
        if old not in stay:
            files.remove(old)
    return target


def tidy(folder: Path) -> None:
    """Removes what a killed process left of checkpoints that it had not finished."""
    for entry in folder.glob(".step-*") if folder.is_dir() else ():
        if found := LEFTOVER_NAME.fullmatch(entry.name):
            files.remove_leftovers(folder / found[1])


def clear(folder: Path) -> None:
    """Removes the checkpoints of a run that needs none any more."""
    for old in _all(folder):
        files.remove(old)
    with suppress(OSError):
        folder.rmdir()


def newest(folder: Path) -> Path | None:
    """The folder of the newest checkpoint, None when there is none."""
    return next((checkpoint for checkpoint in reversed(_all(folder)) if _whole(checkpoint)), None)


def about(checkpoint: Path) -> dict[str, Any]:
    """What `save` was told.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    try:
        content = read_object(checkpoint / LAST_FILE)
        about = Fields(content, quote(str(checkpoint / LAST_FILE), 200))
        about.object("settings", {})
        for name in ("rows", "update"):
            about.whole(name, 0, 0, 1 << 53)
        return content
    except CheckpointError as error:
        raise CheckpointError(f"{error.message} This is no checkpoint of a run.", "Remove it.") from None


def restore(checkpoint: Path, model: nn.Layer, optimiser: Optimizer, kept: Collection[str]) -> None:
    """Loads the tensors of a checkpoint into a model and an optimiser that has made no step.

    Args:
        checkpoint: from `save`, by any number of processes.
        model: gets all of its weights.
        optimiser: gets its states.
        kept: paddle's names of the parameters whose states this process keeps.

    Raises:
        CheckpointError: a damaged checkpoint, or one of another model.
    """
    tensors = model.state_dict()
    found = _read(checkpoint / "model.safetensors")
    if {n: list(a.shape) for n, a in found.items()} != {n: list(t.shape) for n, t in tensors.items()}:
        raise CheckpointError(f"'{checkpoint}' is of another model than the one to be trained.")
    for name, tensor in tensors.items():
        tensor.set_value(found[name])
    parameters = dict(model.named_parameters())
    masks = {}
    with open_checkpoint(checkpoint / "optimiser.safetensors") as file:
        keys = [key.rpartition("/") for key in file.infos]
        unknown = next((name for name, _, _ in keys if name not in parameters), None)
        if unknown is not None:
            raise CheckpointError(f"'{checkpoint}' has moments of '{unknown}', which the model does not train.")
        keys = [key for key in keys if parameters[key[0]].name in kept]
        # Paddle makes accumulators at the first step; here they are wanted before it.
        block = paddle.base.framework.default_main_program().global_block()
        optimiser._create_accumulators(block, [parameters[name] for name in dict.fromkeys(n for n, _, _ in keys)])
        for name, _, kind in keys:
            auto, array = parameters[name].name, np.array(file.read(f"{name}/{kind}"))
            if kind == MASK_PREFIX:
                masks[auto] = paddle.to_tensor(array)
            else:
                optimiser._accumulators[kind][auto].set_value(array)
    if masks:
        optimiser.set_gradient_mask(masks)


def _whole(checkpoint: Path) -> bool:
    """Tells whether a checkpoint is finished, and not one whose removal was cut off."""
    return (checkpoint / LAST_FILE).is_file()


def _all(folder: Path) -> list[Path]:
    """Folders of checkpoints, oldest first."""
    found = (
        [p for p in folder.glob("step-*") if CHECKPOINT_NAME.fullmatch(p.name) and p.is_dir()]
        if folder.is_dir()
        else []
    )
    return sorted(found, key=lambda p: int(p.name[5:]))


def states(model: nn.Layer, optimiser: Optimizer) -> dict[str, Tensor]:
    """What an optimiser keeps: "<parameter>/<accumulator>" -> float32. Paddle names parameters otherwise."""
    names = {p.name: name for name, p in model.named_parameters()}
    kept: dict[str, Tensor] = {}
    for kind, table in optimiser._accumulators.items():
        kept.update({f"{names[auto]}/{kind}": tensor for auto, tensor in table.items()})
    masks = getattr(optimiser, "gradient_mask", {})
    kept.update({f"{names[auto]}/{MASK_PREFIX}": tensor for auto, tensor in masks.items()})
    return kept


def _write(path: Path, infos: Sequence[TensorInfo], arrays: Iterator[np.ndarray]) -> None:
    write_safetensors(path, infos, arrays, {"format": "paddle"})


def _read(path: Path) -> dict[str, np.ndarray]:
    with open_checkpoint(path) as file:
        return {name: np.array(file.read(name)) for name in file.infos}

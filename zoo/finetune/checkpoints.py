"""Checkpoints of a run: a folder per update, published whole, without a pickle in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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
MASK_PREFIX = "mask"  # of Child-Tuning, beside the moments


def save(
    folder: Path, update: int, model: nn.Layer, optimiser: Optimizer, about: Mapping[str, Any], keep: int = 2
) -> Path:
    """Writes <folder>/step-<update>: model.safetensors, optimiser.safetensors, state.json; removes older ones.

    Args:
        folder: of the run's checkpoints.
        update: updates done.
        model: float32; its tensors have the names they have in a file.
        optimiser: its moments, by the names of the parameters.
        about: anything that JSON can hold.
        keep: newest checkpoints that stay.

    Raises:
        CheckpointError: it could not be written (a full disk); the older checkpoints stay as they are.
    """
    target = folder / f"step-{update:08d}"
    try:
        with files.publish(target, last="state.json") as work:
            _write(work / "model.safetensors", {name: t.numpy() for name, t in model.state_dict().items()})
            _write(work / "optimiser.safetensors", _moments(model, optimiser))
            (work / "state.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    except (DiskError, UsageError) as error:
        last = newest(folder)
        hint = f"The run can go on from {last}." if last else "There is no older checkpoint of this run."
        raise CheckpointError(
            f"The checkpoint of update {update} could not be written. {error.message}",
            hint,
        ) from error
    for old in _all(folder)[:-keep]:
        files.remove(old)
    return target


def clear(folder: Path) -> None:
    """Removes the checkpoints of a run that needs none any more."""
    for old in _all(folder):
        files.remove(old)
    with suppress(OSError):
        folder.rmdir()


def newest(folder: Path) -> Path | None:
    """The folder of the newest checkpoint, None when there is none."""
    found = _all(folder)
    return found[-1] if found else None


def about(checkpoint: Path) -> dict[str, Any]:
    """What `save` was told.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    try:
        content = read_object(checkpoint / "state.json")
        about = Fields(content, quote(str(checkpoint / "state.json"), 200))
        about.object("settings", {})
        for name in ("rows", "update"):
            about.whole(name, 0, 0, 1 << 53)
        return content
    except CheckpointError as error:
        raise CheckpointError(f"{error.message} This is no checkpoint of a run.", "Remove it.") from None


def restore(checkpoint: Path, model: nn.Layer, optimiser: Optimizer) -> None:
    """Loads the tensors of a checkpoint into a model and an optimiser that has made no step.

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
    moments: dict[str, dict[str, np.ndarray]] = {}
    for key, array in _read(checkpoint / "optimiser.safetensors").items():
        name, _, kind = key.rpartition("/")
        if name not in parameters:
            raise CheckpointError(f"'{checkpoint}' has moments of '{name}', which the model does not train.")
        moments.setdefault(name, {})[kind] = array
    # Paddle makes accumulators at the first step; here they are wanted before it.
    block = paddle.base.framework.default_main_program().global_block()
    optimiser._create_accumulators(block, [parameters[name] for name in moments])
    masks = {}
    for name, kinds in moments.items():
        auto = parameters[name].name
        for kind, array in kinds.items():
            if kind == MASK_PREFIX:
                masks[auto] = paddle.to_tensor(array)
            else:
                optimiser._accumulators[kind][auto].set_value(array)
    if masks:
        optimiser.set_gradient_mask(masks)


def _all(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    found = (
        [p for p in folder.glob("step-*") if CHECKPOINT_NAME.fullmatch(p.name) and p.is_dir()]
        if folder.is_dir()
        else []
    )
    return sorted(found, key=lambda p: int(p.name[5:]))


def _moments(model: nn.Layer, optimiser: Optimizer) -> dict[str, np.ndarray]:
    """ "<parameter>/<accumulator>" -> array. Paddle names accumulators after its own names of the parameters."""
    names = {p.name: name for name, p in model.named_parameters()}
    kept: dict[str, Tensor] = {}
    for kind, table in optimiser._accumulators.items():
        kept.update({f"{names[auto]}/{kind}": tensor for auto, tensor in table.items()})
    masks = getattr(optimiser, "gradient_mask", {})
    kept.update({f"{names[auto]}/{MASK_PREFIX}": tensor for auto, tensor in masks.items()})
    return {name: tensor.numpy() for name, tensor in kept.items()}


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    infos = [TensorInfo(name, DTYPE_NAMES[a.dtype], tuple(a.shape)) for name, a in arrays.items()]
    write_safetensors(path, infos, iter(arrays.values()), {"format": "paddle"})


def _read(path: Path) -> dict[str, np.ndarray]:
    with open_checkpoint(path) as file:
        return {name: np.array(file.read(name)) for name in file.infos}

"""Builds networks without their weights: to compare names and shapes, and for exports, which need none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from zoo import signals
from zoo.cards import Architecture
from zoo.checkpoint.rules import NETWORK_PREFIXES, Shape, group_of
from zoo.model_files import TASKS, options_of
from zoo.model_folder import ModelFolder
from zoo.models.common.base import Model, Origin, TaskModel
from zoo.models.common.weights import POOLER_PREFIX, check_names, disk_names


def outline(folder: Path) -> Model:
    """The network of a folder that `Model.save` described, in eval mode and without its weights: config, tokenizer.

    Raises:
        ConfigError, CheckpointError: config.json is not there, damaged, or not ours.
    """
    about = ModelFolder.read(folder)
    with lazily():
        model = about.build(about.config, about.task, **options_of(about, about.task))
    model.origin = Origin(about.family.name, about.architecture.name, about.architecture.module, folder, None)
    model.eval()
    return model


def check_head(folder: Path, task: str) -> None:
    """Raises what `load` would raise of a head whose files lie beside the network's; see `Head.apart`."""
    about = ModelFolder.read(folder)
    with lazily():
        model = about.build(about.config, task, **options_of(about, task))
    found = {name: array.shape for name, array in apart_from_weights(model, folder).items()}
    start = f"{group_of(task)}."
    expected = {name: tuple(t.shape) for name, t in disk_names(model).items() if name.startswith(start)}
    check_names(expected, found, (), (), str(folder))


def layout(architecture: Architecture, config: Mapping[str, Any], groups: set[str]) -> dict[str, Shape]:
    """Names and shapes of the tensors of an architecture, as in a converted file. Allocates nothing.

    Args:
        architecture: from `zoo.registry.family_of`.
        config: config.json.
        groups: first parts of the names of the wanted heads ("mlm", ...), and "encoder.pooler" for the optional
            pooler: what `zoo.models.common.weights.groups_of` says of a file's names. `unused` is passed over.

    Raises:
        ConfigError: config.json describes a network the zoo does not implement.
    """
    module = import_module(f"{architecture.module}.model")
    made = import_module(f"{architecture.module}.config").Config.from_dict(config)
    shapes: dict[str, Shape] = {}
    with lazily():
        bare = module.build(made, None, pooler=POOLER_PREFIX[:-1] in groups)
        shapes |= {name: tuple(t.shape) for name, t in disk_names(bare).items()}
        for task in (t for t in TASKS if group_of(t) in groups):
            names = disk_names(module.build(made, task))
            shapes |= {n: tuple(t.shape) for n, t in names.items() if n.startswith(f"{group_of(task)}.")}
    network = tuple(NETWORK_PREFIXES)
    return {n: shape for n, shape in shapes.items() if n.startswith(network) or n.partition(".")[0] in groups}


def apart_from_weights(model: Model, folder: Path) -> dict[str, np.ndarray]:
    """The tensors that a head keeps in files of its own, by their names in the model."""
    if not isinstance(model, TaskModel):
        return {}
    return {f"{group_of(model.task)}.{name}": array for name, array in model.head.read(folder).items()}


@contextmanager
def lazily() -> Iterator[None]:
    """Layers made inside hold no memory yet, and are float32 whatever the process's default is."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype("float32")
    try:
        with signals.deferred(), paddle.LazyGuard():
            yield
    finally:
        paddle.set_default_dtype(before)

"""From a name or a folder to a network with its weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import paddle

from zoo import adapters, familiar, keys, registry
from zoo.adapters import Adapter
from zoo.checkpoint import open_checkpoint
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Shape, group_of
from zoo.errors import UsageError, did_you_mean
from zoo.files import quote, user_path
from zoo.keys import Source
from zoo.model_files import TASKS, find, settled_head
from zoo.model_folder import ModelFolder
from zoo.models.common.base import Model, Origin, TaskModel
from zoo.models.common.weights import PADDLE_DTYPES, POOLER_PREFIX, check_names, disk_names, fill
from zoo.outline import apart_from_weights, lazily
from zoo.weights import Weights

log = logging.getLogger("zoo")


def load(
    name_or_path: str | os.PathLike[str],
    task: str | None = None,
    labels: Sequence[str] | int | None = None,
    dtype: str = "float32",
    device: str | None = None,
    revision: str | None = None,
    adapter: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Model:
    """Loads a model in eval mode.

    A converted folder is mapped into memory and used where it lies; an untouched upstream folder is translated by
    its family's key table on the way. Without `task` the model has the head its files were saved with; a masked
    language model comes as the bare encoder, and a folder of sentence-transformers with the embedding head.

    Args:
        name_or_path: a card of the zoo, a folder (of a model or of a finished run), or a Hub repository; see
            `zoo.hub`.
        task: "mlm", "classification", "tagging", "qa", "multiple-choice", "embedding", Funnel's "discriminator" and
            "qa-beam", or "encoder" for none. It decides how a head's tensors are read where config.json names
            another class; a head whose tensors the files do not have is made new: N(0, initializer_range), by
            `paddle.seed`.
        labels: names of the classes, or how many. Another number than the files' means a new head.
        dtype: "float32"; "float16" and "bfloat16" compute on a GPU only.
        device: "cpu", "gpu:0", ...; None for paddle's current one.
        revision: branch, tag or commit of a repository.
        adapter: folder of a LoRA adapter in peft's format, which is merged into the weights; a head in it is the
            model's. See `zoo.adapters`.
        **options: arguments of the head (embedding: pooling, normalize, layer) or of the network (VECO's
            encoder-decoder: keep_decoder_layers).

    Returns:
        A `paddle.nn.Layer` with `.config`, `.task`, `.tokenizer`, `.card` and `.save(folder)`.

    Raises:
        UnknownModelError, HubError: no such model, or its files cannot be had.
        ConfigError, NotYetError: config.json describes a network the zoo does not implement.
        CheckpointError, KeyRuleError: a weight file that is damaged or does not fit config.json.
        UsageError: an argument that makes no sense, or a head that must be named because its tensors fit several.

    Example:
        >>> import zoo
        >>> model = zoo.load("all-MiniLM-L6-v2")
        >>> model.task, model.config.hidden_size
        ('embedding', 384)
        >>> model.encode("A cat sits on the mat.").shape
        (384,)
    """
    _check(task, labels, dtype, options)
    place = _place(device)
    folder, card = find(name_or_path, revision)
    about = ModelFolder.read(folder)
    with open_checkpoint(folder) as checkpoint:
        source = about.source(checkpoint)
        task, own, options = settled_head(task, about, options, source, card)
        named = about.architecture.name
        about = about.with_head(task if task in source.heads else own)
        config = _with_labels(about, labels)
        weights = Weights.of(source, task, own)
        pooler = any(name.startswith(POOLER_PREFIX) for name in weights.shapes)
        with lazily():
            model = about.build(config, task, pooler=pooler and task is None, **options)
        weights = weights.pick(model.picks).beside(apart_from_weights(model, folder))
        change = _adapter(adapter, about, task)
        weights = weights.beside({**weights.apart, **change.whole}) if change else weights
        tensors = disk_names(model)
        expected = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if change:
            change.check(expected)
        fresh = _fresh(expected, weights.shapes, task, labels is not None)
        computed = _computed(about, expected, weights.shapes)
        left_out = _left_out(model, weights.shapes)
        skipped = {group_of(t) for t in TASKS if t != task} | {"unused", POOLER_PREFIX[:-1], *left_out}
        hint = _hint(task, labels is not None, expected, weights.shapes)
        check_names(expected, weights.shapes, (*fresh, *computed), skipped, str(checkpoint.path), hint)
        read = (lambda name: change.merge(name, weights.read(name))) if change else weights.read
        fill(tensors, read, (*fresh, *computed), dtype, place)
    notes = _notes(named, source, task, weights, fresh)
    for note in notes:
        log.warning("%s: %s", name_or_path, note)
    for group, count in left_out.items():
        log.info("%s: %s (%d tensors) is not used by this network", name_or_path, group, count)
    upstream = model.upstream or registry.with_head(about.architecture, task).name
    model.origin = Origin(about.family.name, upstream, about.architecture.module, folder, card, notes, fresh)
    model.eval()
    return model


def _check(task: str | None, labels: Sequence[str] | int | None, dtype: str, options: Mapping[str, Any]) -> None:
    """Raises UsageError for arguments that no file could make right."""
    if dtype not in PADDLE_DTYPES:
        hint = familiar.dtype_hint(dtype)
        raise UsageError(f"dtype={quote(dtype)} is not one of {', '.join(PADDLE_DTYPES)}.", hint)
    if task not in (None, "encoder", *TASKS):
        meant = familiar.head_named(str(task))
        hint = f"Here it is task={quote(meant)}." if meant else did_you_mean(str(task), (*TASKS, "encoder"))
        raise UsageError(f"task={quote(task)} is not one of {', '.join(TASKS)}, encoder.", hint)
    if isinstance(labels, str):
        raise UsageError(f"labels={quote(labels)} is one text.", "Give a list of names, or how many there are.")
    if labels is not None and (labels < 1 if isinstance(labels, int) else not len(labels)):
        raise UsageError(f"labels={labels!r} must name at least one class.")
    for name in options:
        if hint := familiar.hint(name):
            raise UsageError(f"zoo.load has no argument {quote(name)}.", hint)


def _adapter(folder: str | os.PathLike[str] | None, about: ModelFolder, task: str | None) -> Adapter | None:
    """The adapter of a folder, read by the network's own key table."""
    return None if folder is None else adapters.read(user_path(folder), about.module("keymap").KEYMAP, task)


def _notes(named: str, source: Source, task: str | None, weights: Weights, fresh: Sequence[str]) -> tuple[str, ...]:
    """Says in a line each what was guessed, made anew, or not read. `named`: the class in config.json."""
    notes = []
    if task and task in source.heads and task != source.own and task not in keys.PRETRAINING_HEADS:
        notes.append(f"config.json names {named}; read as {task}: {keys.listed(source.heads[task])}")
    if fresh:
        notes.append(f"new, to be trained: {keys.listed(fresh)}")
    others = [t for t in source.trained if t != task]
    if others and task not in source.heads:
        unread = keys.listed(source.heads[others[0]])
        notes.append(f"{unread} is not used; it fits the head {' or '.join(others)}")
    if weights.strange and not source.is_ours:
        notes.append(f"beside the network, not read: {keys.listed(weights.strange)}")
    return tuple(notes)


def _hint(task: str | None, labels_given: bool, expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    """What to type where a head has another number of classes than config.json's."""
    name = f"{group_of(task)}.output.bias"
    if labels_given or found.get(name) in (None, expected.get(name)) or task not in ("classification", "tagging"):
        return ""
    return f"The file's head has {found[name][0]} classes: labels={found[name][0]}, or their names."


def _with_labels(about: ModelFolder, labels: Sequence[str] | int | None) -> Any:
    if labels is None:
        return about.config
    names = tuple(f"LABEL_{n}" for n in range(labels)) if isinstance(labels, int) else tuple(map(str, labels))
    if not names or len(set(names)) != len(names):
        raise UsageError(f"labels={labels!r} must name at least one class, each once.")
    if set(names) == set(about.config.labels) and names != about.config.labels:
        raise UsageError(
            f"The files' head has these labels in another order: {', '.join(about.config.labels)}.",
            "Give them in this order, or leave labels out.",
        )
    return replace(about.config, labels=names)


def _fresh(
    expected: Mapping[str, Shape], found: Mapping[str, Shape], task: str | None, labels_given: bool
) -> tuple[str, ...]:
    """The tensors that are made new: a head that the file lacks, or one with another number of classes."""
    if task is None:
        return ()
    group = f"{group_of(task)}."
    head = tuple(name for name in expected if name.startswith(group))
    absent = not any(name.startswith(group) for name in found)
    resized = labels_given and any(found.get(name) not in (None, expected[name]) for name in head)
    if not absent and not resized:
        return ()
    pooler = tuple(name for name in expected if name.startswith(POOLER_PREFIX) and name not in found)
    return (*pooler, *head)


def _computed(about: ModelFolder, expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> tuple[str, ...]:
    """The tensors that the file lacks and the network computes; see `KeyMap.optional`."""
    keymap: KeyMap = about.module("keymap").KEYMAP
    return tuple(name for name in keymap.optional if name in expected and name not in found)


def _left_out(model: Model, found: Mapping[str, Shape]) -> dict[str, int]:
    """Groups of the file that the network has no use for, and how many tensors they have."""
    network = model.encoder if isinstance(model, TaskModel) else model
    counts = {group: sum(name.startswith(f"{group}.") for name in found) for group in network.leaves_out}
    return {group: count for group, count in counts.items() if count}


def _place(device: str | None) -> Any:
    try:
        return paddle.device._convert_to_place(device or paddle.get_device())
    except ValueError as error:
        raise UsageError(f"device='{device}' cannot be used: {error}.", "For example cpu or gpu:0.") from None

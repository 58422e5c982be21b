"""Tells which key table reads a weight file, and which heads its keys fit; needs no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np

from zoo.cards import Architecture
from zoo.checkpoint import Checkpoint, backward, widen
from zoo.checkpoint.dialect import Spelling
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.respell import respell
from zoo.checkpoint.rules import NETWORK_PREFIXES, UNUSED_PREFIX, Plan, Shape, Step, group_of
from zoo.checkpoint.shapes import source_shapes
from zoo.errors import CheckpointError, KeyRuleError, UsageError
from zoo.files import clean, parse_json, quote
from zoo.mark import Mark
from zoo.paddlenlp import PADDLENLP, TORCH, VERSION_KEY, dialect_of, table

MAX_LISTED_NAMES = 4  # names that a message lists
# In the metadata of a file that a conversion wrote: the keys it came from, and whose.
SOURCE_KEYS, SOURCE_FORM = "source_keys", "source_form"
# What a safetensors header says of who wrote it. PaddleNLP's arrays are numpy's.
FORMAT_MARKS = {"pt": TORCH, "np": PADDLENLP, "pd": PADDLENLP, "paddle": PADDLENLP}
HEADS_WITHOUT_TENSORS = ("generation", "embedding")  # heads without tensors of their own
PRETRAINING_HEADS = ("mlm", "discriminator")  # heads that a network is left without unless they are asked for
FIXED_WIDTHS = {"multiple-choice": 1, "qa": 2, "discriminator": 1}  # heads whose width no labels decide


def form_of(checkpoint: Checkpoint, config: Mapping[str, object], architecture: Architecture) -> str:
    """Gives who wrote an upstream file: TORCH (Linear layers lie [out, in]) or PADDLENLP ([in, out]).

    The file's format or its mark says so, then names that only one of them uses, then config.json; shapes never do.

    Raises:
        KeyRuleError: the mark and the names contradict each other.
    """
    others = {"pdparams": PADDLENLP, "safetensors": FORMAT_MARKS.get(checkpoint.metadata.get("format", ""), "")}
    marked = others.get(checkpoint.format, TORCH)
    if dialect_of(architecture.module, architecture.name) is None:
        return marked or TORCH
    readers = [f for f in (TORCH, PADDLENLP) if _knows(table(architecture, f), checkpoint.infos)]
    if marked and readers and marked not in readers:
        raise KeyRuleError(
            f"'{checkpoint.path}' is marked as {marked}'s, and its keys are spelled as {readers[0]}'s: how its "
            "Linear layers lie is not certain.",
            "Save it again with the library that its numbers came from.",
        )
    if marked or len(readers) == 1:
        return marked or readers[0]
    return PADDLENLP if VERSION_KEY in config else TORCH


def spelling_of(architecture: Architecture) -> Spelling | None:
    """Gives fairseq's names for the keys of a network's table; None where fairseq has no such network."""
    found: Spelling | None = getattr(import_module(f"{architecture.module}.keymap"), "FAIRSEQ", None)
    return found


def _knows(keymap: KeyMap, keys: Iterable[str]) -> bool:
    """Tells whether a table has a rule for every key of the network, and there is one."""
    inside = [key for key in keys if keymap.is_inside(key)]
    return bool(inside) and all(keymap.match(key) for key in inside)


def heads_of(keymap: KeyMap, shapes: Mapping[str, Shape]) -> dict[str, tuple[str, ...]]:
    """Gives the heads that the keys of a file fit, each with those keys: one key may be of several.

    Args:
        shapes: of the upstream tensors by their keys.
    """
    beside = [key for key in shapes if not keymap.is_inside(key)]
    hits = (keymap.match(key) for key in shapes if "pooler" in key)
    pooler = any(hit and hit[0].targets and hit[0].targets[0].startswith("encoder.pooler.") for hit in hits)
    targets = [t for rule in keymap.rules for t in rule.targets if not t.startswith((*NETWORK_PREFIXES, "unused."))]
    found: dict[str, tuple[str, ...]] = {}
    for group in dict.fromkeys(target.partition(".")[0] for target in targets):
        task, start = group.replace("_", "-"), f"{group}."
        preferred = keymap.prefer(task)
        made: dict[str, str] = {}
        for key in beside:
            hit = preferred.match(key)
            made |= {t: key for t in hit[0].targets if t.startswith(start)} if hit else {}
        if made.keys() != {t for t in targets if t.startswith(start)}:
            continue
        width = shapes[made[f"{start}output.bias"]] if task in FIXED_WIDTHS else ()
        if (task in FIXED_WIDTHS and width != (FIXED_WIDTHS[task],)) or (task in keymap.pooled and not pooler):
            continue
        found[task] = tuple(dict.fromkeys(made.values()))
    return found


@dataclass(frozen=True)
class Source:
    """An opened weight file by its upstream keys, whether it is untouched or converted.

    Attributes:
        keymap: the table that reads the keys.
        shapes: of the upstream tensors; empty for a file of `Model.save`, which has no such keys.
        heads: task -> the names of its tensors; see `heads_of`.
        own: the head that config.json names.
        form: TORCH or PADDLENLP.
        origins: upstream key -> the step that it was converted by; empty for an untouched file.
        is_ours: the file has our names: a conversion or `Model.save` wrote it.
        is_saved: `Model.save` did.
    """

    checkpoint: Checkpoint
    keymap: KeyMap
    shapes: Mapping[str, Shape]
    heads: Mapping[str, tuple[str, ...]]
    own: str | None
    form: str = TORCH
    origins: Mapping[str, Step] = field(default_factory=dict)
    is_ours: bool = False
    is_saved: bool = False

    @classmethod
    def upstream(cls, checkpoint: Checkpoint, config: Mapping[str, object], architecture: Architecture) -> Source:
        """Opens an untouched file.

        Raises:
            CheckpointError: an adapter, or a file without tensors.
            KeyRuleError: see `form_of` and `table`.
        """
        if checkpoint.path.name.startswith("adapter_"):
            raise CheckpointError(
                f"'{checkpoint.path}' is an adapter: changes to a model, and not the model.",
                "zoo.load(MODEL, adapter=DIR) merges it into the model; or merge it with the library that made it "
                "(peft: model.merge_and_unload().save_pretrained(DIR)), then give DIR.",
            )
        if not checkpoint.infos:
            raise CheckpointError(f"'{checkpoint.path}' holds no tensor.", "Get the weight file again.")
        if (spelling := spelling_of(architecture)) and spelling.fits(checkpoint.infos):
            respell(checkpoint, spelling)
        form = form_of(checkpoint, config, architecture)
        if form == PADDLENLP:  # numpy has no bfloat16: Paddle gives its bits, and has no 16-bit integers of its own
            bits = {n: replace(i, dtype="BF16") for n, i in checkpoint.infos.items() if i.dtype == "U16"}
            checkpoint.infos.update(bits)
        keymap = table(architecture, form)
        shapes = {name: info.shape for name, info in checkpoint.infos.items()}
        return cls(checkpoint, keymap, shapes, heads_of(keymap, shapes), architecture.task, form)

    @classmethod
    def converted(cls, checkpoint: Checkpoint, mark: Mark, architecture: Architecture) -> Source:
        """A file that a conversion or `Model.save` wrote.

        Args:
            mark: in its config.json.
        """
        own, names = mark.task, checkpoint.infos
        group = f"{group_of(own)}."
        mine = tuple(name for name in names if name.startswith(group))
        heads: dict[str, tuple[str, ...]] = {own: mine} if own and mine else {}
        form = str(checkpoint.metadata.get(SOURCE_FORM, TORCH))
        keymap = table(architecture, form)
        if SOURCE_KEYS not in checkpoint.metadata:
            return cls(checkpoint, keymap, {}, heads, own, form, is_ours=True, is_saved=True)
        ours = {name: info.shape for name, info in names.items()}
        origins: dict[str, Step] = {}
        shapes: dict[str, Shape] = {}
        for step in keymap.prefer(architecture.task).plan(source_keys(checkpoint)).steps:
            if ours.keys() >= set(step.targets):
                origins |= dict.fromkeys(step.sources, step)
                shapes |= source_shapes(step, ours)
        heads = heads_of(keymap, shapes) | heads
        return cls(checkpoint, keymap, shapes, heads, own, form, origins, is_ours=True)

    @property
    def trained(self) -> list[str]:
        """Gives the heads that the keys fit and that are more than what a network was pretrained with."""
        return [task for task in self.heads if task not in PRETRAINING_HEADS]

    def plan(self, task: str | None) -> Plan:
        """Gives which upstream tensors become which of ours, read as the head that is asked for."""
        return self.keymap.prefer(task).plan(self.shapes)

    def read(self, key: str) -> np.ndarray:
        """Reads an upstream tensor, float32."""
        if step := self.origins.get(key):
            return backward(step, self.checkpoint.read)[key]
        return widen(self.checkpoint.read(key), self.checkpoint.infos[key].dtype)

    def saved(self) -> str | None:
        """Gives the head that the weights have: the one config.json names, unless the keys fit only another.

        Raises:
            UsageError: they fit several others, and config.json names none of them.
        """
        trained, nearest = self.trained, self.nearest()
        if nearest != self.own and len(trained) > 1:
            raise UsageError(
                f"'{self.checkpoint.path}' has a head that config.json does not name "
                f"({listed(self.heads[trained[0]])}); its tensors fit {' and '.join(trained)}.",
                f"Say which it is: task='{trained[0]}', or task='encoder' for none.",
            )
        return nearest

    def nearest(self) -> str | None:
        """Gives what `saved` does; the first of several."""
        known = self.own in self.heads or self.own in HEADS_WITHOUT_TENSORS or not self.trained
        return self.own if known else self.trained[0]


def source_keys(checkpoint: Checkpoint) -> dict[str, str]:
    """Gives the element types by upstream key, as a conversion has noted them in its file.

    Raises:
        CheckpointError: the note is not one that a conversion wrote.
    """
    found = parse_json(checkpoint.metadata[SOURCE_KEYS], f"{SOURCE_KEYS} of '{checkpoint.path}'")
    if not isinstance(found, dict) or not all(isinstance(dtype, str) for dtype in found.values()):
        raise CheckpointError(f"'{checkpoint.path}' has {SOURCE_KEYS}={quote(found)}.", "Convert the model again.")
    return found


def kept(names: Iterable[str]) -> list[str]:
    """Gives the upstream keys of tensors that a conversion kept as they were, from the names in its file."""
    return [name.removeprefix(UNUSED_PREFIX) for name in names if name.startswith(UNUSED_PREFIX)]


def listed(names: Iterable[str]) -> str:
    """Gives a few names of tensors, for a message."""
    all_names = list(names)
    more = f" and {len(all_names) - MAX_LISTED_NAMES} more" if len(all_names) > MAX_LISTED_NAMES else ""
    return ", ".join(map(clean, all_names[:MAX_LISTED_NAMES])) + more

"""What a conversion will write: which head the weights have, which tensors go where, and what is kept unplaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo import registry
from zoo.cards import Architecture
from zoo.checkpoint import Checkpoint, target_infos, widen
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import NETWORK_PREFIXES, Plan, Shape, Step, TensorInfo, group_of
from zoo.checkpoint.shapes import check_shapes
from zoo.errors import CheckpointError
from zoo.keys import HEADS_WITHOUT_TENSORS, PRETRAINING_HEADS, Source, listed


@dataclass(frozen=True)
class Placed:
    """The plan of a conversion.

    Attributes:
        architecture: upstream's class of this network with the head that the weights have.
        task: that head; None for none, or where the tensors of the head fit several.
        embeds: the folder is one of sentence-transformers, whose head has files of its own.
        form: who wrote the file, see `zoo.keys`.
        keymap: the table, the head's rules first.
        written: the tensors of the converted file, in order.
        notes: what was guessed or kept, a sentence each.
    """

    architecture: Architecture
    task: str | None
    form: str
    keymap: KeyMap
    plan: Plan
    written: tuple[TensorInfo, ...]
    embeds: bool = False
    notes: tuple[str, ...] = ()

    @property
    def head(self) -> str | None:
        """The head of the converted folder."""
        return "embedding" if self.embeds else self.task


def place(config: Mapping[str, Any], architecture: Architecture, folder: Path, checkpoint: Checkpoint) -> Placed:
    """The plan for an opened upstream file.

    Args:
        config: its config.json, and `architecture` what runs that.

    Raises:
        KeyRuleError: a part of the network without a rule, or tensors that are not config.json's network.
        CheckpointError: an adapter, or a file without tensors.
    """
    embeds = _embeds(architecture, folder)
    source = Source.upstream(checkpoint, config, architecture)
    named, certain = architecture, len(source.trained) < 2 or source.nearest() == source.own
    if not embeds and certain and (head := source.nearest()) is not None:
        architecture = registry.with_head(architecture, head)
    keymap = source.keymap.prefer(architecture.task)
    plan = keymap.plan(source.shapes)
    written = tuple(target_infos(plan, checkpoint).values())
    task = architecture.task
    if task not in HEADS_WITHOUT_TENSORS and not any(i.name.startswith(f"{group_of(task)}.") for i in written):
        task = None
    names = {i.name: i.shape for i in written}
    if not certain:
        architecture = _fitting(architecture, config, names)
    measured = task if task == named.task else None  # config.json's labels are not those of a head it does not name
    expected = network(architecture, config, names, measured)
    for name in set(keymap.optional) - names.keys():
        expected.pop(name, None)
    check_shapes(plan, source.shapes, expected | {n: s for n, s in names.items() if _is_kept(n, measured)})
    notes = tuple(_notes(source, named, architecture, task, plan))
    return Placed(architecture, task, source.form, keymap, plan, written, embeds, notes)


def _is_kept(name: str, task: str | None) -> bool:
    """Whether a tensor is neither of the network nor of its head."""
    return not name.startswith((*NETWORK_PREFIXES, f"{group_of(task)}."))


def network(
    architecture: Architecture, config: Mapping[str, Any], names: Mapping[str, Any], task: str | None
) -> dict[str, Shape]:
    """The tensors that a network with a head has, by our names; the pooler where `names` has one."""
    layout, groups_of = _paddle()
    groups = {group_of(task)} | {g for g in groups_of(names) if "." in g}
    return dict(layout(architecture, {**config, "architectures": [architecture.name]}, groups))


def _fitting(architecture: Architecture, config: Mapping[str, Any], names: Mapping[str, Shape]) -> Architecture:
    """The bare network that a file with an unknown head has: config.json's, or another one of the family."""
    found = {name for name in names if name.startswith(NETWORK_PREFIXES)}
    others = [a for a in registry.architectures() if a.module == architecture.module and a.task is None]
    for candidate in (architecture, *others):
        if (
            candidate.name.startswith(architecture.name[:4])
            and set(network(candidate, config, names, None)) == found
        ):
            return candidate
    return architecture


def _embeds(architecture: Architecture, folder: Path) -> bool:
    """Whether the head is that of sentence-transformers, which config.json does not know; other files do.

    Raises:
        NotYetError: a module that the zoo does not have.
        CheckpointError: the weights of a module are damaged, or not those of its config.json.
    """
    from zoo.models.common.sentence_transformers.description import is_sentence_folder
    from zoo.outline import check_head

    if architecture.task not in (None, "mlm") or not is_sentence_folder(folder):
        return False
    check_head(folder, "embedding")
    return True


def _notes(
    source: Source, named: Architecture, architecture: Architecture, task: str | None, plan: Plan
) -> Iterator[str]:
    """What a user should know about heads and tensors that config.json does not name."""
    if task is not None and architecture is not named:
        yield f"config.json names {named.name}; {listed(source.heads[task])} is read as its head {task}"
    unplaced: dict[tuple[str, ...], list[str]] = {}
    for head, keys in source.heads.items():
        if head != task and head not in PRETRAINING_HEADS and not set(keys) & set(source.heads.get(task or "", ())):
            unplaced.setdefault(keys, []).append(head)
    for keys, heads in unplaced.items():
        yield (
            f"config.json names {named.name}, which has no place for {listed(keys)}: kept, and read where the head "
            f"{' or '.join(heads)} is asked for, as zoo.load(..., task='{heads[0]}')"
        )
    if plan.strange:
        yield f"beside the network, kept as it is: {listed(plan.strange)}"


def _paddle() -> tuple[Any, Any]:
    """What knows a network's tensors. It imports paddle, which takes seconds; a dry run does without."""
    from zoo.models.common.weights import groups_of
    from zoo.outline import layout

    return layout, groups_of


def check_aliases(plan: Plan, checkpoint: Checkpoint) -> None:
    """Aliases are left out of our file, so each must hold what its tensor holds.

    Raises:
        CheckpointError: one holds other numbers.
    """
    holder = {target: step for step in plan.steps if step.rule.op != "tie" for target in step.targets}
    for step in plan.steps:
        if step.rule.op == "tie":
            _check_alias(step, holder[step.targets[0]], checkpoint)


def _check_alias(alias: Step, step: Step, checkpoint: Checkpoint) -> None:
    name, other = alias.sources[0], step.sources[0]
    one, two = checkpoint.read(name), checkpoint.read(other)
    if one.__array_interface__["data"] == two.__array_interface__["data"] and one.shape == two.shape:
        return
    same = one.shape == two.shape and np.array_equal(
        widen(one, checkpoint.infos[name].dtype), widen(two, checkpoint.infos[other].dtype)
    )
    if not same:
        raise CheckpointError(
            f"'{name}' should be the same tensor as '{other}' (rule {alias.rule}) and holds other numbers.",
            "The zoo has no untied variant of this network.",
        )

"""A converted folder as PaddleNLP reads it: model_state.pdparams and config.json under its names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from zoo.cards import Architecture
from zoo.checkpoint import Checkpoint, backward, write_pdparams
from zoo.checkpoint.dialect import Dialect
from zoo.checkpoint.rules import NETWORK_PREFIXES, UNUSED_PREFIX, Plan, Step, group_of
from zoo.errors import ConfigError, NotYetError
from zoo.files import quote
from zoo.keys import kept, listed
from zoo.paddlenlp import PADDLENLP, VERSION_KEY, dialect_of
from zoo.terminal import Progress

PDPARAMS = "model_state.pdparams"
SENTENCE_ORDER = "unused.seq_relationship."
HEADS_WITH_LABELS = ("classification", "tagging")


@dataclass(frozen=True)
class Spoken:
    """A network in PaddleNLP's words: its class there, the steps to its tensors, its config.json, what to know."""

    name: str
    steps: tuple[Step, ...]
    config: Mapping[str, Any]
    notes: tuple[str, ...]


def spoken(
    architecture: Architecture, task: str | None, config: Mapping[str, Any], names: Mapping[str, Any]
) -> Spoken:
    """What to write for a converted file.

    Args:
        task: the head of the file. config: config.json as upstream has it. names: of the file's tensors.

    Raises:
        NotYetError: PaddleNLP has no such network.
        ConfigError: an activation that it does not have.
        KeyRuleError: a tensor without a key there.
    """
    dialect = dialect_of(architecture.module, architecture.name)
    if dialect is None:
        raise NotYetError(f"{architecture.name} cannot be written for PaddleNLP yet.", "--to torch works.")
    left_out = [n for n in names if n.startswith("unused.") and not n.startswith((UNUSED_PREFIX, SENTENCE_ORDER))]
    end, bare = dialect.heads.get(str(task), ""), dialect.bare.get(architecture.name, "Model")
    if task == "mlm" and dialect.pretraining and any(n.startswith(SENTENCE_ORDER) for n in names):
        end = dialect.pretraining
    steps = dialect.keymap.reverse(n for n in names if n not in left_out).steps
    if task == "mlm" and end:
        ties = (rule for rule in dialect.keymap.rules if rule.sources[0] in dialect.aliases)
        steps += tuple(Step(replace(rule, op="tie"), rule.sources, rule.targets) for rule in ties)
    if not end:  # a bare class has no prefix
        base = dialect.keymap.base
        steps = tuple(replace(s, sources=tuple(k.removeprefix(base) for k in s.sources)) for s in steps)
    name = dialect.stem + (end or bare)
    placed: tuple[str, ...] = (*NETWORK_PREFIXES, f"{group_of(task)}.") if end else NETWORK_PREFIXES
    placed += (SENTENCE_ORDER,) if end and end == dialect.pretraining else ()
    beside = [k for step in steps for k in step.sources if not step.targets[0].startswith(placed)]
    return Spoken(
        name, steps, _config(dialect, name, task, architecture, config), _notes(name, beside, left_out, names)
    )


def _notes(name: str, beside: list[str], left_out: list[str], names: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if beside:
        notes.append(f"PaddleNLP's {name} has no place for {listed(beside)}: written, and not read there")
    if kept(names):
        notes.append(f"written as they were, however their Linear layers lie: {listed(kept(names))}")
    if left_out:
        notes.append(f"left out, PaddleNLP has no such tensor: {listed(left_out)}")
    return tuple(notes)


def _config(
    dialect: Dialect, name: str, task: str | None, architecture: Architecture, config: Mapping[str, Any]
) -> dict[str, Any]:
    """config.json with every size, because PaddleNLP assumes others than transformers where one is not there."""
    made = import_module(f"{architecture.module}.config").Config.from_dict(config)
    if made.hidden_act not in dialect.activations:
        raise ConfigError(
            f"config.json has hidden_act={quote(made.hidden_act)}; PaddleNLP's {dialect.stem} has "
            f"{', '.join(dialect.activations)}.",
            "--to torch works.",
        )
    own = {f.name: getattr(made, f.name) for f in fields(made) if f.name not in ("labels", "source")}
    sizes = {k: list(v) if isinstance(v, tuple) else v for k, v in own.items() if v is not None}
    written = {**sizes, **config, "architectures": [name], "model_type": dialect.model_type, "dtype": "float32"}
    if task in HEADS_WITH_LABELS:
        written.pop("num_labels", None)
        written["id2label"] = {str(n): label for n, label in enumerate(made.labels)}
        written["label2id"] = {label: n for n, label in enumerate(made.labels)}
    return {k: v for k, v in written.items() if k not in (VERSION_KEY, "torch_dtype", *dialect.unsaid)}


def write(name: str, what: Spoken, checkpoint: Checkpoint, out: Path, stream: Any) -> tuple[Path, Plan]:
    """Writes the weight file; gives it and what it was made by."""
    total = sum(_size(step, checkpoint) for step in what.steps)
    with Progress(f"writing {name} for {PADDLENLP}", total, stream=stream) as progress:
        write_pdparams(out / PDPARAMS, _Arrays(what.steps, checkpoint, progress))
    return out / PDPARAMS, Plan(what.steps)


def _size(step: Step, checkpoint: Checkpoint) -> int:
    return 4 * math.prod(checkpoint.infos[step.targets[0]].shape)


class _Arrays(Mapping[str, np.ndarray]):
    """PaddleNLP's tensors, each made when it is asked for."""

    def __init__(self, steps: tuple[Step, ...], checkpoint: Checkpoint, progress: Progress) -> None:
        self.steps = {step.sources[0]: step for step in steps}
        self.checkpoint, self.progress = checkpoint, progress

    def __getitem__(self, name: str) -> np.ndarray:
        return backward(self.steps[name], self.checkpoint.read)[name]

    def __iter__(self) -> Iterator[str]:
        for name, step in self.steps.items():
            yield name
            self.progress.add(_size(step, self.checkpoint))

    def __len__(self) -> int:
        return len(self.steps)

"""Reads the tensors of a weight file by our names, whichever names and head the file has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from zoo.checkpoint import forward, widen
from zoo.checkpoint.rules import Shape, Step, group_of
from zoo.checkpoint.shapes import target_shapes
from zoo.keys import Source


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint by our names, whichever names the file has.

    Attributes:
        shapes: in our layout.
        steps: our name -> the step that makes it from upstream tensors; others are in the file by our name.
        strange: upstream keys beside the network that no rule knows.
        names: our name -> name in a converted file, where layers have other numbers there.
        apart: tensors that are not in the file, in our layout; see `zoo.models.common.heads.Head.apart`.
    """

    source: Source
    shapes: Mapping[str, Shape]
    steps: Mapping[str, Step]
    strange: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, task: str | None, own: str | None) -> Weights:
        """Reads the names; the tensors follow one by one.

        Args:
            task: the head to load.
            own: the head the weights have.

        Raises:
            KeyRuleError: an upstream key that the family's table does not know.
        """
        head = task if task in source.heads else own
        infos = source.checkpoint.infos
        ours = {name: info.shape for name, info in infos.items()} if source.is_ours else {}
        plan = source.plan(head)
        start = f"{group_of(head)}."
        steps: dict[str, Step] = {}
        shapes = ours if task in source.heads or task == own else _without(ours, task)
        for step in plan.steps:
            made = target_shapes(step, source.shapes)
            if source.is_ours:  # only a head that was written as another one is read by its keys again
                made = {n: shape for n, shape in made.items() if n.startswith(start) and n not in ours}
            shapes |= made
            steps |= dict.fromkeys(made, step)
        if task not in source.heads and task != own:
            shapes = _without(shapes, task)
        return cls(source, shapes, steps, plan.strange)

    def pick(self, picks: Mapping[str, tuple[int, ...]]) -> Weights:
        """Gives only some layers of some stacks, numbered anew; see `Model.picks`. The others are not read."""
        if not picks:
            return self
        names = {name: name for name in self.shapes if not name.startswith(tuple(f"{stack}." for stack in picks))}
        for stack, numbers in picks.items():
            for new, old in enumerate(numbers):
                start = f"{stack}.{old}."
                found = (name for name in self.shapes if name.startswith(start))
                names |= {f"{stack}.{new}.{name.removeprefix(start)}": name for name in found}
        return replace(self, shapes={ours: self.shapes[name] for ours, name in names.items()}, names=names)

    def beside(self, apart: Mapping[str, np.ndarray]) -> Weights:
        """Gives these weights together with tensors of other files."""
        return replace(self, shapes={**self.shapes, **{n: a.shape for n, a in apart.items()}}, apart=apart)

    def read(self, name: str) -> np.ndarray:
        """Reads a tensor in our layout, float32."""
        if name in self.apart:
            return self.apart[name]
        name = self.names.get(name, name)
        if step := self.steps.get(name):
            return forward(step, self.source.read)[name]
        checkpoint = self.source.checkpoint
        return widen(checkpoint.read(name), checkpoint.infos[name].dtype)


def _without(shapes: Mapping[str, Shape], task: str | None) -> dict[str, Shape]:
    """Gives all but the tensors of a head."""
    return {name: shape for name, shape in shapes.items() if not name.startswith(f"{group_of(task)}.")}

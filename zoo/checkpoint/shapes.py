"""Computes shapes on both sides of a plan, without any tensor."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.checkpoint.rules import Plan, Shape, Step
from zoo.errors import KeyRuleError


def target_shapes(step: Step, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Gives the shapes of our tensors, from those of the upstream ones (ties give none).

    Raises:
        KeyRuleError: a fused tensor does not divide evenly, is a single number, or does not fit the others.
    """
    first, op = shapes[step.sources[0]], step.rule.op
    if op == "tie":
        return {}
    if op == "copy":
        return {step.targets[0]: first}
    _check_fit(step, {name: shapes[name] for name in step.sources})
    parts = len(step.targets)
    rows = sum(shapes[s][0] for s in step.sources)
    if rows % parts:
        raise KeyRuleError(f"'{step.sources[0]}' has {rows} rows, which {step.rule} cannot cut into {parts} parts.")
    shape = (rows // parts, *first[1:])
    return dict.fromkeys(step.targets, shape[::-1])


def source_shapes(step: Step, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Gives the shapes of the upstream tensors of a step, from those of ours; reverses `target_shapes`.

    Raises:
        KeyRuleError: a tensor is a single number, or does not fit the others.
    """
    first = shapes[step.targets[0]]
    if step.rule.op in ("copy", "tie"):
        return {step.sources[0]: first}
    _check_fit(step, {name: shapes[name][::-1] for name in step.targets})
    rows = sum(shapes[t][-1] for t in step.targets) // len(step.sources)
    return dict.fromkeys(step.sources, (rows, *first[::-1][1:]))


def _check_fit(step: Step, shapes: Mapping[str, Shape]) -> None:
    """Raises KeyRuleError for tensors that cannot be turned, or joined along their first axis."""
    first = next(iter(shapes.values()))
    for name, shape in shapes.items():
        if not shape or shape[1:] != first[1:]:
            raise KeyRuleError(f"'{name}' has the shape {list(shape)}, with which {step.rule} cannot work.")


def check_shapes(plan: Plan, found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Compares what a plan fills with what a network expects.

    Raises:
        KeyRuleError: a tensor of the network is not filled, is filled with another shape, or a tensor has no place.
    """
    filled: dict[str, tuple[Step, Shape]] = {}
    for step in plan.steps:
        filled |= {name: (step, shape) for name, shape in target_shapes(step, found).items()}
    missing = [name for name in expected if name not in filled]
    extra = [name for name in filled if name not in expected]
    if missing or extra:
        name = (missing or extra)[0]
        rule = f" (from {filled[name][0].rule})" if name in filled else ""
        word = (
            f"{len(missing)} tensors of the network are missing"
            if missing
            else f"{len(extra)} tensors have no place"
        )
        raise KeyRuleError(f"{word}, the first is '{name}'{rule}.", "Does config.json belong to this weight file?")
    for name, (step, shape) in filled.items():
        if shape != tuple(expected[name]):
            raise KeyRuleError(
                f"'{name}' is {list(shape)} in the file and {list(expected[name])} in config.json's network; "
                f"the rule {step.rule} filled it.",
                "Does config.json belong to this weight file?",
            )

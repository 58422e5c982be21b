"""Key rules: one table that is read both ways, from the keys of a published checkpoint to ours and back.

A template such as `encoder.layer.{i}.output.dense.weight` matches any number at `{i}`; the same name on the
other side is filled with it. Every key of a checkpoint must match a rule, and every target must be filled
exactly once: anything else is a `KeyRuleError` that names the key and the rule. Standard library only; the
arrays are moved by `zoo.checkpoint.apply`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from zoo.errors import KeyRuleError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorInfo:
    """Name, element type ("F32", "F16", "BF16", "I64", ... as safetensors spells it) and shape of a tensor."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Rule:
    """One line of a key table.

    Attributes:
        sources: templates of upstream keys, torch layout. More than one only for `join`.
        targets: templates of our names, Paddle layout. More than one only for `split`; none for `drop`.
        op: copy (as it is), transpose (2-D weight of a Linear), split (a fused Linear cut into equal parts along
            its outputs), join (the reverse of split), tie (an alias of the target, filled by another rule where
            the file has it), drop (not kept).
        reason: why a dropped key is not needed.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    op: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{' + '.join(self.sources)} -> {' + '.join(self.targets) or self.reason} [{self.op}]"


def copy(source: str, target: str) -> tuple[Rule, ...]:
    """A tensor that is the same in both layouts."""
    return (Rule((source,), (target,), "copy"),)


def linear(source: str, target: str, bias: bool = True) -> tuple[Rule, ...]:
    """A Linear layer: torch keeps [out, in], Paddle [in, out]."""
    weight = Rule((f"{source}.weight",), (f"{target}.weight",), "transpose")
    return (weight, *copy(f"{source}.bias", f"{target}.bias")) if bias else (weight,)


def norm(source: str, target: str) -> tuple[Rule, ...]:
    """A LayerNorm: weight and bias are the same in both layouts."""
    return (*copy(f"{source}.weight", f"{target}.weight"), *copy(f"{source}.bias", f"{target}.bias"))


def split(source: str, targets: Iterable[str]) -> tuple[Rule, ...]:
    """One fused Linear upstream, several Linears of equal size here (query, key, value)."""
    names = tuple(targets)
    return tuple(
        Rule((f"{source}.{leaf}",), tuple(f"{t}.{leaf}" for t in names), "split") for leaf in ("weight", "bias")
    )


def tie(source: str, target: str) -> tuple[Rule, ...]:
    """An upstream alias of a tensor that has its own rule."""
    return (Rule((source,), (target,), "tie"),)


def drop(source: str, reason: str) -> tuple[Rule, ...]:
    """An upstream key that is left out on purpose."""
    return (Rule((source,), (), "drop", reason),)


@dataclass(frozen=True)
class Step:
    """One application of a rule: these upstream tensors become these tensors of ours."""

    rule: Rule
    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a conversion does: `steps` in the order of the file, `dropped` keys with their reason."""

    steps: tuple[Step, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def _regex(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    body = "".join(re.escape(p) if n % 2 == 0 else rf"(?P<{p}>\d+)" for n, p in enumerate(parts))
    return re.compile(body)


@dataclass(frozen=True)
class KeyMap:
    """The key table of an architecture.

    Attributes:
        rules: the table; the first rule that matches a key wins.
        base: what a checkpoint with a head puts before the keys of its encoder ("bert."); a bare one leaves it out.
        wrappers: prefixes that training scripts add before everything.
        spellings: older spellings of the end of a key, as (old, new).
        file: the weight file that upstream's code reads, for the way back; its ending decides the format.
        optional: tensors of ours that a file may lack; the network computes them.
    """

    rules: tuple[Rule, ...]
    base: str = ""
    wrappers: tuple[str, ...] = ("module.",)
    spellings: tuple[tuple[str, str], ...] = ()
    file: str = "model.safetensors"
    optional: tuple[str, ...] = ()

    @cached_property
    def _by_source(self) -> list[tuple[re.Pattern[str], Rule, int]]:
        return [(_regex(s), rule, n) for rule in self.rules for n, s in enumerate(rule.sources)]

    def prefer(self, task: str | None) -> KeyMap:
        """The same table with the rules of one head first.

        Upstream names some heads alike ("classifier.weight" is a tagger's or a multiple-choice model's), so the
        checkpoint's task decides; the first rule that matches wins. Reading backwards needs no preference.
        """
        group = f"{task}.".replace("-", "_")
        rules = sorted(self.rules, key=lambda r: not any(t.startswith(group) for t in r.targets))
        return replace(self, rules=tuple(rules))

    def match(self, key: str) -> tuple[Rule, int, dict[str, str]] | None:
        """The rule of an upstream key, which of the rule's sources it is, and the numbers in it."""
        for prefix in self.wrappers:
            key = key.removeprefix(prefix)
        for old, new in self.spellings:
            if key.endswith(old):
                key = key.removesuffix(old) + new
        for candidate in (key, self.base + key) if self.base else (key,):
            for pattern, rule, position in self._by_source:
                if found := pattern.fullmatch(candidate):
                    return rule, position, found.groupdict()
        return None

    def plan(self, keys: Iterable[str]) -> Plan:
        """Assigns every upstream key to a rule.

        Raises:
            KeyRuleError: a key has no rule, two keys mean the same tensor, or a part of a joined tensor is missing.
        """
        groups: dict[tuple[int, tuple[tuple[str, str], ...]], dict[int, str]] = {}
        unknown: list[str] = []
        rules = {id(r): r for r in self.rules}
        for key in keys:
            hit = self.match(key)
            if hit is None:
                unknown.append(key)
                continue
            rule, position, numbers = hit
            parts = groups.setdefault((id(rule), tuple(numbers.items())), {})
            if position in parts:
                raise KeyRuleError(f"'{key}' and '{parts[position]}' are the same tensor by the rule {rule}.")
            parts[position] = key
        if unknown:
            raise KeyRuleError(
                f"{len(unknown)} upstream keys have no rule, the first is '{unknown[0]}'.",
                "Is this the weight file of config.json's architecture? If so, add a rule or a drop with a reason.",
            )
        steps: list[Step] = []
        dropped: dict[str, str] = {}
        for (rule_id, captured), parts in groups.items():
            rule, numbers = rules[rule_id], dict(captured)
            if len(parts) != len(rule.sources):
                missing = next(s for n, s in enumerate(rule.sources) if n not in parts)
                raise KeyRuleError(f"'{missing.format(**numbers)}' is missing; the rule {rule} needs it.")
            if rule.op == "drop":
                dropped[parts[0]] = rule.reason
                continue
            targets = tuple(t.format(**numbers) for t in rule.targets)
            steps.append(Step(rule, tuple(parts[n] for n in sorted(parts)), targets))
        return Plan(tuple(_fill_once(steps)), dropped)

    def reverse(self, names: Iterable[str]) -> Plan:
        """The same table read backwards: which upstream tensors our tensors become. Ties are not written again.

        Raises:
            KeyRuleError: one of our names has no rule, or a part of a split tensor is missing.
        """
        left = dict.fromkeys(names)
        steps = []
        while left:
            name = next(iter(left))
            rule, numbers = self._rule_of_target(name)
            targets = tuple(t.format(**numbers) for t in rule.targets)
            for target in targets:
                if target not in left:
                    raise KeyRuleError(f"'{target}' is missing; the rule {rule} needs it.")
                del left[target]
            steps.append(Step(rule, tuple(s.format(**numbers) for s in rule.sources), targets))
        return Plan(tuple(steps))

    def _rule_of_target(self, name: str) -> tuple[Rule, dict[str, str]]:
        for rule in self.rules:
            if rule.op == "tie":
                continue
            for template in rule.targets:
                if found := _regex(template).fullmatch(name):
                    return rule, found.groupdict()
        raise KeyRuleError(f"'{name}' has no rule in the key table, so it cannot be written for torch.")


def _fill_once(steps: list[Step]) -> list[Step]:
    """Every target filled once; an alias fills it only where the file left the tensor itself out."""
    filled: dict[str, Step] = {}
    for step in steps:
        for target in step.targets:
            if step.rule.op != "tie" and target in filled:
                raise KeyRuleError(f"'{target}' is filled twice: by {filled[target].rule} and by {step.rule}.")
            if step.rule.op != "tie":
                filled[target] = step
    done = []
    for step in steps:
        if step.rule.op == "tie" and step.targets[0] not in filled:
            step = Step(Rule(step.rule.sources, step.rule.targets, "copy"), step.sources, step.targets)
            filled[step.targets[0]] = step
        done.append(step)
    return done


def target_shapes(step: Step, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes of our tensors, from those of the upstream ones (ties give none).

    Raises:
        KeyRuleError: a fused tensor does not divide evenly.
    """
    first, op = shapes[step.sources[0]], step.rule.op
    if op == "tie":
        return {}
    if op == "copy":
        return {step.targets[0]: first}
    parts = len(step.targets)
    rows = sum(shapes[s][0] for s in step.sources)
    if rows % parts:
        raise KeyRuleError(f"'{step.sources[0]}' has {rows} rows, which {step.rule} cannot cut into {parts} parts.")
    shape = (rows // parts, *first[1:])
    return dict.fromkeys(step.targets, shape[::-1])


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

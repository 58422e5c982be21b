"""Applies a table of key rules both ways, from the keys of a published checkpoint to ours and back.

A template such as `encoder.layer.{i}.output.dense.weight` matches any number at `{i}`; the same name on the
other side is filled with it. Every key of a checkpoint must match a rule, and every target must be filled
exactly once: anything else is a `KeyRuleError` that names the key and the rule. Standard library only; the
arrays are moved by `zoo.checkpoint.apply`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from zoo.checkpoint.rules import NETWORK_PREFIXES, UNUSED_PREFIX, Plan, Rule, Step, group_of
from zoo.errors import KeyRuleError
from zoo.files import quote

# What training code puts around a network: these components stand anywhere in a key ...
WRAPPER_COMPONENT = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
# ... and these before everything, in any order and number.
WRAPPER_PREFIXES = ("module.", "model.", "net.", "network.", "backbone.", "auto_model.", "0.auto_model.")


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
        pooled: heads that stand on the pooler: a file without one has none of them.
        file: the weight file that upstream's code reads, for the way back; its ending decides the format.
        optional: tensors of ours that a file may lack; the network computes them.
    """

    rules: tuple[Rule, ...]
    base: str = ""
    wrappers: tuple[str, ...] = WRAPPER_PREFIXES
    spellings: tuple[tuple[str, str], ...] = ()
    pooled: tuple[str, ...] = ()
    file: str = "model.safetensors"
    optional: tuple[str, ...] = ()

    @cached_property
    def _by_source(self) -> list[tuple[re.Pattern[str], Rule, int]]:
        return [(_regex(s), rule, n) for rule in self.rules for n, s in enumerate(rule.sources)]

    def prefer(self, task: str | None) -> KeyMap:
        """Gives the same table with the rules of one head first.

        Upstream names some heads alike ("classifier.weight" is a tagger's or a multiple-choice model's), so the
        checkpoint's task decides; the first rule that matches wins. Reading backwards needs no preference.
        """
        group = f"{group_of(task)}."
        rules = sorted(self.rules, key=lambda r: not any(t.startswith(group) for t in r.targets))
        return replace(self, rules=tuple(rules))

    @cached_property
    def _roots(self) -> set[str]:
        """Gives the first components of the keys of the network itself, without the base."""
        rules = (r for r in self.rules if r.op != "tie" and any(t.startswith(NETWORK_PREFIXES) for t in r.targets))
        return {source.removeprefix(self.base).partition(".")[0] for rule in rules for source in rule.sources}

    def _readings(self, key: str) -> Iterator[str]:
        """Gives a key as it is spelled today; then without one wrapper after the other."""
        key = WRAPPER_COMPONENT.sub("", key)
        for old, new in self.spellings:
            if key.endswith(old):
                key = key.removesuffix(old) + new
        yield key
        while wrapper := next((w for w in self.wrappers if key.startswith(w)), ""):
            key = key.removeprefix(wrapper)
            yield key

    def match(self, key: str) -> tuple[Rule, int, dict[str, str]] | None:
        """Gives the rule of an upstream key, which of the rule's sources it is, and the numbers in it."""
        for reading in self._readings(key):
            for candidate in (reading, self.base + reading) if self.base else (reading,):
                for pattern, rule, position in self._by_source:
                    if found := pattern.fullmatch(candidate):
                        return rule, position, found.groupdict()
        return None

    def is_inside(self, key: str) -> bool:
        """Tells whether a key is of the network itself, by its first component, and not of a head or beside it."""
        *_, reading = self._readings(key)
        return (bool(self.base) and reading.startswith(self.base)) or reading.partition(".")[0] in self._roots

    def plan(self, keys: Iterable[str]) -> Plan:
        """Assigns every upstream key to a rule; a key beside the network that no rule knows is kept as it is.

        Raises:
            KeyRuleError: a part of the network has no rule, no key is of the network, two keys mean the same
                tensor, or a part of a joined tensor is missing.
        """
        groups: dict[tuple[int, tuple[tuple[str, str], ...]], dict[int, str]] = {}
        strange: list[str] = []
        rules = {id(r): r for r in self.rules}
        for key in keys:
            hit = self.match(key)
            if hit is None:
                strange.append(key)
                continue
            rule, position, numbers = hit
            parts = groups.setdefault((id(rule), tuple(numbers.items())), {})
            if position in parts:
                raise KeyRuleError(
                    f"{quote(key)} and {quote(parts[position])} are the same tensor by the rule {rule}.",
                    "Keep the keys of one network in the file.",
                )
            parts[position] = key
        network = any(t.startswith(NETWORK_PREFIXES) for rule_id, _ in groups for t in rules[rule_id].targets)
        self._check_strange(strange, network)
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
        kept = [
            Step(Rule((key,), (UNUSED_PREFIX + key,), "copy"), (key,), (UNUSED_PREFIX + key,)) for key in strange
        ]
        return Plan((*_fill_once(steps), *kept), dropped, tuple(strange))

    def _check_strange(self, keys: list[str], network: bool) -> None:
        """Raises KeyRuleError where keys without a rule are more than something beside the network."""
        inside = [key for key in keys if self.is_inside(key)]
        if inside:
            added = any(word in key.lower() for key in inside for word in ("lora", "adapter"))
            raise KeyRuleError(
                f"The file has {len(inside)} tensors inside the network that config.json's network does not have; "
                f"the first is {quote(inside[0])}.",
                "Adapters are merged into the model by the library that made them; the merged model can be loaded."
                if added
                else "Is this the weight file of config.json's network? Without them the numbers would differ.",
            )
        if keys and not network:
            raise KeyRuleError(
                f"No tensor of the file is of config.json's network; one that no rule knows is {quote(keys[0])}.",
                "Does config.json belong to this weight file? A prefix that a training script added is removed "
                "from the keys first.",
            )

    def reverse(self, names: Iterable[str]) -> Plan:
        """Gives which upstream tensors our tensors become: the table read backwards. Ties are not written again.

        Raises:
            KeyRuleError: one of our names has no rule, or a part of a split tensor is missing.
        """
        left = dict.fromkeys(names)
        steps = []
        while left:
            name = next(iter(left))
            if name.startswith(UNUSED_PREFIX):
                del left[name]
                key = name.removeprefix(UNUSED_PREFIX)
                steps.append(Step(Rule((key,), (name,), "copy"), (key,), (name,)))
                continue
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
    """Gives steps that fill every target once; an alias fills it where the file left the tensor itself out."""
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

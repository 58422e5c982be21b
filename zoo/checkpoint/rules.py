"""Defines the rules by which the tensors of a published checkpoint become ours, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Shape = tuple[int, ...]
NETWORK_PREFIXES = ("encoder.", "seq2seq.")  # starts of our names that are no head's and not unused
UNUSED_PREFIX = "unused.upstream."  # what no rule knows and the network does without, under its own key


def group_of(task: str | None) -> str:
    """Gives the first part of the names of a head's tensors: the task, spelled as a Python name."""
    return (task or "").replace("-", "_")


@dataclass(frozen=True)
class TensorInfo:
    """The name, element type ("F32", "BF16", "I64", ... as safetensors spells it) and shape of a tensor."""

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
    """Gives the rule for a tensor that is the same in both layouts."""
    return (Rule((source,), (target,), "copy"),)


def linear(source: str, target: str, bias: bool = True) -> tuple[Rule, ...]:
    """Gives the rules for a Linear layer: torch keeps [out, in], Paddle [in, out]."""
    weight = Rule((f"{source}.weight",), (f"{target}.weight",), "transpose")
    return (weight, *copy(f"{source}.bias", f"{target}.bias")) if bias else (weight,)


def norm(source: str, target: str) -> tuple[Rule, ...]:
    """Gives the rules for a LayerNorm: weight and bias are the same in both layouts."""
    return (*copy(f"{source}.weight", f"{target}.weight"), *copy(f"{source}.bias", f"{target}.bias"))


def split(source: str, targets: Iterable[str]) -> tuple[Rule, ...]:
    """Gives the rules for one fused Linear upstream and several of equal size here (query, key, value)."""
    names = tuple(targets)
    return tuple(
        Rule((f"{source}.{leaf}",), tuple(f"{t}.{leaf}" for t in names), "split") for leaf in ("weight", "bias")
    )


def tie(source: str, target: str) -> tuple[Rule, ...]:
    """Gives the rule for an upstream alias of a tensor that has its own rule."""
    return (Rule((source,), (target,), "tie"),)


def drop(source: str, reason: str) -> tuple[Rule, ...]:
    """Gives the rule for an upstream key that is left out on purpose."""
    return (Rule((source,), (), "drop", reason),)


def as_paddle(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Gives the same rules for a library whose Linears lie as in Paddle, [in, out]: nothing is transposed."""
    return tuple(replace(rule, op="copy") if rule.op == "transpose" else rule for rule in rules)


@dataclass(frozen=True)
class Step:
    """One application of a rule: these upstream tensors become these tensors of ours."""

    rule: Rule
    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps of a conversion.

    Attributes:
        steps: in the order of the file.
        dropped: keys that are left out, with their reason.
        strange: keys that no rule knows and the network does without; their steps keep them as they are.
    """

    steps: tuple[Step, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    strange: tuple[str, ...] = ()

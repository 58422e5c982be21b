"""Finds the first sub-layer that differs from the original, the rule that filled it, and a change that mends it.

Sub-layers are paired by the key table: the torch module of `….query.weight` is the Paddle one of the target of that
key. The original runs once with hooks, ours once; in the order of the original the first pair whose outputs differ
although its inputs agree is at fault. When the inputs already differ, the fault is in the code in front of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import erf
from pathlib import Path
from typing import Any

import numpy as np

from conversion.cases import Case, CaseMaker
from conversion.reference import Reference, load_original
from conversion.sides import Call, PaddleSide, TorchSide
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Rule
from zoo.loading import load

CLOSE = 1e-4  # a guess mends a layer when it brings the difference under this share of the layer's largest value
EPSILONS = (1e-12, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3)


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": _gelu,
    "gelu_new (the tanh form)": _gelu_tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Pair:
    """A sub-layer on both sides."""

    torch: str
    ours: str
    rule: Rule


@dataclass
class Trace:
    """What both networks did with one batch."""

    case: Case
    pairs: list[Pair]
    original: dict[str, Call]
    ours: dict[str, Call]
    side: PaddleSide

    def gap(self, pair: Pair, part: int) -> float:
        """Largest difference of an input (0) or output (1) at real tokens, as a share of the largest value."""
        theirs, mine = self.real(self.original[pair.torch][part]), self.real(self.ours[pair.ours][part])
        if theirs.shape != mine.shape:
            return float("inf")
        return distance(mine, theirs)

    def real(self, array: np.ndarray) -> np.ndarray:
        """Rows at real tokens, [N, D]; arrays without a token axis as they are."""
        mask = self.case.real.reshape(-1, self.case.real.shape[-1])
        if array.shape[:2] == mask.shape:
            return array[mask]
        return array.reshape(-1, array.shape[-1])

    def input(self, pair: Pair) -> np.ndarray:
        return self.real(self.original[pair.torch][0])

    def output(self, pair: Pair) -> np.ndarray:
        return self.real(self.original[pair.torch][1])

    def weights(self, pair: Pair) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Weight and bias of ours, Paddle layout."""
        return self.side.parameter(f"{pair.ours}.weight"), self.side.parameter(f"{pair.ours}.bias")


def distance(mine: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference as a share of the largest value."""
    apart = np.abs(mine.astype(np.float64) - theirs).max(initial=0)
    return float(np.nan_to_num(apart / max(np.abs(theirs).max(initial=0), 1e-30), nan=np.inf))


def find(
    reference: Reference, architecture: str, task: str | None, upstream: Path, converted: Path, keymap: KeyMap
) -> dict[str, Any]:
    """The first sub-layer that differs: its names on both sides, the rule, the figures, the guess, a sentence."""
    config = json.loads((converted / "config.json").read_text(encoding="utf-8"))
    config = {**config.get("encoder_config", {}), **config}
    side = "right"
    case = CaseMaker(reference, config, task, seed=1).random("bisection", [16, 7], side)
    original = TorchSide(load_original(reference, architecture, upstream))
    ours = PaddleSide(load(str(converted), task=task or "encoder"))
    pairs = pairs_of(original, keymap)
    trace = Trace(
        case,
        pairs,
        original.trace(case, [p.torch for p in pairs], task is not None),
        ours.trace(case, [p.ours for p in pairs]),
        ours,
    )
    return judge(trace)


def pairs_of(original: TorchSide, keymap: KeyMap) -> list[Pair]:
    """Torch modules and ours, by the rules of their weights."""
    found = {}
    for module in original.leaves():
        for leaf in ("weight", "bias"):
            hit = keymap.match(f"{module}.{leaf}")
            if hit is None or hit[0].op in ("tie", "drop", "split") or module in found:
                continue
            rule, _, numbers = hit
            target = rule.targets[0].format(**numbers)
            if not target.startswith("unused."):
                found[module] = Pair(module, target.rpartition(".")[0], rule)
    return list(found.values())


def judge(trace: Trace, limit: float = 1e-5) -> dict[str, Any]:
    """The verdict over a trace."""
    by_torch = {p.torch: p for p in trace.pairs}
    ran = [by_torch[name] for name in trace.original if by_torch[name].ours in trace.ours]
    before: Pair | None = None
    for pair in ran:
        entering, leaving = trace.gap(pair, 0), trace.gap(pair, 1)
        if leaving > limit and entering <= limit:
            guess = next(guess_layer(trace, pair, ran), "")
            text = (
                f"The first sub-layer that differs is '{pair.ours}' (torch: '{pair.torch}'), by {leaving:.2g} of "
                f"its largest value while its input agrees. The rule {pair.rule} filled it."
            )
            return _verdict(text, guess, pair, entering, leaving)
        if entering > limit:
            if swapped := find_swapped(trace, pair, ran[: ran.index(pair)], limit):
                one, two = swapped
                text = (
                    f"The first input that differs is that of '{pair.ours}', and exchanging the weights of "
                    f"'{one.ours}' (torch: '{one.torch}') and '{two.ours}' (torch: '{two.torch}') mends it. "
                    f"The rules {one.rule} and {two.rule} filled them."
                )
                return _verdict(text, "These two rules are swapped.", one, entering, leaving)
            guess = next(guess_between(trace, before, pair), "") if before else ""
            after = f"after '{before.ours}', which agrees, and " if before else ""
            text = (
                f"The first difference is {after}before '{pair.ours}' (torch: '{pair.torch}'), whose input "
                f"differs by {entering:.2g} of its largest value: the weights agree so far, what is computed "
                "between does not."
            )
            return _verdict(text, guess, pair, entering, leaving)
        before = pair
    text = "Every sub-layer agrees on a small batch; the difference is behind the last one, or in the loss."
    return {"text": text, "guess": ""}


def _verdict(text: str, guess: str, pair: Pair, entering: float, leaving: float) -> dict[str, Any]:
    return {
        "text": f"{text}\n{guess}" if guess else text,
        "guess": guess,
        "layer": pair.ours,
        "torch": pair.torch,
        "rule": str(pair.rule),
        "input_gap": entering,
        "output_gap": leaving,
    }


def guess_layer(trace: Trace, pair: Pair, ran: list[Pair]) -> Iterator[str]:
    """What would make a sub-layer with its inputs right give the original's output; each guess is tried."""
    x, want = trace.input(pair), trace.output(pair)
    weight, bias = trace.weights(pair)
    if weight is None:
        return
    zero = np.zeros(1, np.float32)
    if "embeddings" in pair.ours and weight.ndim == 2:
        yield from _guess_table(trace, pair, weight, want)
    elif weight.ndim == 2:
        b = zero if bias is None else bias
        if weight.shape[0] == weight.shape[1] and distance(x @ weight.T + b, want) < CLOSE:
            yield f"Transposing '{pair.ours}.weight' mends it: the rule needs `linear` (or must not have it)."
        for other in ran:
            w2, b2 = trace.weights(other)
            if other is not pair and w2 is not None and w2.shape == weight.shape and _sibling(other, pair):
                b2 = zero if b2 is None else b2
                if distance(x @ w2 + b2, want) < CLOSE:
                    yield f"The weights of '{other.ours}' mend it: the two rules are swapped."
                if distance(x @ weight + b2, want) < CLOSE:
                    yield f"The bias of '{other.ours}' mends it: the two rules are swapped."
        if distance(x @ weight, want) < CLOSE:
            yield f"Leaving '{pair.ours}.bias' out mends it."
        yield from _guess_bias(x @ weight, want, pair)
    else:
        yield from _guess_norm(x, weight, zero if bias is None else bias, want, pair)


def _sibling(one: Pair, other: Pair) -> bool:
    return one.ours.rpartition(".")[0] == other.ours.rpartition(".")[0]


def _guess_bias(product: np.ndarray, want: np.ndarray, pair: Pair) -> Iterator[str]:
    rest = want - product
    if distance(np.broadcast_to(rest.mean(0), rest.shape), rest) < CLOSE:
        yield f"Another '{pair.ours}.bias' mends it; its weight is right."


def _guess_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, want: np.ndarray, pair: Pair) -> Iterator[str]:
    centred = x.astype(np.float64) - x.mean(-1, keepdims=True, dtype=np.float64)
    variance = (centred**2).mean(-1, keepdims=True)
    normal = {eps: centred / np.sqrt(variance + eps) for eps in EPSILONS}
    as_is = {eps: distance(n * weight + bias, want) for eps, n in normal.items()}
    exchanged = min(distance(n * bias + weight, want) for n in normal.values())
    best = min(as_is, key=lambda eps: as_is[eps])
    if as_is[best] < 1e-6:
        yield f"Epsilon {best:g} mends '{pair.ours}'."
    if exchanged < 1e-6:
        yield f"Exchanging weight and bias of '{pair.ours}' mends it (gamma and beta)."


def _guess_table(trace: Trace, pair: Pair, table: np.ndarray, want: np.ndarray) -> Iterator[str]:
    ids = trace.original[pair.torch][0]
    mask = trace.case.real.reshape(-1, trace.case.real.shape[-1])
    rows = (ids[mask] if ids.shape == mask.shape else np.broadcast_to(ids, mask.shape)[mask]).astype(int)
    for shift in (-2, -1, 1, 2):
        moved = rows + shift
        if moved.min() >= 0 and moved.max() < len(table) and distance(table[moved], want) < CLOSE:
            yield f"Rows moved by {shift} mend '{pair.ours}'."


def find_swapped(trace: Trace, pair: Pair, earlier: list[Pair], limit: float) -> tuple[Pair, Pair] | None:
    """Two sub-layers in front of `pair` that were filled with each other's weights.

    Each agrees with the torch module that its own rule names, so no single one stands out; but they run in another
    order than those modules do. Exchanging them is tried.
    """
    order = {name: n for n, name in enumerate(trace.ours)}
    for at, one in enumerate(earlier):
        for two in earlier[at + 1 :]:
            if order[one.ours] > order[two.ours] and _sibling(one, two) and trace.side.exchange(one.ours, two.ours):
                again = trace.side.trace(trace.case, [pair.ours])
                trace.side.exchange(one.ours, two.ours)
                mended = Trace(trace.case, [pair], trace.original, again, trace.side)
                if mended.gap(pair, 0) <= limit:
                    return one, two
    return None


def guess_between(trace: Trace, before: Pair, pair: Pair) -> Iterator[str]:
    """What lies between two sub-layers: tried as an activation function."""
    x, want = trace.output(before), trace.input(pair)
    if x.shape == want.shape:
        for name, function in ACTIVATIONS.items():
            if distance(function(x.astype(np.float64)), want) < 1e-6:
                yield f"The original computes {name} there; ours computes something else."

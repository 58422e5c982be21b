"""The differences of a comparison, and which of them are over tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conversion.cases import Case
from conversion.reference import Tolerance


@dataclass
class Figures:
    """Differences so far; the worst of each output, the worst gradient."""

    tolerance: Tolerance
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    gradients: int = 0
    below_floor: int = 0
    worst_gradient: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    failed_cases: set[str] = field(default_factory=set)
    maybe_rounding: bool = True

    def summary(self) -> dict[str, Any]:
        """For the report."""
        gradients = {"compared": self.gradients, "below_floor": self.below_floor, "worst": self.worst_gradient}
        return {"outputs": self.outputs, "gradients": gradients}

    def fail(self, what: str, case: Case, relative: float) -> None:
        """Notes a difference over tolerance."""
        self.failures.append(what)
        self.failed_cases.add(case.name)
        self.maybe_rounding &= relative <= self.tolerance.rounding

    def output(self, name: str, case: Case, ours: np.ndarray, original: np.ndarray) -> None:
        """Compares an output at real tokens."""
        gap, largest = 0.0, 0.0
        for mine, theirs in zip(real_rows(ours, case), real_rows(original, case), strict=True):
            apart = np.abs(mine.astype(np.float64) - theirs)
            gap = max(gap, float(np.nan_to_num(apart, nan=np.inf).max(initial=0)))
            largest = max(largest, float(np.abs(theirs).max(initial=0)))
        scale = 1.0 if "hidden" in name else max(1.0, largest)  # logits have no scale of their own
        limit = self.tolerance.output * scale
        if not gap <= limit:
            self.fail(f"{name} of '{case.name}' differs by {gap:.3g}, more than {limit:.3g}", case, gap / scale)
        known = self.outputs.get(name)
        if known is None or gap / limit > known["max_abs"] / known["limit"]:
            self.outputs[name] = {"max_abs": gap, "limit": limit, "largest": largest, "case": case.name}

    def gradient(self, name: str, case: Case, ours: np.ndarray, original: np.ndarray, network: float) -> None:
        """Compares a gradient; `network` is the largest of all gradients of the original."""
        largest = float(np.abs(original).max(initial=0))
        gap = float(np.nan_to_num(np.abs(ours - original), nan=np.inf).max(initial=0))
        scale = max(largest, self.tolerance.floor * network)
        relative = gap / scale if scale else gap
        self.gradients += 1
        self.below_floor += largest < scale
        if not relative <= self.tolerance.gradient:
            said = f"the gradient of {name} in '{case.name}' differs by {relative:.3g} of its largest"
            self.fail(said, case, relative)
        if not self.worst_gradient or relative > self.worst_gradient["relative"]:
            self.worst_gradient = {"name": name, "relative": relative, "absolute": gap, "case": case.name}


def real_rows(array: np.ndarray, case: Case) -> Iterator[np.ndarray]:
    """The part of an output that counts, a row at a time (logits of a large vocabulary do not fit twice)."""
    real = case.real.reshape(-1, case.real.shape[-1])
    if array.ndim >= 2 and array.shape[:2] == real.shape:
        yield from (row[seen] for row, seen in zip(array, real, strict=True))
    else:
        yield np.asarray(array)

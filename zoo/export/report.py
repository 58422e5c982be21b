"""What an export found out: differences, scores, sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.export.score_check import ScoreCost
from zoo.inference.output_check import Difference


@dataclass
class Report:
    """What an export found out.

    Attributes:
        task: the head; None for the bare encoder.
        inputs, outputs: names in the graph; of an encoder-decoder, which has two graphs, none.
        differences: output -> the largest difference to the eager model.
        trades: what each candidate scores and costs; empty without a gate.
        folder: where the export is; None when it was refused.
    """

    engine: str
    precision: str
    task: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    differences: dict[str, Difference] = field(default_factory=dict)
    trades: list[ScoreCost] = field(default_factory=list)
    guard: dict[str, Any] | None = None
    folder: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "folder": None if self.folder is None else str(self.folder),
            "engine": self.engine,
            "precision": self.precision,
            "task": self.task,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "differences": {name: asdict(found) for name, found in self.differences.items()},
            "trades": [asdict(trade) for trade in self.trades],
            "guard": self.guard,
        }

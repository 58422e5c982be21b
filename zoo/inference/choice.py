"""What runs a network: the engine, its precision, and why it was chosen. Imports no framework."""

from __future__ import annotations

from dataclasses import dataclass

from zoo import env
from zoo.inference.kinds import ENGINES, versions


@dataclass(frozen=True)
class Choice:
    """What runs a network, and why, in one line."""

    engine: str
    precision: str
    why: str

    def __str__(self) -> str:
        kind = ENGINES[self.engine]
        threads = env.threads()
        release = versions(self.engine)[kind.packages[0]]
        return f"{kind.title} {release}, {self.precision}, {threads} thread{'s' if threads > 1 else ''}"

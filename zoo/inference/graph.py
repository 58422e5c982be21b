"""What a network on disk is, whatever made it and whatever runs it. Imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.batching import Limits
from zoo.errors import UsageError

GRAPH_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class NoCounterpartError(UsageError):
    """An operator of Paddle that an engine's graph has nothing for."""


@dataclass(frozen=True)
class Graph:
    """A network on disk.

    Attributes:
        folder: holds the files, named model.*.
        inputs: names, in their order.
        outputs: what the graph's outputs are called by us, in their order; see `zoo.inference.static.fields`.
            Of an encoder-decoder, whose two graphs are named source.* and step.*, inputs and outputs are empty.
        limits: of what it may be given, where they are known: OpenVINO's look-ups give zeros beyond a table.
    """

    folder: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    limits: Limits | None = None

    @property
    def generates(self) -> bool:
        """Tells whether it is an encoder-decoder's."""
        return not self.outputs


def inputs_of(model: Any) -> tuple[str, ...]:
    """Names of a graph's inputs; `model` is whatever has the config.

    A model that knows one type of token only has no token_type_ids.
    """
    return GRAPH_INPUTS if model.config.token_types > 1 else GRAPH_INPUTS[:2]

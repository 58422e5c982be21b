"""Estimates the memory that a network takes: as weights, while it is loaded, and in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FLOAT, HALF = 4, 2  # bytes of a number
# In training each parameter has its gradient and AdamW's two moments beside it, all float32.
COPIES_IN_TRAINING = 4
# Numbers that a step of float32 training keeps for each token until its gradient is known, as paddle 3.3 allocates:
# of a layer times hidden size, inner size and heads x length; of embeddings and head times hidden size.
LAYER_HIDDEN, LAYER_INNER, LAYER_SCORES, OUTSIDE_HIDDEN = 8.5, 2.0, 2.25, 2.3
BATCHES = ((8, 128), (8, 512))  # rows x tokens of the plan


@dataclass(frozen=True)
class Needs:
    """What a network takes, in bytes.

    Attributes:
        parameters: how many.
        float32, half: the weights; half is float16 and bfloat16.
        loading: reading the published file: float32 weights and the largest tensor once more. A converted folder is
            mapped instead and takes none of its own on a CPU.
        training: weights, gradients and AdamW's moments.
        activations: (rows, tokens) -> what a step with a classifier keeps; empty for networks whose layers are not
            BERT's.
    """

    parameters: int
    float32: int
    half: int
    loading: int
    training: int
    activations: Mapping[tuple[int, int], int]

    @classmethod
    def of(cls, parameters: int, config: Mapping[str, object]) -> Needs:
        """Gives the needs of a network with this many parameters and the sizes in config.json."""
        weights = FLOAT * parameters
        words, hidden, inner = (_size(config, n) for n in ("vocab_size", "hidden_size", "intermediate_size"))
        largest = FLOAT * max(words * hidden, hidden * inner) or weights
        kept = {b: activations(config, *b) for b in BATCHES}
        return cls(
            parameters,
            weights,
            HALF * parameters,
            weights + largest,
            COPIES_IN_TRAINING * weights,
            {batch: size for batch, size in kept.items() if size},
        )

    def plain(self) -> dict[str, object]:
        """Gives the needs as JSON."""
        batches = {f"{rows}x{tokens}": size for (rows, tokens), size in self.activations.items()}
        return {**vars(self), "activations": batches}


def activations(config: Mapping[str, object], rows: int, tokens: int) -> int:
    """Gives the bytes that a step of training keeps of a batch; 0 for a network whose layers are not BERT's."""
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers")
    hidden, inner, heads, layers = (_size(config, name) for name in names)
    if not hidden * inner * heads * layers:
        return 0
    layer = LAYER_HIDDEN * hidden + LAYER_INNER * inner + LAYER_SCORES * heads * tokens
    return round(FLOAT * rows * tokens * (layers * layer + OUTSIDE_HIDDEN * hidden))


def _size(config: Mapping[str, object], name: str) -> int:
    value = config.get(name)
    return value if isinstance(value, int) else 0

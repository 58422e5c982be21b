"""What a model returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paddle import Tensor

NOT_COMPUTED: Any = None


@dataclass
class Output:
    """The result of a forward pass; what a model does not compute is None.

    Attributes:
        last_hidden_state: [B, T, D], after the last layer.
        pooler_output: [B, D], tanh of a Linear over the first token, for encoders with a pooler.
        hidden_states: the embeddings and then every layer, each [B, T, D]; with output_hidden_states=True.
        logits: [B, C] for classification, [B, T, C] for tagging, [B, T, V] for mlm, [B, N] for multiple-choice.
        start_logits: [B, T], for qa.
        end_logits: [B, T], for qa.
        embeddings: [B, D], for embedding.
        loss: scalar; with labels.
    """

    last_hidden_state: Tensor = NOT_COMPUTED
    pooler_output: Tensor = NOT_COMPUTED
    hidden_states: tuple[Tensor, ...] = NOT_COMPUTED
    logits: Tensor = NOT_COMPUTED
    start_logits: Tensor = NOT_COMPUTED
    end_logits: Tensor = NOT_COMPUTED
    embeddings: Tensor = NOT_COMPUTED
    loss: Tensor = NOT_COMPUTED

"""Defines what a model returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddle import Tensor

NOT_COMPUTED: Any = None  # so that a caller need not ask about None for what the task always gives


@dataclass
class Output:
    """The result of a forward pass; what a model does not compute is None.

    Attributes:
        last_hidden_state: [B, T, D], after the last layer.
        pooler_output: [B, D], tanh of a Linear over the first token, for encoders with a pooler.
        hidden_states: the embeddings and then every layer, each [B, T, D]; with output_hidden_states=True.
        logits: [B, C] for classification, [B, T, C] for tagging, [B, T, V] for mlm, [B, N] for multiple-choice,
            [B, T] for discriminator, [B] for qa-beam: above 0 when the text has no answer.
        start_logits: [B, T], for qa and qa-beam.
        end_logits: [B, T], for qa.
        start_index: [B, S], the S most likely starts, for qa-beam.
        start_scores: [B, S], their probabilities.
        end_index: [B, S, E], the E most likely ends of each of these starts.
        end_scores: [B, S, E], their probabilities, given the start.
        embeddings: [B, D], for embedding.
        token_weights: [B, T], from 0 on, 0 at padding; for embedding, of a model with these two outputs.
        token_vectors: [B, T, C], each of length 1, 0 at the first token and at padding; likewise.
        encoder_last_hidden_state: [B, S, D], what the decoder of an encoder-decoder attends to.
        loss: scalar; with labels.
    """

    last_hidden_state: Tensor = NOT_COMPUTED
    pooler_output: Tensor = NOT_COMPUTED
    hidden_states: tuple[Tensor, ...] = NOT_COMPUTED
    logits: Tensor = NOT_COMPUTED
    start_logits: Tensor = NOT_COMPUTED
    end_logits: Tensor = NOT_COMPUTED
    start_index: Tensor = NOT_COMPUTED
    start_scores: Tensor = NOT_COMPUTED
    end_index: Tensor = NOT_COMPUTED
    end_scores: Tensor = NOT_COMPUTED
    embeddings: Tensor = NOT_COMPUTED
    token_weights: Tensor = NOT_COMPUTED
    token_vectors: Tensor = NOT_COMPUTED
    encoder_last_hidden_state: Tensor = NOT_COMPUTED
    loss: Tensor = NOT_COMPUTED

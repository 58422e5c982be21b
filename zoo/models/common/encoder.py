"""Computes the post-norm transformer encoder of BERT: layers, the loop over them, the pooler."""

from __future__ import annotations

from collections.abc import Iterable

from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.models.common.attention import SelfAttention
from zoo.models.common.config import EncoderConfig
from zoo.models.common.layers import ACTIVATIONS, linear
from zoo.models.common.outputs import NOT_COMPUTED


class FeedForward(nn.Layer):
    """A Linear from D to F, an activation, and a Linear back to D."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.inner = linear(config.hidden_size, config.intermediate_size, config.initializer_range)
        self.outer = linear(config.intermediate_size, config.hidden_size, config.initializer_range)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.activation(self.inner(x)))


class EncoderLayer(nn.Layer):
    """An attention and a feed-forward, each with dropout, residual and LayerNorm after it (post-norm)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(
            config.hidden_size,
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
            config.initializer_range,
        )
        self.attention_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Gives [B, T, D] of x [B, T, D]. mask: additive, [B, 1, 1, T]."""
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def run_layers(
    layers: Iterable[nn.Layer], x: Tensor, mask: Tensor | None, keep_all: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Returns the last hidden state and, when all are kept, the embeddings and the result of every layer."""
    kept = [x]
    for layer in layers:
        x = layer(x, mask)
        if keep_all:
            kept.append(x)
    return x, tuple(kept) if keep_all else NOT_COMPUTED


class Pooler(nn.Layer):
    """The tanh of a Linear over the first token."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = linear(config.hidden_size, config.hidden_size, config.initializer_range)

    def forward(self, x: Tensor) -> Tensor:
        """Gives [B, D] of x [B, T, D]."""
        return F.tanh(self.dense(x[:, 0]))

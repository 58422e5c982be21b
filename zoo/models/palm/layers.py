"""The pre-norm layers of both PALM networks.

Legend of shapes: B texts, S source tokens, N tokens decoded now, P tokens decoded before, D hidden, H heads,
K head size, F feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paddle import Tensor, nn

from zoo.models.common.attention import SelfAttention
from zoo.models.common.decoding import DecoderAttention, KeyValue
from zoo.models.common.layers import linear


@dataclass(frozen=True)
class LayerSizes:
    """What a layer is made of.

    Attributes:
        dropout: after each sub-layer.
        attention_dropout: of the attention weights.
        inner_dropout: behind the activation.
        std: standard deviation of the initial weights.
    """

    hidden: int
    heads: int
    inner: int
    activation: Callable[[Tensor], Tensor]
    epsilon: float
    std: float
    dropout: float
    attention_dropout: float
    inner_dropout: float = 0.0

    def norm(self) -> nn.LayerNorm:
        """A LayerNorm of this size."""
        return nn.LayerNorm(self.hidden, epsilon=self.epsilon)


class FeedForward(nn.Layer):
    """D -> F -> D with an activation and dropout between."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.inner = linear(sizes.hidden, sizes.inner, sizes.std)
        self.outer = linear(sizes.inner, sizes.hidden, sizes.std)
        self.activation = sizes.activation
        self.dropout = nn.Dropout(sizes.inner_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.dropout(self.activation(self.inner(x))))


class PreNormEncoderLayer(nn.Layer):
    """Attention and feed-forward, each with LayerNorm before it, dropout and residual after it."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.attention_norm = sizes.norm()
        self.attention = SelfAttention(sizes.hidden, sizes.heads, sizes.attention_dropout, sizes.std)
        self.feed_forward_norm = sizes.norm()
        self.feed_forward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: [B, S, D]. mask: additive, [B, 1, 1, S]. Returns [B, S, D]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class PreNormDecoderLayer(nn.Layer):
    """Self-attention, cross-attention and feed-forward, each pre-norm; the memory has no LayerNorm here."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.attention_norm = sizes.norm()
        self.attention = DecoderAttention(sizes.hidden, sizes.heads, sizes.attention_dropout, sizes.std)
        self.cross_attention_norm = sizes.norm()
        self.cross_attention = DecoderAttention(sizes.hidden, sizes.heads, sizes.attention_dropout, sizes.std)
        self.feed_forward_norm = sizes.norm()
        self.feed_forward = FeedForward(sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: KeyValue,
        memory_mask: Tensor | None,
        past: KeyValue | None,
    ) -> tuple[Tensor, KeyValue]:
        """Arguments as in `Seq2Seq.decode`, of this layer. x: [B, N, D]. Returns [B, N, D] and new keys, values."""
        x, new = self.look_back(x, mask, past)
        return self.look_up(x, memory, memory_mask), new

    def look_back(self, x: Tensor, mask: Tensor | None, past: KeyValue | None) -> tuple[Tensor, KeyValue]:
        """The self-attention. Returns [B, N, D] and the new keys and values."""
        seen = self.attention_norm(x)
        new = self.attention.keys_values(seen)
        blocks = [new] if past is None else [past, new]
        return x + self.dropout(self.attention(seen, blocks, mask)), new

    def look_up(self, x: Tensor, memory: KeyValue, memory_mask: Tensor | None) -> Tensor:
        """The cross-attention and the feed-forward. Returns [B, N, D]."""
        x = x + self.dropout(self.cross_attention(self.cross_attention_norm(x), [memory], memory_mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))

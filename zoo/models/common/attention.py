"""Computes multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.models.common.layers import linear


class SelfAttention(nn.Layer):
    """Attention of a sequence to itself, up to and including the output projection.

    Three Linears and matmul-softmax-matmul: the pattern that oneDNN fuses best on CPU.
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout: float, std: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_size = hidden_size // num_heads
        self.query = linear(hidden_size, hidden_size, std)
        self.key = linear(hidden_size, hidden_size, std)
        self.value = linear(hidden_size, hidden_size, std)
        self.output = linear(hidden_size, hidden_size, std)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Gives [B, T, D] of x [B, T, D]. mask: additive, broadcast over [B, H, T, T]."""
        query = self._split(self.query(x) * self.head_size**-0.5)
        scores = paddle.matmul(query, self._split(self.key(x)), transpose_y=True)  # [B, H, T, T]
        if mask is not None:
            scores = scores + mask
        weights = self.dropout(F.softmax(scores, axis=-1))
        context = paddle.matmul(weights, self._split(self.value(x)))  # [B, H, T, K]
        return self.output(context.transpose([0, 2, 1, 3]).reshape([0, 0, self.num_heads * self.head_size]))

    def _split(self, x: Tensor) -> Tensor:
        """Turns [B, T, D] into [B, H, T, K]."""
        return x.reshape([0, 0, self.num_heads, self.head_size]).transpose([0, 2, 1, 3])

"""Computes a decoder's attention: over what came before, what is decoded now, and the encoder's memory.

Several hypotheses of one text are rows of one sequence: the N tokens that a call decodes are N steps of one
target (training), one token each of N hypotheses (beam search), or one token (greedy). A mask says who sees whom,
so nothing of a cache moves when beams change places, and the memory of a text is kept once, not per hypothesis.

Legend of shapes: B texts, S source tokens, N tokens decoded now, P tokens decoded before, D hidden, H heads,
K head size; see zoo/models/common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.models.common.layers import linear


class KeyValue(NamedTuple):
    """The keys and values of some tokens, [B, H, tokens, K] each."""

    key: Tensor
    value: Tensor


class DecoderAttention(nn.Layer):
    """An attention up to its output projection, over blocks of keys and values (a cache, the new)."""

    def __init__(self, hidden_size: int, num_heads: int, dropout: float, std: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_size = hidden_size // num_heads
        self.query = linear(hidden_size, hidden_size, std)
        self.key = linear(hidden_size, hidden_size, std)
        self.value = linear(hidden_size, hidden_size, std)
        self.output = linear(hidden_size, hidden_size, std)
        self.dropout = nn.Dropout(dropout)

    def keys_values(self, x: Tensor) -> KeyValue:
        """Gives keys and values of x [B, T, D]."""
        return KeyValue(self._split(self.key(x)), self._split(self.value(x)))

    def forward(self, x: Tensor, blocks: Sequence[KeyValue], mask: Tensor | None) -> Tensor:
        """Attends to every block at once, without joining them.

        Args:
            x: [B, N, D].
            blocks: keys and values, in the order of the mask's columns.
            mask: additive, broadcast over [B, H, N, tokens of all blocks]; None when all are seen.

        Returns:
            [B, N, D].
        """
        query = self._split(self.query(x) * self.head_size**-0.5)  # [B, H, N, K]
        parts = [paddle.matmul(query, block.key, transpose_y=True) for block in blocks]
        scores = parts[0] if len(parts) == 1 else paddle.concat(parts, axis=-1)  # [B, H, N, tokens]
        if mask is not None:
            scores = scores + mask
        weights = self.dropout(F.softmax(scores, axis=-1))
        start = parts[0].shape[-1]
        context = paddle.matmul(weights[:, :, :, :start], blocks[0].value)  # [B, H, N, K]
        for n in range(1, len(blocks)):  # no zip: tracing does not take it with `strict`
            share, start = weights[:, :, :, start : start + parts[n].shape[-1]], start + parts[n].shape[-1]
            context = context + paddle.matmul(share, blocks[n].value)
        return self.output(context.transpose([0, 2, 1, 3]).reshape([0, 0, self.num_heads * self.head_size]))

    def _split(self, x: Tensor) -> Tensor:
        """Turns [B, T, D] into [B, H, T, K]."""
        return x.reshape([0, 0, self.num_heads, self.head_size]).transpose([0, 2, 1, 3])


def causal_mask(tokens: int, dtype: paddle.dtype) -> Tensor:
    """Gives an additive mask [1, 1, N, N]: a token sees itself and those before it."""
    return paddle.triu(paddle.full([tokens, tokens], -1e30, dtype=dtype), diagonal=1).unsqueeze([0, 1])


def word_scores(hidden: Tensor, words: Tensor) -> Tensor:
    """Gives the scores of every word: hidden [B, N, D], the table of words [V, D] -> [B, N, V].

    In a graph it is a Linear over [B x N, D] with a transposed constant, which engines pack once; a product with
    the table itself would read the table again for each text.
    """
    if paddle.in_dynamic_mode():
        return paddle.matmul(hidden, words, transpose_y=True)
    size, width = words.shape
    flat = hidden.reshape([-1, width])
    scores = F.linear(flat, words.transpose([1, 0]), paddle.zeros([size], dtype=words.dtype))
    return scores.reshape([hidden.shape[0], -1, size])

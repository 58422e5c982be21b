"""VECO's encoder-decoder (Luo et al. 2021): post-norm layers, in training with cross-attention plugged in and out.

The pre-trained network has 24 encoder and 24 decoder layers; the translation recipe keeps the last six of the
decoder. The encoder alone, for understanding, is XLM-R's network (zoo/models/xlmr).
See zoo/models/common/decoding.py for the legend of shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import paddle
from paddle import Tensor, nn

from zoo.errors import UsageError
from zoo.models.common.decoding import DecoderAttention, KeyValue
from zoo.models.common.embeddings import Embedding, check_inputs, padded_positions
from zoo.models.common.encoder import EncoderLayer, FeedForward, run_layers
from zoo.models.common.layers import additive_mask, check_ids
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.veco.config import PAD, Config
from zoo.models.veco.losses import mean, smoothed_sum

FIRST_POSITION = PAD + 1  # fairseq counts positions from behind the padding's row


class DecoderLayer(nn.Layer):
    """Self-attention, cross-attention and feed-forward, each with dropout, residual and LayerNorm after it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        sizes = (config.d_model, config.decoder_attention_heads, config.attention_dropout, config.initializer_range)
        self.attention = DecoderAttention(*sizes)
        self.attention_norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.cross_attention = DecoderAttention(*sizes)
        self.cross_attention_norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.feed_forward = FeedForward(config.layer)
        self.feed_forward_norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None, memory: KeyValue, memory_mask: Tensor | None, past: KeyValue | None
    ) -> tuple[Tensor, KeyValue]:
        """x: [B, N, D]; the others are one layer's share of `Seq2Seq.decode`. Returns x and its keys and values."""
        new = self.attention.keys_values(x)
        blocks = [new] if past is None else [past, new]
        x = self.attention_norm(x + self.dropout(self.attention(x, blocks, mask)))
        x = self.cross_attention_norm(x + self.dropout(self.cross_attention(x, [memory], memory_mask)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x))), new


class Stack(nn.Layer):
    """What encoder and decoder each have for themselves: positions, a LayerNorm over the embeddings, layers."""

    def __init__(self, config: Config, layers: list[nn.Layer]) -> None:
        super().__init__()
        rows = config.max_position_embeddings + FIRST_POSITION
        self.scale = config.d_model**0.5
        self.position = Embedding(rows, config.d_model, config.initializer_range, PAD)
        self.norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.LayerList(layers)

    def embed(self, words: Tensor, position_ids: Tensor) -> Tensor:
        """words: [B, T, D]. position_ids: rows of the table, [B, T] or [1, T]."""
        check_ids("position_ids", position_ids, self.position.rows)
        return self.dropout(self.norm(words * self.scale + self.position(position_ids)))


class VECO(Seq2Seq):
    """The encoder-decoder. One table of words serves encoder, decoder and the scores of the next token.

    Args:
        config: sizes of the network, `decoder_layers` of them kept already.
        task: "generation" or None, which is the same network.
        kept: the layers of a file's decoder that this network's are, in this order; None for all.
    """

    LOSSES: ClassVar = {"smoothed_sum": smoothed_sum, "mean": mean}

    def __init__(self, config: Config, task: str | None = None, kept: Sequence[int] | None = None) -> None:
        super().__init__(config, task)
        if kept is not None:
            self.picks = {f"{self.prefix}decoder.layers": tuple(kept)}
        self.word = Embedding(config.vocab_size, config.d_model, config.initializer_range, PAD)
        self.encoder = Stack(config, [EncoderLayer(config.layer) for _ in range(config.encoder_layers)])
        self.decoder = Stack(config, [DecoderLayer(config) for _ in range(config.decoder_layers)])

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """As `Seq2Seq.encode`; there are no token types, so `token_type_ids` changes nothing.

        Raises:
            InputError: an id without a row, a row longer than the table of positions.
        """
        check_inputs(input_ids, None, attention_mask)
        check_ids("input_ids", input_ids, self.word.rows)
        # Padding gets the padding's row, so the side it stands on does not matter.
        x = self.encoder.embed(self.word(input_ids), padded_positions(input_ids, PAD))  # [B, S, D]
        mask = None if attention_mask is None else additive_mask(attention_mask, x.dtype)
        return run_layers(self.encoder.layers, x, mask, keep_all=False)[0]

    def memory(self, encoded: Tensor) -> list[KeyValue]:
        return [layer.cross_attention.keys_values(encoded) for layer in self.decoder.layers]

    def decode(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        memory: Sequence[KeyValue],
        memory_mask: Tensor | None,
        past: Sequence[KeyValue] | None = None,
    ) -> tuple[Tensor, list[KeyValue]]:
        check_ids("decoder_input_ids", ids, self.word.rows)
        x = self.decoder.embed(self.word(ids), positions + FIRST_POSITION)  # [B, N, D]
        made = []
        for n, layer in enumerate(self.decoder.layers):
            x, new = layer(x, mask, memory[n], memory_mask, None if past is None else past[n])
            made.append(new)
        return x, made

    def logits(self, hidden: Tensor) -> Tensor:
        return paddle.matmul(hidden, self.word.weight, transpose_y=True)


def build(
    config: Config,
    task: str | None = None,
    pooler: bool = False,
    keep_decoder_layers: Sequence[int] | None = None,
) -> VECO:
    """The network.

    Args:
        config: sizes.
        task: "generation" or None, which is the same.
        pooler: there is none.
        keep_decoder_layers: numbers of the decoder layers to have, from 0; None for all. The published translation
            models were trained from range(18, 24). What is left out is not read.

    Raises:
        UsageError: a task this network does not have, or a layer that is not there.
    """
    if task not in (None, "generation"):
        raise UsageError(
            f"This network has no '{task}' head: it is VECO's encoder-decoder.",
            "Load veco-large for understanding; this one is for task='generation'.",
        )
    if keep_decoder_layers is None:
        return VECO(config, task)
    kept = tuple(keep_decoder_layers)
    if not kept or len(set(kept)) != len(kept) or not all(0 <= n < config.decoder_layers for n in kept):
        last = config.decoder_layers - 1
        raise UsageError(
            f"keep_decoder_layers={keep_decoder_layers!r} must name layers from 0 to {last}, each once.",
            "For example range(18, 24), the last six of 24.",
        )
    return VECO(replace(config, decoder_layers=len(kept)), task, kept)

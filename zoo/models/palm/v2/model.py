"""PALM 2.0 (Bi et al. 2020): a BERT or RoBERTa encoder and a pre-norm decoder with sinusoidal positions.

The decoder is PreSumm's (Liu and Lapata 2019). See zoo/models/common and zoo/models/palm/layers.py for the legend
of shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.errors import UsageError
from zoo.models.common.base import Model
from zoo.models.common.decoding import DecoderAttention, KeyValue, causal_mask, word_scores
from zoo.models.common.embeddings import (
    Embedding,
    Embeddings,
    check_inputs,
    padded_positions,
    sequential_positions,
)
from zoo.models.common.encoder import EncoderLayer, run_layers
from zoo.models.common.layers import ACTIVATIONS, additive_mask, check_ids, linear
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.palm.layers import LayerSizes, PreNormDecoderLayer
from zoo.models.palm.losses import mean_over_tokens, smoothed_mean, smoothed_sum
from zoo.models.palm.search import published_search
from zoo.models.palm.v2.config import Config

EPSILON, STEPS, STD = 1e-6, 5000, 0.02  # constants of the published code
DIGIT = 256  # ids travel as two digits, which are exact in bfloat16 too


class Encoder(nn.Layer):
    """BERT's or RoBERTa's, without a pooler."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.padding = config.padding if config.encoder == "roberta" else None
        self.embeddings = Embeddings(config, padded_positions=self.padding is not None)
        self.layers = nn.LayerList([EncoderLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None) -> Tensor:
        """ids: [B, S]. Returns [B, S, D]."""
        positions = sequential_positions(ids) if self.padding is None else padded_positions(ids, self.padding)
        x = self.embeddings(ids, token_type_ids, positions)
        mask = None if attention_mask is None else additive_mask(attention_mask, x.dtype)
        return run_layers(self.layers, x, mask, keep_all=False)[0]


class Decoder(nn.Layer):
    """Words times the root of D plus sinusoids, pre-norm layers, a last LayerNorm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        sizes = LayerSizes(
            hidden=config.dec_hidden_size,
            heads=config.dec_heads,
            inner=config.dec_ff_size,
            activation=ACTIVATIONS["gelu_new"],
            epsilon=EPSILON,
            std=STD,
            dropout=config.dec_dropout,
            attention_dropout=config.dec_dropout,
            inner_dropout=config.dec_dropout,
        )
        self.word = Embedding(config.vocab_size, sizes.hidden, STD, config.padding)
        self.layers = nn.LayerList([PreNormDecoderLayer(sizes) for _ in range(config.dec_layers)])
        self.norm = sizes.norm()
        self.dropout = nn.Dropout(sizes.dropout)
        self.scale = float(np.sqrt(sizes.hidden))
        # [1, steps, D] as in the files: never trained, and computed only where a file lacks it.
        self.register_buffer("steps", paddle.to_tensor(sinusoids(STEPS, sizes.hidden)[None]))

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """ids: [B, N]. positions: [B, N] or [1, N]. Returns [B, N, D]."""
        check_ids("decoder_input_ids", ids, self.word.rows)
        check_ids("position_ids", positions, STEPS)
        return self.dropout(self.word(ids) * self.scale + F.embedding(positions, self.steps.squeeze(0)))


class Generator(nn.Layer):
    """The bias of every word, and with `p_gen` the share of the words that are not copied."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.bias = self.create_parameter([config.vocab_size], is_bias=True)
        self.gate = linear(2 * config.dec_hidden_size, 1, STD) if config.p_gen else None


class Palm2(Seq2Seq):
    """The encoder-decoder. The decoder and the projection to the vocabulary share a table; the encoder has its own.

    With `p_gen` (See et al. 2017, section 2.2) the last two channels of what `encode` gives are the source ids,
    `decode` gives the logarithms of the words' probabilities, and `logits` passes them on.

    Losses: "smoothed-sum" (default), the published one, which is never divided by the number of tokens;
    "smoothed-mean"; "mean-over-tokens", without smoothing. None counts padding.
    """

    LOSSES: ClassVar = {
        "smoothed-sum": smoothed_sum,
        "smoothed-mean": smoothed_mean,
        "mean-over-tokens": mean_over_tokens,
    }
    SEARCHES: ClassVar = {**Seq2Seq.SEARCHES, "palm": published_search}

    def __init__(self, config: Config, task: str | None = None) -> None:
        super().__init__(config, task)
        self.copies, self.padding, self.smoothing = config.p_gen, config.padding, config.label_smoothing
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.generator = Generator(config)

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """What the decoder attends to; arguments as in `Seq2Seq.encode`.

        Raises:
            InputError: a text longer than the encoder's table of positions (512), an id without a row.
        """
        states = self.encoder(check_inputs(input_ids, None, attention_mask), attention_mask, token_type_ids)
        if not self.copies:
            return states
        digits = paddle.stack([input_ids // DIGIT, input_ids % DIGIT], axis=-1)
        return paddle.concat([states, digits.astype(states.dtype)], axis=-1)  # [B, S, D + 2]

    def memory(self, encoded: Tensor) -> list[KeyValue]:
        """Keys and values per layer; with `p_gen` one more pair, the states [B, 1, S, D] and ids [B, 1, S, 2]."""
        width = self.config.hidden_size
        states = encoded[:, :, :width] if self.copies else encoded
        pairs = [layer.cross_attention.keys_values(states) for layer in self.decoder.layers]
        if self.copies:
            pairs.append(KeyValue(states.unsqueeze(1), encoded[:, :, width:].unsqueeze(1)))
        return pairs

    def decode(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        memory: Sequence[KeyValue],
        memory_mask: Tensor | None,
        past: Sequence[KeyValue] | None = None,
    ) -> tuple[Tensor, list[KeyValue]]:
        """Runs the decoder; arguments and result as in `Seq2Seq.decode`.

        Raises:
            InputError: a step from 5000 on, an id without a row.
        """
        x = self.decoder.embed(ids, positions)  # [B, N, D]
        new: list[KeyValue] = []
        for n, layer in enumerate(self.decoder.layers):
            x, made = layer.look_back(x, mask, None if past is None else past[n])
            before, x = x, layer.look_up(x, memory[n], memory_mask)
            new.append(made)
        x = self.decoder.norm(x)
        if self.copies:
            weights = attention_weights(
                layer.cross_attention, layer.cross_attention_norm(before), memory[n], memory_mask
            )
            x = self._copy(x, weights.mean(axis=1), memory[-1])
        return x, new

    @property
    def max_target_length(self) -> int:
        """As `Seq2Seq.max_target_length`; the decoder has a table of positions of its own."""
        return STEPS

    def logits(self, hidden: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, V]. The original gives their log-softmax."""
        return hidden if self.copies else self._words(hidden)

    def target_mask(self, ids: Tensor, dtype: paddle.dtype) -> Tensor:
        """Padding is not seen either."""
        return causal_mask(ids.shape[1], dtype) + additive_mask(ids != self.padding, dtype)

    def _words(self, hidden: Tensor) -> Tensor:
        return word_scores(hidden, self.decoder.word.weight) + self.generator.bias

    def _copy(self, hidden: Tensor, weights: Tensor, source: KeyValue) -> Tensor:
        """Mixes the vocabulary with the source's words: log p, [B, N, V].

        The original takes a softmax over what it copies, which is a distribution already; so do we.

        Args:
            hidden: [B, N, D], after the last LayerNorm.
            weights: [B, N, S], of the last layer, mean of the heads.
            source: states [B, 1, S, D] and ids [B, 1, S, 2].
        """
        gate = self.generator.gate
        assert gate is not None
        context = paddle.matmul(weights, source.key.squeeze(1))  # [B, N, D]
        share = F.sigmoid(gate(paddle.concat([context, hidden], axis=-1)))  # [B, N, 1]
        digits = source.value.squeeze(1).astype("int64")
        ids = digits[:, :, 0] * DIGIT + digits[:, :, 1]  # [B, S]
        copied = paddle.matmul(weights, F.one_hot(ids, self.config.vocab_size).astype(weights.dtype))  # [B, N, V]
        return paddle.log(share * F.softmax(self._words(hidden)) + (1 - share) * F.softmax(copied))

    def _loss(self, name: str | None) -> Callable[[Tensor, Tensor], Tensor]:
        chosen: Callable[..., Tensor] = super()._loss(name)
        smoothing = {} if chosen is mean_over_tokens else {"smoothing": self.smoothing}
        return partial(chosen, padding=self.padding, **smoothing)


def attention_weights(attention: DecoderAttention, x: Tensor, seen: KeyValue, mask: Tensor | None) -> Tensor:
    """Who looks where: [B, H, N, tokens] of x [B, N, D], as `DecoderAttention.forward` computes it, no dropout."""
    query = attention._split(attention.query(x) * attention.head_size**-0.5)
    scores = paddle.matmul(query, seen.key, transpose_y=True)
    return F.softmax(scores if mask is None else scores + mask, axis=-1)


def sinusoids(steps: int, width: int) -> np.ndarray:
    """Positions [steps, width] (Vaswani et al. 2017, section 3.5), sines and cosines by turns, in float32.

    The published code rounds exponents, rates and angles to float32. What numpy's float32 exp is off by is 6e-5 at
    step 511, so the functions themselves are computed in float64.
    """
    exponents = np.arange(0, width, 2, dtype=np.float32) * np.float32(-np.log(10000.0) / width)
    rates = np.exp(exponents.astype(np.float64)).astype(np.float32)
    angles = (np.arange(steps, dtype=np.float32)[:, None] * rates).astype(np.float64)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(steps, width).astype(np.float32)


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The encoder-decoder, task "generation" or none.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    if options:
        raise UsageError(f"PALM 2.0 does not take {', '.join(options)}.")
    if task not in (None, "generation"):
        raise UsageError(f"This network has no '{task}' head.", "It has: generation.")
    return Palm2(config, task)

"""Funnel's own heads: those that differ from the other families', and the paper's head for SQuAD."""

from __future__ import annotations

from dataclasses import replace

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.errors import ConfigError
from zoo.models.common import heads
from zoo.models.common.heads import Head
from zoo.models.common.layers import ACTIVATIONS, check_ids, linear
from zoo.models.common.losses import IGNORED_LABEL, cross_entropy
from zoo.models.common.outputs import Output
from zoo.models.funnel.config import Config

BEAM = 5  # starts, and ends for each start
HIDDEN = 1e30  # taken from the score of padding


class Classification(heads.Classification):
    """One label per text, from the first token; losses and labels as in every family.

    Funnel has no pooler and no dropout in front of the first Linear.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config, dense=False)
        self.needs_pooler = False
        hidden = config.hidden_size
        self.dense: nn.Linear = linear(hidden, hidden, config.std(hidden, hidden))

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = F.tanh(self.dense(encoded.last_hidden_state[:, 0]))
        return replace(encoded, logits=self.output(self.dropout(x)))  # [B, C]


class MultipleChoice(heads.MultipleChoice):
    """The best of N texts, each judged as by `Classification`. Inputs are [B, N, T]; logits [B, N]."""

    needs_pooler = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.dense = linear(
            config.hidden_size, config.hidden_size, config.std(config.hidden_size, config.hidden_size)
        )

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = F.tanh(self.dense(encoded.last_hidden_state[:, 0]))
        return replace(encoded, logits=self.output(self.dropout(x)))  # [B x N, 1]


class MaskedLM(Head):
    """The word behind a mask: the word embeddings as decoder, plus a bias. labels: [B, T], -100 does not count."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if not config.tie_word_embeddings:
            raise ConfigError("config.json has tie_word_embeddings=false; the mlm head's decoder is tied to them.")
        self.bias = self.create_parameter([config.vocab_size], is_bias=True)

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        logits = paddle.matmul(encoded.last_hidden_state, table, transpose_y=True) + self.bias
        return replace(encoded, logits=logits)  # [B, T, V]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        return cross_entropy(output.logits, labels)


class Discriminator(Head):
    """Whether a token was replaced: what the published weights were pretrained for (ELECTRA, Clark et al. 2020).

    labels: [B, T], 1 for a replaced token and 0 for an original one; padding and -100 do not count.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.dense = linear(hidden, hidden, config.std(hidden, hidden))
        self.output = linear(hidden, 1, config.std(hidden, 1))
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = self.activation(self.dense(encoded.last_hidden_state))
        return replace(encoded, logits=self.output(x).squeeze(-1))  # [B, T]

    def counted(self, labels: Tensor, attention_mask: Tensor | None) -> Tensor:
        if attention_mask is None:
            return labels
        return paddle.where(attention_mask != 0, labels, paddle.full_like(labels, IGNORED_LABEL))

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        counts = labels != IGNORED_LABEL
        target = paddle.where(counts, labels, paddle.zeros_like(labels))
        check_ids("labels", target, 2)
        weight = counts.astype(output.logits.dtype)
        losses = F.binary_cross_entropy_with_logits(output.logits, target.astype(weight.dtype), reduction="none")
        return (losses * weight).sum() / weight.sum().clip(min=1.0)


class QuestionAnsweringBeam(Head):
    """The head of the paper's SQuAD scores, XLNet's (Yang et al. 2019): a start, an end for that start, answerable.

    The best five starts are found first, then the best five ends of each. Whether the text has an answer at all is
    told from the first token and the mean of the tokens, weighted by their chance to be the start.
    labels: [B, 2] integers, start and end; both 0, the first token, for a text without the answer.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.start = linear(hidden, 1, config.std(hidden, 1))
        self.end_dense = linear(2 * hidden, hidden, config.std(2 * hidden, hidden))
        self.end_norm = nn.LayerNorm(hidden, epsilon=config.layer_norm_eps)
        self.end = linear(hidden, 1, config.std(hidden, 1))
        self.answerable_dense = linear(2 * hidden, hidden, config.std(2 * hidden, hidden))
        self.answerable = linear(hidden, 1, config.std(hidden, 1), bias=False)

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        """Adds start_logits [B, T], logits [B] (above 0: no answer), and the beams."""
        x = encoded.last_hidden_state  # [B, T, D]
        starts = self.start(x).squeeze(-1)  # [B, T]
        if attention_mask is not None:
            starts = paddle.where(attention_mask != 0, starts, paddle.full_like(starts, -HIDDEN))
        chances = F.softmax(starts, axis=-1)
        mean = paddle.matmul(chances.unsqueeze(1), x).squeeze(1)  # [B, D]
        both = F.tanh(self.answerable_dense(paddle.concat([mean, x[:, 0]], axis=-1)))
        start_scores, start_index = _best(chances)  # [B, 5]
        ends = self._ends(x, start_index, starts)  # [B, 5, T]
        end_scores, end_index = _best(F.softmax(ends, axis=-1))  # [B, 5, 5]
        return replace(
            encoded,
            start_logits=starts,
            logits=self.answerable(both).squeeze(-1),
            start_index=start_index,
            start_scores=start_scores,
            end_index=end_index,
            end_scores=end_scores,
        )

    def _ends(self, x: Tensor, start_index: Tensor, starts: Tensor) -> Tensor:
        """Scores of every end after the given starts. start_index: [B, S]. Returns [B, S, T]."""
        places = paddle.arange(0, x.shape[1], dtype="int64")
        picked = (start_index.unsqueeze(-1) == places).astype(x.dtype)  # [B, S, T]
        states = paddle.matmul(picked, x)  # [B, S, D]
        of_end, of_start = self.end_dense.weight.split(2, axis=0)  # of the two halves of the input
        inner = paddle.matmul(x, of_end).unsqueeze(1) + paddle.matmul(states, of_start).unsqueeze(2)
        inner = F.tanh(inner + self.end_dense.bias)  # [B, S, T, D]
        ends = self.end(self.end_norm(inner)).squeeze(-1)
        real = (starts > -HIDDEN / 2).unsqueeze(1)  # padding: there the start was hidden
        return paddle.where(real, ends, paddle.full_like(ends, -HIDDEN))

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        """Half of each: the mean over start and end, and whether there is an answer."""
        length = output.start_logits.shape[1]
        start, end = labels.clip(min=0, max=length).unbind(axis=1)
        ends = self._ends(output.last_hidden_state, start.unsqueeze(1), output.start_logits).squeeze(1)  # [B, T]
        places = cross_entropy(output.start_logits, start, length) + cross_entropy(ends, end, length)
        none = ((start == 0) & (end == 0)).astype(output.logits.dtype)
        return 0.5 * places + 0.5 * F.binary_cross_entropy_with_logits(output.logits, none)


def _best(chances: Tensor) -> tuple[Tensor, Tensor]:
    """The largest five of the last axis and their places; all of them where there are fewer.

    Places that do not exist are added and cut off again, so that a static graph takes short texts too.
    """
    none = paddle.zeros_like(chances[..., :1]) - 1
    scores, index = paddle.concat([chances, *[none] * BEAM], axis=-1).topk(BEAM, axis=-1)
    return scores[..., : chances.shape[-1]], index[..., : chances.shape[-1]]

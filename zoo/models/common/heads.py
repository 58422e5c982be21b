"""Defines task heads: a head adds its task's fields to what an encoder gives and, with labels, the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.errors import ConfigError, UsageError
from zoo.models.common.config import ModelConfig
from zoo.models.common.layers import ACTIVATIONS, linear
from zoo.models.common.losses import cross_entropy
from zoo.models.common.outputs import Output


class Head(nn.Layer):
    """The interface of every head.

    Attributes:
        needs_pooler: the encoder must have a pooler.
        needs_states: the encoder must give the states of every layer.
        options: arguments, besides the config and the files of `describe`, that `build` needs to make the same
            head again.
        apart: its tensors are not in the model's weight file, but in files that `write` makes.
    """

    needs_pooler = False
    needs_states = False
    apart = False

    def __init__(self) -> None:
        super().__init__()
        self.options: dict[str, object] = {}

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        """Adds the task's fields. attention_mask: [B, T] or None. table: the word embeddings [V, D]."""
        raise NotImplementedError

    def counted(self, labels: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Gives the labels, those that must not count replaced by -100. Most heads let the caller say so."""
        return labels

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        """Gives the loss of `output` against labels; a scalar."""
        raise NotImplementedError

    @property
    def identity(self) -> object:
        """Gives what two heads of one kind and one config may differ in beside their tensors; JSON."""
        return self.options

    def describe(self, folder: Path) -> None:
        """Writes the files that say what the head is, where config.json does not."""

    def write(self, folder: Path) -> None:
        """Writes the tensors of a head that keeps them apart."""

    def read(self, folder: Path) -> dict[str, np.ndarray]:
        """Gives the tensors of a head that keeps them apart: name within the head -> array."""
        return {}


class Classification(Head):
    """A head for one label per text, a score, or several labels, told apart by config.problem_type.

    labels: [B] integers; [B] floats for regression; [B, C] floats for several labels.

    Args:
        config: sizes, `labels`, dropout.
        dense: RoBERTa's head, with a Linear and tanh of its own on the first token; else BERT's, on the pooler.
    """

    def __init__(self, config: ModelConfig, dense: bool) -> None:
        super().__init__()
        hidden, classes = config.hidden_size, len(config.labels)
        self.needs_pooler = not dense
        self.config = config
        self.dropout = nn.Dropout(config.head_dropout)
        self.dense = linear(hidden, hidden, config.std(hidden, hidden)) if dense else None
        self.output = linear(hidden, classes, config.std(hidden, classes))

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        if self.dense is None:
            x = encoded.pooler_output
        else:
            x = F.tanh(self.dense(self.dropout(encoded.last_hidden_state[:, 0])))
        return replace(encoded, logits=self.output(self.dropout(x)))  # [B, C]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        logits, kind = output.logits, self.config.problem_type
        if kind is None:
            whole = labels.dtype in (paddle.int32, paddle.int64)
            one = "regression" if logits.shape[-1] == 1 else "single_label_classification"
            kind = one if whole or logits.shape[-1] == 1 else "multi_label_classification"
        if kind == "single_label_classification":
            return cross_entropy(logits, labels)
        labels = labels.astype(logits.dtype).reshape(logits.shape)
        if kind == "regression":
            return F.mse_loss(logits, labels)
        return F.binary_cross_entropy_with_logits(logits, labels)


class Tagging(Head):
    """A head for one label per token. labels: [B, T] integers, -100 does not count."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.head_dropout)
        hidden, classes = config.hidden_size, len(config.labels)
        self.output = linear(hidden, classes, config.std(hidden, classes))

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        return replace(encoded, logits=self.output(self.dropout(encoded.last_hidden_state)))  # [B, T, C]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        return cross_entropy(output.logits, labels)


class QuestionAnswering(Head):
    """A head for an answer's start and end. labels: [B, 2] integers; beyond the text does not count."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.output = linear(config.hidden_size, 2, config.std(config.hidden_size, 2))

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        start, end = self.output(encoded.last_hidden_state).unbind(axis=-1)  # [B, T] each
        return replace(encoded, start_logits=start, end_logits=end)

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        length = output.start_logits.shape[1]
        start, end = labels.clip(min=0, max=length).unbind(axis=1)
        starts = cross_entropy(output.start_logits, start, ignored=length)
        return (starts + cross_entropy(output.end_logits, end, ignored=length)) / 2


class MaskedLM(Head):
    """A head for the word behind a mask: Linear, activation, LayerNorm, the word embeddings as decoder, a bias.

    labels: [B, T] integers, -100 does not count.
    """

    def __init__(self, config: ModelConfig, activation: str | None = None) -> None:
        super().__init__()
        if not config.tie_word_embeddings:
            raise ConfigError("config.json has tie_word_embeddings=false; the mlm head's decoder is tied to them.")
        self.dense = linear(
            config.hidden_size, config.hidden_size, config.std(config.hidden_size, config.hidden_size)
        )
        self.norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.bias = self.create_parameter([config.vocab_size], is_bias=True)
        self.activation = ACTIVATIONS[activation or config.hidden_act]

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        x = self.norm(self.activation(self.dense(encoded.last_hidden_state)))
        return replace(encoded, logits=paddle.matmul(x, table, transpose_y=True) + self.bias)  # [B, T, V]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        return cross_entropy(output.logits, labels)


class MultipleChoice(Head):
    """A head for the best of N texts. Inputs are [B, N, T]; logits [B, N]. labels: [B] integers."""

    needs_pooler = True

    def __init__(self, config: ModelConfig, dropout: float | None = None) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.head_dropout if dropout is None else dropout)
        self.output = linear(config.hidden_size, 1, config.std(config.hidden_size, 1))

    def forward(self, encoded: Output, attention_mask: Tensor | None, table: Tensor) -> Output:
        return replace(encoded, logits=self.output(self.dropout(encoded.pooler_output)))  # [B x N, 1]

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        return cross_entropy(output.logits, labels)


def make_head(
    task: str, config: ModelConfig, heads: Mapping[str, Callable[..., Head]], options: Mapping[str, object]
) -> Head:
    """Makes the head of a task from a family's table.

    Raises:
        UsageError: a task the table does not have, or an option the head does not take.
    """
    if task not in heads:
        raise UsageError(f"This network has no '{task}' head.", f"It has: {', '.join(heads)}.")
    try:
        return heads[task](config, **options)
    except TypeError as error:
        if not options:
            raise
        raise UsageError(f"The {task} head does not take {', '.join(options)}.") from error

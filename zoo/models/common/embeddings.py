"""Computes embeddings of words, positions and segments, with the two ways of counting positions."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Normal

from zoo.errors import InputError
from zoo.models.common.config import EncoderConfig
from zoo.models.common.layers import check_ids


class Embedding(nn.Layer):
    """A table [rows, D] whose row `padding` gets no gradient from look-ups, as torch's padding_idx has it.

    paddle's own padding_idx also returns zeros for that row, whatever it holds; published checkpoints hold numbers
    there that count. The row still learns from a decoder that shares the table, in torch too.
    """

    def __init__(self, rows: int, hidden_size: int, std: float, padding: int | None = None) -> None:
        super().__init__()
        self.rows = rows
        self.padding = padding
        self.weight = self.create_parameter(
            [rows, hidden_size], attr=paddle.ParamAttr(initializer=Normal(0.0, std))
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Gives [..., D] for ids below `rows`, of any shape."""
        out = F.embedding(ids, self.weight)
        if self.padding is not None and paddle.in_dynamic_mode() and not out.stop_gradient:
            keep = (ids != self.padding).astype(out.dtype).unsqueeze(-1)
            out.register_hook(lambda grad: grad * keep)
        return out


class Embeddings(nn.Layer):
    """The sum of word, token type and position, LayerNorm, dropout (BERT, Devlin et al. 2019, figure 2).

    Args:
        config: sizes.
        padded_positions: positions know the padding index too (RoBERTa), so its row gets no gradient either.
        norm: with the LayerNorm; pre-norm networks have none here.
    """

    def __init__(self, config: EncoderConfig, padded_positions: bool = False, norm: bool = True) -> None:
        super().__init__()
        hidden, std, padding = config.hidden_size, config.initializer_range, config.pad_token_id
        self.word = Embedding(config.vocab_size, hidden, std, padding)
        no_gradient = padding if padded_positions else None
        self.position = Embedding(config.max_position_embeddings, hidden, std, no_gradient)
        self.token_type = Embedding(config.type_vocab_size, hidden, std)
        self.norm = nn.LayerNorm(hidden, epsilon=config.layer_norm_eps) if norm else nn.Identity()
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        given: Tensor,
        token_type_ids: Tensor | None,
        position_ids: Tensor,
    ) -> Tensor:
        """Gives [B, T, D]. given: ids or word embeddings. token_type_ids: [B, T], unused by a table of one row.
        position_ids: [B, T] or [1, T].

        Raises:
            InputError: an id that its table does not have.
        """
        words = given
        if given.ndim == 2:
            check_ids("input_ids", given, self.word.rows)
            words = self.word(given)
        if token_type_ids is None or self.token_type.rows == 1:
            types = self.token_type.weight[0]  # the row of type 0 is not zero: it is always added
        else:
            check_ids("token_type_ids", token_type_ids, self.token_type.rows)
            types = self.token_type(token_type_ids)
        check_ids("position_ids", position_ids, self.position.rows)
        return self.dropout(self.norm(words + types + self.position(position_ids)))


def check_inputs(input_ids: Tensor | None, inputs_embeds: Tensor | None, attention_mask: Tensor | None) -> Tensor:
    """Gives the one of ids [B, T] and embeddings [B, T, D] that is there, and checks the mask [B, T] or None.

    Raises:
        InputError: anything else.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise InputError("A model needs either input_ids or inputs_embeds, and not both.")
    ranks = (
        ("input_ids", input_ids, 2),
        ("inputs_embeds", inputs_embeds, 3),
        ("attention_mask", attention_mask, 2),
    )
    for name, tensor, rank in ranks:
        if tensor is not None and tensor.ndim != rank:
            raise InputError(f"{name} has the shape {tensor.shape}; the model takes {rank} dimensions.")
    given = inputs_embeds if input_ids is None else input_ids
    assert given is not None
    if not paddle.in_dynamic_mode():  # while a graph is traced, lengths are not numbers
        return given
    if attention_mask is not None and attention_mask.shape[1] != given.shape[1]:
        raise InputError(f"attention_mask has {attention_mask.shape[1]} columns for {given.shape[1]} tokens.")
    return given


def sequential_positions(like: Tensor, start: int = 0) -> Tensor:
    """Gives start, start + 1, ... [1, T] for every slot of like [B, T, ...]."""
    return paddle.arange(start, start + like.shape[1], dtype="int64").unsqueeze(0)


def padded_positions(input_ids: Tensor, padding: int) -> Tensor:
    """Gives fairseq's positions: `padding` for padding, counted from padding + 1 over other tokens.

    So they do not depend on where the padding is. input_ids: [B, T]. Returns [B, T].
    """
    real = (input_ids != padding).astype("int64")
    return real.cumsum(axis=1) * real + padding

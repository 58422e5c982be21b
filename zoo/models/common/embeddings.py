"""Embeddings of words, positions and segments, and the two ways of counting positions."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Normal

from zoo.errors import InputError
from zoo.models.common.config import EncoderConfig


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
        """ids: integers below `rows`, any shape. Returns [..., D]."""
        out = F.embedding(ids, self.weight)
        if self.padding is not None and paddle.in_dynamic_mode() and not out.stop_gradient:
            keep = (ids != self.padding).astype(out.dtype).unsqueeze(-1)
            out.register_hook(lambda grad: grad * keep)
        return out


class Embeddings(nn.Layer):
    """Sum of word, token type and position, LayerNorm, dropout (BERT, Devlin et al. 2019, figure 2).

    Args:
        config: sizes.
        padded_positions: positions know the padding index too (RoBERTa), so its row gets no gradient either.
    """

    def __init__(self, config: EncoderConfig, padded_positions: bool = False) -> None:
        super().__init__()
        hidden, std, padding = config.hidden_size, config.initializer_range, config.pad_token_id
        self.word = Embedding(config.vocab_size, hidden, std, padding)
        self.position = Embedding(
            config.max_position_embeddings, hidden, std, padding if padded_positions else None
        )
        self.token_type = Embedding(config.type_vocab_size, hidden, std)
        self.norm = nn.LayerNorm(hidden, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """input_ids, token_type_ids: [B, T]. position_ids: [B, T] or [1, T]. inputs_embeds: [B, T, D].

        Raises:
            InputError: an id that its table does not have.
        """
        if inputs_embeds is None:
            check_ids("input_ids", input_ids, self.word.rows)
            inputs_embeds = self.word(input_ids)
        if token_type_ids is None:
            types = self.token_type.weight[0]  # the row of type 0 is not zero: it is always added
        else:
            check_ids("token_type_ids", token_type_ids, self.token_type.rows)
            types = self.token_type(token_type_ids)
        check_ids("position_ids", position_ids, self.position.rows)
        return self.dropout(self.norm(inputs_embeds + types + self.position(position_ids)))


def check_ids(name: str, ids: Tensor, rows: int) -> None:
    """Raises InputError for an id outside a table. On CPU only: a GPU would have to stop and wait for the answer."""
    if not paddle.in_dynamic_mode() or not ids.place.is_cpu_place() or ids.size == 0:
        return
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= rows:
        hint = "Cut the text to the model's max_length." if name == "position_ids" else ""
        raise InputError(
            f"{name} holds {low if low < 0 else high}; the model's table has rows 0 to {rows - 1}.", hint
        )


def check_inputs(input_ids: Tensor | None, inputs_embeds: Tensor | None, attention_mask: Tensor | None) -> None:
    """Exactly one of ids [B, T] and embeddings [B, T, D], and a mask [B, T].

    Raises:
        InputError: anything else.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise InputError("A model needs either input_ids or inputs_embeds, and not both.")
    given = ("input_ids", input_ids, 2) if input_ids is not None else ("inputs_embeds", inputs_embeds, 3)
    for name, tensor, rank in (given, ("attention_mask", attention_mask, 2)):
        if tensor is not None and tensor.ndim != rank:
            raise InputError(f"{name} has {tensor.ndim} dimensions {tensor.shape}; the model takes {rank}.")


def sequential_positions(like: Tensor, start: int = 0) -> Tensor:
    """start, start + 1, ... for every slot of like [B, T, ...]. Returns [1, T]."""
    return paddle.arange(start, start + like.shape[1], dtype="int64").unsqueeze(0)


def padded_positions(input_ids: Tensor, padding: int) -> Tensor:
    """fairseq's positions: `padding` for padding, counted from padding + 1 over the other tokens.

    So they do not depend on where the padding is. input_ids: [B, T]. Returns [B, T].
    """
    real = (input_ids != padding).astype("int64")
    return real.cumsum(axis=1) * real + padding

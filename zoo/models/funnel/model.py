"""Funnel-Transformer (Dai et al. 2020, arXiv 2006.03236): an encoder that halves the sequence block by block.

See zoo/models/common for the legend of shapes; a length with a prime, T', is that of a pooled sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import paddle
from paddle import Tensor, nn

from zoo.errors import InputError, UsageError
from zoo.models.common.base import Model, assemble
from zoo.models.common.embeddings import Embedding, check_inputs
from zoo.models.common.heads import Head, QuestionAnswering, Tagging
from zoo.models.common.layers import ACTIVATIONS, check_ids, linear
from zoo.models.common.outputs import NOT_COMPUTED, Output
from zoo.models.funnel.attention import SEGMENTS, Relation, RelationMaker, RelativeAttention
from zoo.models.funnel.config import Config
from zoo.models.funnel.heads import Classification, Discriminator, MaskedLM, MultipleChoice, QuestionAnsweringBeam
from zoo.models.funnel.pooling import Axis, pooled, stretched


class Embeddings(nn.Layer):
    """Words, LayerNorm, dropout. Positions and segments enter the attention instead."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        std = 1.0 if config.initializer_std is None else config.initializer_std
        self.word = Embedding(config.vocab_size, config.d_model, std, config.pad_token_id)
        self.norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, given: Tensor) -> Tensor:
        """given: ids [B, T] or word embeddings [B, T, D]. Returns [B, T, D]."""
        if given.ndim == 2:
            check_ids("input_ids", given, self.word.rows)
            given = self.word(given)
        return self.dropout(self.norm(given))


class FeedForward(nn.Layer):
    """D -> F -> D with an activation and a dropout between."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        std = config.std(config.d_model, config.d_inner)
        self.inner = linear(config.d_model, config.d_inner, std)
        self.outer = linear(config.d_inner, config.d_model, std)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.dropout = nn.Dropout(config.activation_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.dropout(self.activation(self.inner(x))))


class FunnelLayer(nn.Layer):
    """Attention and feed-forward, each with dropout, residual and LayerNorm after it (section 2)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = RelativeAttention(config)
        self.attention_norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.d_model, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, queries: Tensor, keys: Tensor, relation: Relation) -> Tensor:
        """queries: [B, T', D]; the residual is theirs. keys: [B, T, D]. Returns [B, T', D]."""
        x = self.attention_norm(queries + self.dropout(self.attention(queries, keys, relation)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class Decoder(nn.Layer):
    """Layers at full length, over the stretched end of the encoder and its first block (section 2, decoder)."""

    def __init__(self, config: Config, geometry: RelationMaker) -> None:
        super().__init__()
        self.config = config
        self.geometry = geometry
        self.layers = nn.LayerList([FunnelLayer(config) for _ in range(config.num_decoder_layers)])

    def forward(self, short: Tensor, full: Tensor, axis: Axis) -> list[Tensor]:
        """short: [B, T', D]. full: [B, T, D]. axis: of `full`. Returns the layers' input and results."""
        states = [stretched(short, axis.length, self.config) + full]
        relation = self.geometry(axis, axis, full.dtype)
        for layer in self.layers:
            states.append(layer(states[-1], states[-1], relation))
        return states


class FunnelBase(Model):
    """The encoder without the decoder: its result has about T / 2^(blocks - 1) slots.

    The results for real tokens depend on how much padding follows them: pooling mixes a text's end with it. Pad
    the same way when numbers are compared.
    """

    upstream = "FunnelBaseModel"
    leaves_out: tuple[str, ...] = ("encoder.decoder",)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.settings = config
        self.embeddings = Embeddings(config)
        self.geometry = RelationMaker(config)
        self.blocks = nn.LayerList(
            [nn.LayerList([FunnelLayer(config) for _ in range(size)]) for size in config.block_sizes]
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Output:
        """Encodes a batch; arguments as in `TaskModel.forward`.

        Returns:
            last_hidden_state [B, T', D]; hidden_states of the lengths of their blocks.

        Raises:
            InputError: as in `TaskModel.forward`, or position_ids.
        """
        x, axis = self._start(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        states = self._encode(x, axis)
        return Output(states[-1], NOT_COMPUTED, tuple(states) if output_hidden_states else NOT_COMPUTED)

    def _start(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> tuple[Tensor, Axis]:
        """The embeddings [B, T, D], and what the attention must know of the sequence."""
        if position_ids is not None:
            raise InputError("Funnel has no table of positions.", "Leave position_ids out.")
        given = check_inputs(input_ids, inputs_embeds, attention_mask)
        x = self.embeddings(given)
        types = paddle.zeros_like(x[:, :, 0], dtype="int64") if token_type_ids is None else token_type_ids
        check_ids("token_type_ids", types, SEGMENTS)
        visible = None if attention_mask is None else attention_mask.astype(x.dtype)
        return x, Axis(x.shape[1], 1, types, visible)

    def _encode(self, x: Tensor, axis: Axis) -> list[Tensor]:
        """The embeddings and the result of every layer, as often as it runs (section 2, encoder)."""
        config, states = self.settings, [x]
        for number, block in enumerate(self.blocks):
            assert isinstance(block, nn.LayerList)
            queries, keys, between = x, x, None
            if number:
                ways, short = pooled(axis, config)
                queries = ways.pool(x, config.pooling_type)
                if not config.pool_q_only:
                    keys, axis = queries, short
                between = self.geometry(short, axis, x.dtype)
                axis = short
            within = self.geometry(axis, axis, x.dtype)
            for layer in block:
                for _ in range(config.repeats[number]):
                    x = layer(queries, keys, within if between is None else between)
                    states.append(x)
                    queries, keys, between = x, x, None
        return states


class Funnel(FunnelBase):
    """The encoder with the decoder: one result for each token again."""

    upstream = "FunnelModel"
    leaves_out = ()

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.decoder = Decoder(config, self.geometry)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Output:
        """Encodes a batch; arguments as in `TaskModel.forward`.

        Returns:
            last_hidden_state [B, T, D]; hidden_states of the encoder and then of the decoder.

        Raises:
            InputError: as in `TaskModel.forward`, or position_ids.
        """
        x, axis = self._start(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        encoded = self._encode(x, axis)
        # The original counts layers and not how often they run, so a repeated first block is left before its end.
        full = encoded[self.settings.block_sizes[0]]
        decoded = self.decoder(encoded[-1], full, axis)
        kept = (*encoded, *decoded) if output_hidden_states else NOT_COMPUTED
        return Output(decoded[-1], NOT_COMPUTED, kept)


HEADS: Mapping[str, Callable[..., Head]] = {
    "mlm": MaskedLM,
    "classification": Classification,
    "tagging": Tagging,
    "qa": QuestionAnswering,
    "qa-beam": QuestionAnsweringBeam,
    "multiple-choice": MultipleChoice,
    "discriminator": Discriminator,
}
SHORT = ("classification", "multiple-choice")  # heads on the first token, which the encoder keeps to its end


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The bare network that config.json's architecture names, or one with a head.

    A head on the first token stands on the encoder alone, whatever the checkpoint has; the others need the decoder.

    Raises:
        UsageError: a task or an option this network does not have, or a head that a -base checkpoint cannot carry.
    """
    if task in HEADS and task not in SHORT and not config.has_decoder:
        raise UsageError(
            f"A {task} head needs a state for every token, and this checkpoint has no decoder to make them.",
            "Load the checkpoint of the same name without -base.",
        )
    whole = config.has_decoder if task is None else task not in SHORT
    return assemble(lambda _: (Funnel if whole else FunnelBase)(config), config, task, False, HEADS, options)

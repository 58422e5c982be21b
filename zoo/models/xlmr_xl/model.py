"""XLM-R XL and XXL (Goyal et al. 2021): XLM-R's encoder at 3.5 and 10.7 billion parameters, with pre-norm layers.

See zoo/models/common for the legend of shapes.
"""

from __future__ import annotations

from paddle import Tensor, nn

from zoo.models.common.base import Model, assemble
from zoo.models.common.embeddings import Embeddings, check_inputs, padded_positions, sequential_positions
from zoo.models.common.encoder import EncoderLayer, Pooler, run_layers
from zoo.models.common.layers import additive_mask
from zoo.models.common.outputs import NOT_COMPUTED, Output
from zoo.models.xlmr.model import HEADS
from zoo.models.xlmr_xl.config import Config


class PreNormLayer(EncoderLayer):
    """An attention and a feed-forward, each with LayerNorm before it, dropout and residual after it."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Gives [B, T, D] of x [B, T, D]. mask: additive, [B, 1, 1, T]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class XLMRXL(Model):
    """The encoder. Its last hidden state is behind the LayerNorm that follows the last layer.

    Args:
        config: sizes.
        pooler: add BERT's pooler. Published files have none.
    """

    def __init__(self, config: Config, pooler: bool = False) -> None:
        super().__init__(config)
        self.padding = config.pad_token_id
        self.embeddings = Embeddings(config, padded_positions=True, norm=False)
        self.layers = nn.LayerList([PreNormLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.pooler = Pooler(config) if pooler else None

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Output:
        """Encodes a batch; arguments as in `TaskModel.forward`."""
        given = check_inputs(input_ids, inputs_embeds, attention_mask)
        if position_ids is None:
            if inputs_embeds is None:
                position_ids = padded_positions(given, self.padding)
            else:  # which of them are padding cannot be seen
                position_ids = sequential_positions(given, self.padding + 1)
        x = self.embeddings(given, token_type_ids, position_ids)  # [B, T, D]
        mask = None if attention_mask is None else additive_mask(attention_mask, x.dtype)
        x, kept = run_layers(self.layers, x, mask, output_hidden_states)
        x = self.norm(x)
        if output_hidden_states:
            kept = (*kept[:-1], x)
        return Output(x, NOT_COMPUTED if self.pooler is None else self.pooler(x), kept)


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The bare encoder, with or without a pooler, or the encoder with a head: XLM-R's heads.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    return assemble(lambda with_pooler: XLMRXL(config, with_pooler), config, task, pooler, HEADS, options)

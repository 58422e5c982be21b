"""XLM-RoBERTa (Conneau et al. 2020): RoBERTa's encoder over 100 languages.

InfoXLM (Chi et al. 2021) is the same network, trained on.
See zoo/models/common for the legend of shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from paddle import Tensor, nn

from zoo.models.common.base import Model, assemble
from zoo.models.common.embeddings import Embeddings, check_inputs, padded_positions, sequential_positions
from zoo.models.common.encoder import EncoderLayer, Pooler, run_layers
from zoo.models.common.heads import (
    Classification,
    Head,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    Tagging,
)
from zoo.models.common.layers import additive_mask
from zoo.models.common.outputs import NOT_COMPUTED, Output
from zoo.models.common.sentence_transformers.head import Embedding
from zoo.models.xlmr.config import Config


class XLMR(Model):
    """The encoder.

    Args:
        config: sizes.
        pooler: add BERT's pooler. Published XLM-R files have none.

    Attributes:
        layer: the kind of layer.
        norm_last: LayerNorm follows the last layer and not the embeddings, as pre-norm layers want it.
    """

    layer: type[EncoderLayer] = EncoderLayer
    norm_last: bool = False

    def __init__(self, config: Config, pooler: bool = False) -> None:
        super().__init__(config)
        self.padding = config.pad_token_id
        self.embeddings = Embeddings(config, padded_positions=True, norm=not self.norm_last)
        self.layers = nn.LayerList([self.layer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps) if self.norm_last else None
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
        if self.norm is not None:
            x = self.norm(x)
            kept = (*kept[:-1], x) if output_hidden_states else kept
        return Output(x, NOT_COMPUTED if self.pooler is None else self.pooler(x), kept)


HEADS: Mapping[str, Callable[..., Head]] = {
    "mlm": partial(MaskedLM, activation="gelu"),
    "classification": partial(Classification, dense=True),
    "tagging": Tagging,
    "qa": QuestionAnswering,
    "multiple-choice": lambda config: MultipleChoice(config, config.hidden_dropout_prob),
    "embedding": Embedding,
}


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The bare encoder, with or without a pooler, or the encoder with a head.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    return assemble(lambda with_pooler: XLMR(config, with_pooler), config, task, pooler, HEADS, options)

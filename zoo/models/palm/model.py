"""PALM (Bi et al. 2020) as SOFA publishes it, palm.ch.base: a pre-norm encoder-decoder without a pointer network.

See zoo/models/common and zoo/models/palm/layers.py for the legend of shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from paddle import Tensor, nn

from zoo.errors import UsageError
from zoo.models.common.base import Model
from zoo.models.common.decoding import KeyValue, word_scores
from zoo.models.common.embeddings import Embeddings, check_inputs, sequential_positions
from zoo.models.common.encoder import run_layers
from zoo.models.common.heads import MaskedLM
from zoo.models.common.layers import ACTIVATIONS, additive_mask
from zoo.models.common.outputs import Output
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.palm.config import Config
from zoo.models.palm.layers import LayerSizes, PreNormDecoderLayer, PreNormEncoderLayer
from zoo.models.palm.losses import mean_over_positions, mean_over_tokens
from zoo.models.palm.search import published_search


class Encoder(nn.Layer):
    """Pre-norm layers whose last LayerNorm is applied twice.

    The published code normalises once behind the last layer and once more on the way out, and the weights were
    trained so; with learned weight and bias the second time changes the numbers.
    """

    def __init__(self, config: Config, sizes: LayerSizes) -> None:
        super().__init__()
        self.layers = nn.LayerList([PreNormEncoderLayer(sizes) for _ in range(config.num_hidden_layers)])
        self.norm = sizes.norm()

    def forward(self, x: Tensor, mask: Tensor | None, keep_all: bool = False) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x: [B, S, D]. mask: additive, [B, 1, 1, S]. Returns [B, S, D], and all states when they are kept."""
        x, kept = run_layers(self.layers, x, mask, keep_all)
        return self.norm(self.norm(x)), kept


class Decoder(nn.Layer):
    """Pre-norm layers and a last LayerNorm."""

    def __init__(self, config: Config, sizes: LayerSizes) -> None:
        super().__init__()
        self.layers = nn.LayerList([PreNormDecoderLayer(sizes) for _ in range(config.dec_hidden_layers)])
        self.norm = sizes.norm()


def _sizes(config: Config) -> LayerSizes:
    return LayerSizes(
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        inner=config.intermediate_size,
        activation=ACTIVATIONS[config.hidden_act],
        epsilon=config.layer_norm_eps,
        std=config.initializer_range,
        dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
    )


def _embeddings(config: Config) -> Embeddings:
    """BERT's, but the row of [PAD] learns like the others: the loss counts padding, and the decoder reads it."""
    return Embeddings(replace(config, pad_token_id=None))


class Palm(Seq2Seq):
    """The encoder-decoder. Encoder, decoder and the projection to the vocabulary share one table of words.

    Losses: "mean-over-positions" (default) is the published one, whose mean counts padded positions with the label
    0 too; "mean-over-tokens" leaves them out.
    """

    LOSSES: ClassVar = {"mean-over-positions": mean_over_positions, "mean-over-tokens": mean_over_tokens}
    SEARCHES: ClassVar = {**Seq2Seq.SEARCHES, "palm": published_search}

    def __init__(self, config: Config, task: str | None = None) -> None:
        super().__init__(config, task)
        sizes = _sizes(config)
        self.embeddings = _embeddings(config)
        self.encoder = Encoder(config, sizes)
        self.decoder = Decoder(config, sizes)

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """What the decoder attends to; arguments as in `Seq2Seq.encode`.

        Raises:
            InputError: a text longer than the table of positions (2048), an id without a row.
        """
        x = self.embeddings(
            check_inputs(input_ids, None, attention_mask), token_type_ids, sequential_positions(input_ids)
        )
        return self.encoder(x, None if attention_mask is None else additive_mask(attention_mask, x.dtype))[0]

    def memory(self, encoded: Tensor) -> list[KeyValue]:
        """Keys and values of the cross-attention, one pair [B, H, S, K] per decoder layer."""
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
        """Runs the decoder; arguments and result as in `Seq2Seq.decode`.

        Raises:
            InputError: a step beyond the table of positions, an id without a row.
        """
        x = self.embeddings(ids, None, positions)  # [B, N, D]
        new: list[KeyValue] = []
        for n, layer in enumerate(self.decoder.layers):
            x, made = layer(x, mask, memory[n], memory_mask, None if past is None else past[n])
            new.append(made)
        return self.decoder.norm(x), new

    def logits(self, hidden: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, V]; the rows beyond vocab.txt, which pad the table, get scores too."""
        return word_scores(hidden, self.embeddings.word.weight)


class PalmEncoder(Model):
    """The encoder alone, for the masked language model."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embeddings = _embeddings(config)
        self.encoder = Encoder(config, _sizes(config))


class PalmForMaskedLM(Model):
    """The word behind a mask, read off the encoder. Tensors are named `seq2seq.*` and `mlm.*`."""

    prefix = ""
    leaves_out = ("seq2seq.decoder",)

    def __init__(self, config: Config) -> None:
        super().__init__(config, "mlm")
        self.seq2seq = PalmEncoder(config)
        self.mlm = MaskedLM(config)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> Output:
        """Arguments as in `TaskModel.forward`; labels as in `MaskedLM`."""
        given = check_inputs(input_ids, inputs_embeds, attention_mask)
        x = self.seq2seq.embeddings(
            given, token_type_ids, sequential_positions(given) if position_ids is None else position_ids
        )
        mask = None if attention_mask is None else additive_mask(attention_mask, x.dtype)
        x, kept = self.seq2seq.encoder(x, mask, output_hidden_states)
        output = self.mlm(Output(x, hidden_states=kept), attention_mask, self.seq2seq.embeddings.word.weight)
        return output if labels is None else replace(output, loss=self.mlm.loss(output, labels))


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The encoder-decoder (task "generation" or none), or its encoder with the head of the masked language model.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    if options:
        raise UsageError(f"PALM does not take {', '.join(options)}.")
    if task == "mlm":
        return PalmForMaskedLM(config)
    if task not in (None, "generation"):
        raise UsageError(f"This network has no '{task}' head.", "It has: generation, mlm.")
    return Palm(config, task)

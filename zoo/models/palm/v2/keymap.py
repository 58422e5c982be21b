"""Keys of PALM 2.0: ModelScope's pytorch_model.bin, what its trainer saves, and AliceMind's palm.en.base.

The last has one more `model.` behind `bert.`, and other names for the projection to the vocabulary.
"""

from __future__ import annotations

from zoo.checkpoint.keymap import WRAPPER_PREFIXES, KeyMap
from zoo.checkpoint.rules import Rule, copy, drop, linear, norm, tie

_OURS, _DECODER = "seq2seq.encoder.layers.{i}", "decoder.transformer_layers.{i}"
_OURS_DECODER = "seq2seq.decoder.layers.{i}"
STEPS = "seq2seq.decoder.steps"  # sinusoids


def _encoder(bert: str) -> tuple[Rule, ...]:
    layer = f"{bert}.encoder.layer.{{i}}"
    return (
        *copy(f"{bert}.embeddings.word_embeddings.weight", "seq2seq.encoder.embeddings.word.weight"),
        *copy(f"{bert}.embeddings.position_embeddings.weight", "seq2seq.encoder.embeddings.position.weight"),
        *copy(f"{bert}.embeddings.token_type_embeddings.weight", "seq2seq.encoder.embeddings.token_type.weight"),
        *norm(f"{bert}.embeddings.LayerNorm", "seq2seq.encoder.embeddings.norm"),
        *linear(f"{layer}.attention.self.query", f"{_OURS}.attention.query"),
        *linear(f"{layer}.attention.self.key", f"{_OURS}.attention.key"),
        *linear(f"{layer}.attention.self.value", f"{_OURS}.attention.value"),
        *linear(f"{layer}.attention.output.dense", f"{_OURS}.attention.output"),
        *norm(f"{layer}.attention.output.LayerNorm", f"{_OURS}.attention_norm"),
        *linear(f"{layer}.intermediate.dense", f"{_OURS}.feed_forward.inner"),
        *linear(f"{layer}.output.dense", f"{_OURS}.feed_forward.outer"),
        *norm(f"{layer}.output.LayerNorm", f"{_OURS}.feed_forward_norm"),
        *norm(f"{bert}.pooler.dense", "unused.pooler"),  # verbatim: the decoder reads the tokens only
        *copy(f"{bert}.embeddings.position_ids", "unused.position_ids"),
        *copy(f"{bert}.embeddings.token_type_ids", "unused.token_type_ids"),
    )


def _attention(theirs: str, ours: str) -> tuple[Rule, ...]:
    return (
        *linear(f"{_DECODER}.{theirs}.linear_query", f"{_OURS_DECODER}.{ours}.query"),
        *linear(f"{_DECODER}.{theirs}.linear_keys", f"{_OURS_DECODER}.{ours}.key"),
        *linear(f"{_DECODER}.{theirs}.linear_values", f"{_OURS_DECODER}.{ours}.value"),
        *linear(f"{_DECODER}.{theirs}.final_linear", f"{_OURS_DECODER}.{ours}.output"),
    )


KEYMAP = KeyMap(
    file="pytorch_model.bin",
    wrappers=(*WRAPPER_PREFIXES, "palm."),
    optional=(STEPS,),
    rules=(
        *_encoder("bert"),
        *_encoder("bert.model"),
        *copy("decoder.embeddings.weight", "seq2seq.decoder.word.weight"),
        *norm(f"{_DECODER}.layer_norm_1", f"{_OURS_DECODER}.attention_norm"),
        *_attention("self_attn", "attention"),
        *norm(f"{_DECODER}.layer_norm_2", f"{_OURS_DECODER}.cross_attention_norm"),
        *_attention("context_attn", "cross_attention"),
        *norm(f"{_DECODER}.feed_forward.layer_norm", f"{_OURS_DECODER}.feed_forward_norm"),
        *linear(f"{_DECODER}.feed_forward.w_1", f"{_OURS_DECODER}.feed_forward.inner"),
        *linear(f"{_DECODER}.feed_forward.w_2", f"{_OURS_DECODER}.feed_forward.outer"),
        *norm("decoder.layer_norm", "seq2seq.decoder.norm"),
        *copy("decoder.pos_emb.pe", STEPS),
        *copy("generator.dense.bias", "seq2seq.generator.bias"),
        *copy("generator.0.bias", "seq2seq.generator.bias"),
        *copy("generator.gen_proj.bias", "seq2seq.generator.bias"),
        *linear("generator.prob_proj", "seq2seq.generator.gate"),
        *tie("generator.dense.weight", "seq2seq.decoder.word.weight"),
        *tie("generator.0.weight", "seq2seq.decoder.word.weight"),
        *tie("generator.gen_proj.weight", "seq2seq.decoder.word.weight"),
        *tie("loss.generator.dense.weight", "seq2seq.decoder.word.weight"),
        *tie("loss.generator.dense.bias", "seq2seq.generator.bias"),
        *drop("loss.criterion.one_hot", "the smoothed label, computed from the vocabulary's size"),
        *drop(f"{_DECODER}.mask", "who may look ahead: nobody, a triangle of ones"),
    ),
)

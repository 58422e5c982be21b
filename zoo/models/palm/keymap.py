"""Keys of palm_model.pt, as SOFA writes it: 403 for 12 + 12 layers."""

from __future__ import annotations

from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import copy, linear, norm, split, tie

_ENCODER, _DECODER = "bert.encoder.layer.{i}", "decoder.decoder.layer.{i}"
_OURS, _OURS_DECODER = "seq2seq.encoder.layers.{i}", "seq2seq.decoder.layers.{i}"

KEYMAP = KeyMap(
    file="palm_model.pt",
    rules=(
        *copy("bert.embeddings.word_embeddings.weight", "seq2seq.embeddings.word.weight"),
        *copy("bert.embeddings.position_embeddings.weight", "seq2seq.embeddings.position.weight"),
        *copy("bert.embeddings.token_type_embeddings.weight", "seq2seq.embeddings.token_type.weight"),
        *norm("bert.embeddings.LayerNorm", "seq2seq.embeddings.norm"),
        *norm(f"{_ENCODER}.attention.LayerNorm", f"{_OURS}.attention_norm"),
        *split(
            f"{_ENCODER}.attention.self.query_key_value",
            (f"{_OURS}.attention.query", f"{_OURS}.attention.key", f"{_OURS}.attention.value"),
        ),
        *linear(f"{_ENCODER}.attention.output.dense", f"{_OURS}.attention.output"),
        *norm(f"{_ENCODER}.LayerNorm", f"{_OURS}.feed_forward_norm"),
        *linear(f"{_ENCODER}.intermediate.dense", f"{_OURS}.feed_forward.inner"),
        *linear(f"{_ENCODER}.output.dense", f"{_OURS}.feed_forward.outer"),
        *norm("bert.encoder.LayerNorm", "seq2seq.encoder.norm"),
        *norm(f"{_DECODER}.input_layernorm", f"{_OURS_DECODER}.attention_norm"),
        *split(
            f"{_DECODER}.attention.query_key_value",
            tuple(f"{_OURS_DECODER}.attention.{name}" for name in ("query", "key", "value")),
        ),
        *linear(f"{_DECODER}.attention.dense", f"{_OURS_DECODER}.attention.output"),
        *norm(f"{_DECODER}.post_attention_layernorm", f"{_OURS_DECODER}.cross_attention_norm"),
        *linear(f"{_DECODER}.cross_attention.query", f"{_OURS_DECODER}.cross_attention.query"),
        *split(
            f"{_DECODER}.cross_attention.key_value",
            tuple(f"{_OURS_DECODER}.cross_attention.{name}" for name in ("key", "value")),
        ),
        *linear(f"{_DECODER}.cross_attention.dense", f"{_OURS_DECODER}.cross_attention.output"),
        *norm(f"{_DECODER}.post_cross_attention_layernorm", f"{_OURS_DECODER}.feed_forward_norm"),
        *linear(f"{_DECODER}.intermediate", f"{_OURS_DECODER}.feed_forward.inner"),
        *linear(f"{_DECODER}.output", f"{_OURS_DECODER}.feed_forward.outer"),
        *norm("decoder.decoder.final_layernorm", "seq2seq.decoder.norm"),
        *linear("cls.predictions.transform.dense", "mlm.dense"),
        *norm("cls.predictions.transform.LayerNorm", "mlm.norm"),
        *copy("cls.predictions.bias", "mlm.bias"),
        *tie("cls.predictions.decoder_weight", "seq2seq.embeddings.word.weight"),
        *norm("bert.pooler.dense", "unused.pooler"),  # verbatim: the published code computes neither of these two
        *norm("cls.seq_relationship", "unused.seq_relationship"),
    ),
)

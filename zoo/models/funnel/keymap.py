"""Keys of Funnel files, as transformers writes them."""

from __future__ import annotations

from zoo.checkpoint.dialect import Dialect
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Rule, as_paddle, copy, linear, norm, tie

_OWN = {  # parameters of the attention that are no Linear: the same in both layouts, 2-D ones included
    "r_w_bias": "content_bias",
    "r_r_bias": "position_bias",
    "r_kernel": "position_kernel",
    "r_s_bias": "segment_bias",
    "seg_embed": "segments",
}


def _layer(source: str, target: str) -> tuple[Rule, ...]:
    """One layer, of the encoder or of the decoder."""
    return (
        *(
            rule
            for theirs, ours in _OWN.items()
            for rule in copy(f"{source}.attention.{theirs}", f"{target}.attention.{ours}")
        ),
        *linear(f"{source}.attention.q_head", f"{target}.attention.query", bias=False),
        *linear(f"{source}.attention.k_head", f"{target}.attention.key"),
        *linear(f"{source}.attention.v_head", f"{target}.attention.value"),
        *linear(f"{source}.attention.post_proj", f"{target}.attention.output"),
        *norm(f"{source}.attention.layer_norm", f"{target}.attention_norm"),
        *linear(f"{source}.ffn.linear_1", f"{target}.feed_forward.inner"),
        *linear(f"{source}.ffn.linear_2", f"{target}.feed_forward.outer"),
        *norm(f"{source}.ffn.layer_norm", f"{target}.feed_forward_norm"),
    )


KEYMAP = KeyMap(
    base="funnel.",
    rules=(
        *copy("funnel.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
        *norm("funnel.embeddings.layer_norm", "encoder.embeddings.norm"),
        *_layer("funnel.encoder.blocks.{b}.{j}", "encoder.blocks.{b}.{j}"),
        *_layer("funnel.decoder.layers.{i}", "encoder.decoder.layers.{i}"),
        *copy("lm_head.bias", "mlm.bias"),
        *tie("lm_head.weight", "encoder.embeddings.word.weight"),
        *linear("classifier.linear_hidden", "classification.dense"),
        *linear("classifier.linear_out", "classification.output"),
        *linear("classifier.linear_hidden", "multiple_choice.dense"),  # the same keys: KEYMAP.prefer(task) decides
        *linear("classifier.linear_out", "multiple_choice.output"),
        *linear("classifier", "tagging.output"),
        *linear("qa_outputs", "qa.output"),
        *linear("discriminator_predictions.dense", "discriminator.dense"),
        *linear("discriminator_predictions.dense_prediction", "discriminator.output"),
        *linear(
            "start_logits.dense", "qa_beam.start"
        ),  # as transformers' XLNet has this head; Funnel has none there
        *linear("end_logits.dense_0", "qa_beam.end_dense"),
        *norm("end_logits.LayerNorm", "qa_beam.end_norm"),
        *linear("end_logits.dense_1", "qa_beam.end"),
        *linear("answer_class.dense_0", "qa_beam.answerable_dense"),
        *linear("answer_class.dense_1", "qa_beam.answerable", bias=False),
    ),
)

# PaddleNLP spells the keys as transformers does. It exports no class with another head than these, and its masked
# language model has a bias of the wrong length.
PADDLENLP = (
    Dialect(
        stem="Funnel",
        model_type="funnel",
        heads={
            "classification": "ForSequenceClassification",
            "tagging": "ForTokenClassification",
            "qa": "ForQuestionAnswering",
        },
        bare={"FunnelBaseModel": "BaseModel"},
        unsaid=("pad_token_id",),  # with it the vector of padding is 0 there, which the pooling mixes with a text's
        activations=("gelu", "gelu_new", "relu"),
        keymap=KeyMap(base="funnel.", rules=as_paddle(KEYMAP.rules)),
    ),
)

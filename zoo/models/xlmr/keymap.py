"""Keys of XLM-RoBERTa and InfoXLM files, as transformers writes them."""

from __future__ import annotations

from dataclasses import replace

from zoo.checkpoint.rules import KeyMap, copy, linear, norm, tie

_LAYER = "roberta.encoder.layer.{i}"

KEYMAP = KeyMap(
    base="roberta.",
    rules=(
        *copy("roberta.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
        *copy("roberta.embeddings.position_embeddings.weight", "encoder.embeddings.position.weight"),
        *copy("roberta.embeddings.token_type_embeddings.weight", "encoder.embeddings.token_type.weight"),
        *norm("roberta.embeddings.LayerNorm", "encoder.embeddings.norm"),
        *linear(f"{_LAYER}.attention.self.query", "encoder.layers.{i}.attention.query"),
        *linear(f"{_LAYER}.attention.self.key", "encoder.layers.{i}.attention.key"),
        *linear(f"{_LAYER}.attention.self.value", "encoder.layers.{i}.attention.value"),
        *linear(f"{_LAYER}.attention.output.dense", "encoder.layers.{i}.attention.output"),
        *norm(f"{_LAYER}.attention.output.LayerNorm", "encoder.layers.{i}.attention_norm"),
        *linear(f"{_LAYER}.intermediate.dense", "encoder.layers.{i}.feed_forward.inner"),
        *linear(f"{_LAYER}.output.dense", "encoder.layers.{i}.feed_forward.outer"),
        *norm(f"{_LAYER}.output.LayerNorm", "encoder.layers.{i}.feed_forward_norm"),
        *linear("roberta.pooler.dense", "encoder.pooler.dense"),
        *linear("lm_head.dense", "mlm.dense"),
        *norm("lm_head.layer_norm", "mlm.norm"),
        *copy("lm_head.bias", "mlm.bias"),
        *tie("lm_head.decoder.weight", "encoder.embeddings.word.weight"),
        *tie("lm_head.decoder.bias", "mlm.bias"),
        *linear("classifier.dense", "classification.dense"),
        *linear("classifier.out_proj", "classification.output"),
        *linear("classifier", "tagging.output"),
        *linear("classifier", "multiple_choice.output"),  # the same keys: KEYMAP.prefer(task) decides
        *linear("qa_outputs", "qa.output"),
        *copy("roberta.embeddings.position_ids", "unused.position_ids"),
        *copy("roberta.embeddings.token_type_ids", "unused.token_type_ids"),
    ),
)

# PaddleNLP 3.0 spells the keys as transformers does, keeps a Linear as Paddle does and has no aliases
# (paddlenlp/transformers/xlm_roberta/modeling.py); conversion/paddlenlp_check.py loads them there.
PADDLENLP = replace(
    KEYMAP,
    rules=tuple(
        replace(rule, op="copy" if rule.op == "transpose" else rule.op) for rule in KEYMAP.rules if rule.op != "tie"
    ),
)

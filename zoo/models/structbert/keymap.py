"""Keys of StructBERT and BERT files, as transformers, SOFA and the older single-file pickles write them."""

from __future__ import annotations

from zoo.checkpoint.dialect import Dialect
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import as_paddle, copy, linear, norm, tie

_LAYER = "bert.encoder.layer.{i}"

KEYMAP = KeyMap(
    base="bert.",
    pooled=("classification", "multiple-choice"),
    spellings=((".gamma", ".weight"), (".beta", ".bias")),
    rules=(
        *copy("bert.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
        *copy("bert.embeddings.position_embeddings.weight", "encoder.embeddings.position.weight"),
        *copy("bert.embeddings.token_type_embeddings.weight", "encoder.embeddings.token_type.weight"),
        *norm("bert.embeddings.LayerNorm", "encoder.embeddings.norm"),
        *linear(f"{_LAYER}.attention.self.query", "encoder.layers.{i}.attention.query"),
        *linear(f"{_LAYER}.attention.self.key", "encoder.layers.{i}.attention.key"),
        *linear(f"{_LAYER}.attention.self.value", "encoder.layers.{i}.attention.value"),
        *linear(f"{_LAYER}.attention.output.dense", "encoder.layers.{i}.attention.output"),
        *norm(f"{_LAYER}.attention.output.LayerNorm", "encoder.layers.{i}.attention_norm"),
        *linear(f"{_LAYER}.intermediate.dense", "encoder.layers.{i}.feed_forward.inner"),
        *linear(f"{_LAYER}.output.dense", "encoder.layers.{i}.feed_forward.outer"),
        *norm(f"{_LAYER}.output.LayerNorm", "encoder.layers.{i}.feed_forward_norm"),
        *linear("bert.pooler.dense", "encoder.pooler.dense"),
        *linear("cls.predictions.transform.dense", "mlm.dense"),
        *norm("cls.predictions.transform.LayerNorm", "mlm.norm"),
        *copy("cls.predictions.bias", "mlm.bias"),
        *tie("cls.predictions.decoder.weight", "encoder.embeddings.word.weight"),
        *tie("cls.predictions.decoder.bias", "mlm.bias"),
        *linear("classifier", "classification.output"),  # three heads share these keys: KEYMAP.prefer(task) decides
        *linear("classifier", "tagging.output"),
        *linear("classifier", "multiple_choice.output"),
        *linear("qa_outputs", "qa.output"),
        *norm("cls.seq_relationship", "unused.seq_relationship"),  # verbatim: no layer uses it
        *copy("bert.embeddings.position_ids", "unused.position_ids"),
        *copy("bert.embeddings.token_type_ids", "unused.token_type_ids"),
    ),
)

_PADDLENLP_LAYER = "bert.encoder.layers.{i}"

# PaddleNLP's names (paddlenlp/transformers/bert/modeling.py); conversion/paddlenlp_check.py tries both ways there.
PADDLENLP = (
    Dialect(
        stem="Bert",
        model_type="bert",
        heads={
            "mlm": "ForMaskedLM",
            "classification": "ForSequenceClassification",
            "tagging": "ForTokenClassification",
            "qa": "ForQuestionAnswering",
            "multiple-choice": "ForMultipleChoice",
        },
        pretraining="ForPretraining",
        aliases=("cls.predictions.decoder_bias", "cls.predictions.decoder.weight"),
        defaults={"type_vocab_size": 16},
        keymap=KeyMap(
            base="bert.",
            pooled=("classification", "multiple-choice"),
            rules=as_paddle(
                (
                    *copy("bert.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
                    *copy("bert.embeddings.position_embeddings.weight", "encoder.embeddings.position.weight"),
                    *copy("bert.embeddings.token_type_embeddings.weight", "encoder.embeddings.token_type.weight"),
                    *norm("bert.embeddings.layer_norm", "encoder.embeddings.norm"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.q_proj", "encoder.layers.{i}.attention.query"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.k_proj", "encoder.layers.{i}.attention.key"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.v_proj", "encoder.layers.{i}.attention.value"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.out_proj", "encoder.layers.{i}.attention.output"),
                    *norm(f"{_PADDLENLP_LAYER}.norm1", "encoder.layers.{i}.attention_norm"),
                    *linear(f"{_PADDLENLP_LAYER}.linear1", "encoder.layers.{i}.feed_forward.inner"),
                    *linear(f"{_PADDLENLP_LAYER}.linear2", "encoder.layers.{i}.feed_forward.outer"),
                    *norm(f"{_PADDLENLP_LAYER}.norm2", "encoder.layers.{i}.feed_forward_norm"),
                    *linear("bert.pooler.dense", "encoder.pooler.dense"),
                    *linear("cls.predictions.transform", "mlm.dense"),
                    *norm("cls.predictions.layer_norm", "mlm.norm"),
                    *copy("cls.predictions.decoder.bias", "mlm.bias"),
                    *tie("cls.predictions.decoder_bias", "mlm.bias"),
                    *tie("cls.predictions.decoder.weight", "encoder.embeddings.word.weight"),
                    *tie("cls.predictions.decoder_weight", "encoder.embeddings.word.weight"),  # before 2.4
                    # Every head of PaddleNLP's BERT is called classifier: KEYMAP.prefer(task) decides.
                    *linear("classifier", "classification.output"),
                    *linear("classifier", "tagging.output"),
                    *linear("classifier", "multiple_choice.output"),
                    *linear("classifier", "qa.output"),
                )
            )
            # A torch Linear kept verbatim, so this one is turned.
            + linear("cls.seq_relationship", "unused.seq_relationship"),
        ),
    ),
)

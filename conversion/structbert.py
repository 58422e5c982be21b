"""StructBERT: the AliceMind files, proven against transformers' Bert classes (inference is BERT's to the bit).

The released class has a two-way sentence head that fine-tuning never uses; `BertForPreTraining` holds the same.
"""

from __future__ import annotations

from conversion.reference import Reference

HEADS = ("Model", "ForPreTraining", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification")
HEADS = (*HEADS, "ForQuestionAnswering", "ForMultipleChoice")

REFERENCE = Reference(
    family="structbert",
    config_class="BertConfig",
    classes={f"{name}{head}": f"Bert{head}" for name in ("Sbert", "Bert") for head in HEADS},
    published={
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "type_vocab_size": 2,
    },
    base="bert.",
    buffers=("bert.embeddings.position_ids",),
    spellings=((".LayerNorm.weight", ".LayerNorm.gamma"), (".LayerNorm.bias", ".LayerNorm.beta")),
    token_types=2,
    reserved_positions=0,
    special_ids=(0, 100, 101, 102, 103),
    tokenizer_class="BertTokenizer",
)

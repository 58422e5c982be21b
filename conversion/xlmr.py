"""XLM-R: FacebookAI/xlm-roberta-*, proven against transformers' XLMRoberta classes."""

from __future__ import annotations

from conversion.reference import Reference

HEADS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
HEADS = (*HEADS, "ForMultipleChoice")

REFERENCE = Reference(
    family="xlmr",
    config_class="XLMRobertaConfig",
    classes={f"{name}{head}": f"XLMRoberta{head}" for name in ("XLMRoberta", "Roberta") for head in HEADS},
    published={
        "model_type": "xlm-roberta",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-05,
        "type_vocab_size": 1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    },
    base="roberta.",
    buffers=("roberta.embeddings.position_ids",),
    tokenizer_class="XLMRobertaTokenizer",
)

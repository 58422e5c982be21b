"""XLM-R: FacebookAI/xlm-roberta-*, proven against transformers' XLMRoberta classes."""

from __future__ import annotations

from conversion.reference import Reference

HEADS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
HEADS = (*HEADS, "ForMultipleChoice")

REFERENCE = Reference(
    family="xlmr",
    config_class="XLMRobertaConfig",
    classes={f"{name}{head}": f"XLMRoberta{head}" for name in ("XLMRoberta", "Roberta") for head in HEADS},
    base="roberta.",
    buffers=("roberta.embeddings.position_ids",),
    tokenizer_class="XLMRobertaTokenizer",
)

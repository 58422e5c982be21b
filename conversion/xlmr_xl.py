"""XLM-R XL: facebook/xlm-roberta-xl and -xxl, proven against transformers' XLMRobertaXL classes."""

from __future__ import annotations

from dataclasses import replace

from conversion import xlmr

REFERENCE = replace(
    xlmr.REFERENCE,
    family="xlmr_xl",
    config_class="XLMRobertaXLConfig",
    classes={f"XLMRobertaXL{head}": f"XLMRobertaXL{head}" for head in xlmr.HEADS},
    published={**xlmr.REFERENCE.published, "model_type": "xlm-roberta-xl"},
)

"""VECO: the encoder against transformers' XLM-R classes, the encoder-decoder against its BART."""

from __future__ import annotations

from dataclasses import replace

from conversion import xlmr
from conversion.reference import Reference

REFERENCE = replace(
    xlmr.REFERENCE,
    family="veco",
    classes={
        f"{name}{head}": f"XLMRoberta{head}" for name in ("Veco", "XLMRoberta", "Roberta") for head in xlmr.HEADS
    },
    published={**xlmr.REFERENCE.published, "model_type": "veco"},
)
SEQ2SEQ = Reference(
    family="veco",
    config_class="BartConfig",
    classes={"VecoForConditionalGeneration": "BartForConditionalGeneration"},
    published={
        "model_type": "bart",
        "activation_function": "gelu",
        "dropout": 0.1,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
    base="model.",
    padding_sides=("right",),  # BART's positions move with padding on the left, fairseq's do not
    reserved_positions=0,
    filled={"model.shared.weight": "encoder.embed_tokens.weight"},
    constants=("final_logits_bias",),
)
REFERENCES = (REFERENCE, SEQ2SEQ)

"""Funnel: funnel-transformer/*, proven against transformers' Funnel classes."""

from __future__ import annotations

from conversion.reference import Reference

HEADS = (
    "Model",
    "BaseModel",
    "ForPreTraining",
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
)
HEADS = (*HEADS, "ForQuestionAnswering", "ForMultipleChoice")

REFERENCE = Reference(
    family="funnel",
    config_class="FunnelConfig",
    classes={f"Funnel{head}": f"Funnel{head}" for head in HEADS},
    published={
        "model_type": "funnel",
        "hidden_act": "gelu_new",
        "hidden_dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "initializer_range": 0.1,
        "initializer_std": None,
        "layer_norm_eps": 1e-09,
        "pooling_type": "mean",
        "attention_type": "relative_shift",
        "separate_cls": True,
        "truncate_seq": True,
        "pool_q_only": True,
        "max_position_embeddings": 512,
        "type_vocab_size": 3,
        "rel_attn_type": "factorized",
    },
    base="funnel.",
    padding_sides=("right",),
    token_types=3,
    reserved_positions=0,
    special_ids=(0, 100, 101, 102, 103),
    shortest=5,  # with three blocks the original's table of positions runs out below
    special_tokens={"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<cls>", "[SEP]": "<sep>", "[MASK]": "<mask>"},
    tokenizer_class="FunnelTokenizer",
)

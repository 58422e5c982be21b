"""Both PALM networks, against the torch networks of conversion/palm_torch.py."""

from __future__ import annotations

from conversion.reference import Reference

SPECIAL_IDS = (0, 100, 101, 102, 103)
REFERENCE = Reference(
    family="palm",
    module="conversion.palm_torch",
    config_class="PalmConfig",
    classes=dict.fromkeys(("PalmModel", "PalmForConditionalGeneration"), "PalmModel"),
    published={
        "model_type": "palm",
        "type_vocab_size": 3,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.00707,
        "layernorm_epsilon": 1e-12,
        "pre_ln": True,
        "attn_separate": False,
    },
    base="",
    token_types=3,
    reserved_positions=0,
    special_ids=SPECIAL_IDS,
    tokenizer_class="BertTokenizer",
)
PALM2 = Reference(
    family="palm",
    module="conversion.palm_torch",
    config_class="Palm2Config",
    classes={"PalmForTextGeneration": "Palm2Model"},
    published={
        "model_type": "palm",
        "encoder": "zh_bert",
        "encoder_pth": "zh_bert",
        "dec_layers": 12,
        "dec_hidden_size": 768,
        "dec_heads": 8,
        "dec_ff_size": 3072,
        "dec_dropout": 0.2,
        "label_smoothing": 0.1,
        "vocab_size": 21128,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    },
    base="",
    padding_sides=("right",),  # the original's decoder finds the padding by its id
    token_types=2,
    reserved_positions=0,
    special_ids=SPECIAL_IDS,
    constants=("decoder.pos_emb.pe",),
    tokenizer_class="BertTokenizer",
)
REFERENCES = (REFERENCE, PALM2)

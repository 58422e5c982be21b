"""How the published files look inside, where that is known: format, half tensors, old spellings, old buffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo.cards import Card


@dataclass(frozen=True)
class Upstream:
    """The form of a published weight file.

    Attributes:
        format: "safetensors", "torch-zip", "torch-legacy" or "fairseq".
        half_linears: the weights of linear layers are float16 (infoxlm-base: only this fits its 942 MB).
        old_spelling: LayerNorm.gamma and .beta.
        buffers: the file holds position_ids.
        prefix: what a training script put before every key.
        token_outputs: beside the network lie the files of conversion/flag_embedding.py.
        config: what config.json says beside the card's sizes.
    """

    file: str
    format: str
    half_linears: bool = False
    old_spelling: bool = False
    buffers: bool = False
    prefix: str = ""
    token_outputs: bool = False
    config: Mapping[str, object] = field(default_factory=dict)


SAFETENSORS = Upstream("model.safetensors", "safetensors")
ZIP = Upstream("pytorch_model.bin", "torch-zip", buffers=True)
LEGACY = Upstream("pytorch_model.bin", "torch-legacy", buffers=True)
HALF = Upstream("pytorch_model.bin", "torch-legacy", half_linears=True, buffers=True)
PLAIN = Upstream("pytorch_model.bin", "torch-legacy")
OLD_BERT = Upstream("pytorch_model.bin", "torch-legacy", old_spelling=True)

PALM = Upstream("palm_model.pt", "torch-zip")
PALM2 = Upstream("pytorch_model.bin", "torch-zip")
FAIRSEQ = Upstream("model.pt", "fairseq")
M3 = Upstream("pytorch_model.bin", "torch-zip", token_outputs=True)
RERANKER = Upstream(
    "model.safetensors", "safetensors", config={"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
)

FORMS = {
    "BAAI/bge-m3": M3,
    "BAAI/bge-reranker-v2-m3": RERANKER,
    "veco-large": ZIP,
    "facebook/xlm-roberta-xxl": ZIP,
    "palm-zh-base": PALM,
    "veco-large-nlg": FAIRSEQ,
    "microsoft/infoxlm-base": HALF,
    "microsoft/infoxlm-large": ZIP,
    "structbert-en-large": OLD_BERT,
    "structbert-zh-large": OLD_BERT,
}


def upstream_of(card: Card) -> Upstream:
    """The form of a card's file; safetensors where nothing else is known."""
    usual = PALM2 if card.family == "palm" else PLAIN if card.family == "funnel" else SAFETENSORS
    return FORMS.get(card.name, usual)

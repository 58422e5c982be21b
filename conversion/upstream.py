"""How the published files look inside, where that is known: format, half tensors, old spellings, old buffers."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    file: str
    format: str
    half_linears: bool = False
    old_spelling: bool = False
    buffers: bool = False
    prefix: str = ""


SAFETENSORS = Upstream("model.safetensors", "safetensors")
ZIP = Upstream("pytorch_model.bin", "torch-zip", buffers=True)
LEGACY = Upstream("pytorch_model.bin", "torch-legacy", buffers=True)
HALF = Upstream("pytorch_model.bin", "torch-legacy", half_linears=True, buffers=True)
PLAIN = Upstream("pytorch_model.bin", "torch-legacy")
OLD_BERT = Upstream("pytorch_model.bin", "torch-legacy", old_spelling=True)

PALM = Upstream("palm_model.pt", "torch-zip")
PALM2 = Upstream("pytorch_model.bin", "torch-zip")
FAIRSEQ = Upstream("model.pt", "fairseq")

FORMS = {
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

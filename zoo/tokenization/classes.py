"""Lists upstream's tokenizer classes that are implemented here: their files, special tokens and layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo.errors import NotYetError
from zoo.files import quote
from zoo.tokenization.layout import BERT_LAYOUT, FUNNEL_LAYOUT, ROBERTA_LAYOUT, Layout

# In the order in which they are tried. What a model was trained with comes before what other programs write.
FILE_BY_KIND = {
    "sentencepiece": "sentencepiece.bpe.model",
    "wordpiece": "vocab.txt",
    "json": "tokenizer.json",
    "bytes": "vocab.json",
}
MERGES_FILE = "merges.txt"  # beside vocab.json
BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA_TOKENS = {  # also XLM-R's
    "pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>", "bos": "<s>", "eos": "</s>"
}  # fmt: skip
FUNNEL_TOKENS = ROBERTA_TOKENS | {"cls": "<cls>", "sep": "<sep>"}


@dataclass(frozen=True)
class TokenizerRules:
    """The file, layout and special tokens of a class of tokenizers.

    Attributes:
        kind: which file it is read from; "json" for a tokenizer.json alone, taken as it is.
        layout: where special tokens go; None for what tokenizer.json says.
        tokens: role -> token.
        alone: the other files mean other ids.
    """

    kind: str
    layout: Layout | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False


_BERT = TokenizerRules("wordpiece", BERT_LAYOUT, BERT_TOKENS)
_ROBERTA = TokenizerRules("bytes", ROBERTA_LAYOUT, ROBERTA_TOKENS)
_XLMR = TokenizerRules("sentencepiece", ROBERTA_LAYOUT, ROBERTA_TOKENS)
OF_KIND = {"wordpiece": _BERT, "bytes": _ROBERTA, "sentencepiece": _XLMR, "json": TokenizerRules("json")}
AS_IT_IS = TokenizerRules("json")
# Names without the ending Fast.
RULES_BY_CLASS = {
    "BertTokenizer": _BERT,
    "BertTokenizerLegacy": _BERT,
    "ConvBertTokenizer": _BERT,
    "DistilBertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "RetriBertTokenizer": _BERT,
    "SqueezeBertTokenizer": _BERT,
    "FunnelTokenizer": TokenizerRules("wordpiece", FUNNEL_LAYOUT, FUNNEL_TOKENS),
    "RobertaTokenizer": _ROBERTA,
    "LongformerTokenizer": _ROBERTA,
    "XLMRobertaTokenizer": _XLMR,
    "CamembertTokenizer": TokenizerRules("json", alone=True),  # XLM-R's file names, other ids for the same pieces
    "PreTrainedTokenizer": AS_IT_IS,
    "TokenizersBackend": AS_IT_IS,
    # PaddleNLP's names
    "ErnieTokenizer": _BERT,
    "RobertaBPETokenizer": _ROBERTA,
    "RobertaChineseTokenizer": _BERT,
}
ONLY_JSON = ("camembert",)  # model types whose other files mean other ids


def rules_of(name: str, source: str) -> TokenizerRules:
    """Gives the rules of a class.

    Args:
        name: as a file has it ("BertTokenizer", "BertTokenizerFast").
        source: the file, for the message.

    Raises:
        NotYetError: a class that is not implemented; names it.
    """
    found = RULES_BY_CLASS.get(name.removesuffix("Fast"))
    if found is None:
        raise NotYetError(
            f"{source} has tokenizer_class={quote(name)}, which is not implemented.",
            f"There are {', '.join(RULES_BY_CLASS)}. A tokenizer.json is read as it is under "
            "PreTrainedTokenizerFast.",
        )
    return found

"""Stand-ins for the models that README's snippets load from the Hub: the same networks, small and random."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import paddle

from tests.tokenization import tiny
from zoo import hub
from zoo.models.common.base import Origin
from zoo.tokenization import load_tokenizer

BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
BERT |= {"max_position_embeddings": 128}
BART = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "pad_token_id": 1}
BART |= {
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
XLMR = {**BERT, "type_vocab_size": 1, "pad_token_id": 1, "model_type": "xlm-roberta"}
PALM = {**BERT, "type_vocab_size": 3, "dec_hidden_layers": 1, "model_type": "palm"}
VECO, BART_TYPE = "VecoForConditionalGeneration", {"model_type": "bart"}
Make = Callable[[Path], Path]


def translator(folder: Path) -> Path:
    """XLM-R's pieces with fairseq's dictionary of them, for two languages."""
    pieces = load_tokenizer(tiny.xlmr(folder)).engine.tokens[4:-1]
    (folder / "dict.txt").write_text("".join(f"{p} 1\n" for p in [*pieces, "[en]", "[de]"]), "utf-8")
    return folder


# What a snippet calls it: family, upstream's class, head, sizes, tokenizer.
NAMES: dict[str, tuple[str, str, str | None, dict[str, Any], Make]] = {
    "FacebookAI/xlm-roberta-base": ("xlmr", "XLMRobertaModel", None, XLMR, tiny.xlmr),
    "BAAI/bge-m3": ("xlmr", "XLMRobertaModel", None, XLMR, tiny.xlmr),
    "deepset/xlm-roberta-base-squad2@main": ("xlmr", "XLMRobertaForQuestionAnswering", "qa", XLMR, tiny.xlmr),
    "modelscope:iic/nlp_structbert_backbone_base_std": (
        "structbert", "BertModel", None, {**BERT, "model_type": "bert"}, tiny.bert,
    ),
    "palm-zh-base": ("palm", "PalmForConditionalGeneration", "generation", PALM, tiny.bert),
}  # fmt: skip
FOLDERS: dict[str, tuple[str, str, str | None, dict[str, Any], Make]] = {
    "veco-large": ("veco", VECO, "generation", {**BART, **BART_TYPE}, translator),
}


def models_of_the_hub(folder: Path) -> None:
    """Writes them: what has a name of the Hub where `zoo.load` keeps conversions, the others into the folder."""
    for name, about in NAMES.items():
        _write(hub.model_dir(name), folder / "sources", *about)
    for name, about in FOLDERS.items():
        _write(folder / name, folder / "sources", *about)


def _write(
    target: Path, sources: Path, family: str, architecture: str, task: str | None, sizes: dict[str, Any], make: Make
) -> None:
    source = make(sources / target.name)
    words = load_tokenizer(source).vocab_size + 2 * (family == "veco")
    module = f"zoo.models.{family}"
    content = {**sizes, "vocab_size": words, "architectures": [architecture]}
    config = import_module(f"{module}.config").Config.from_dict(content)
    paddle.seed(7)
    model = import_module(f"{module}.model").build(config, task)
    model.origin = Origin(family, architecture, module, source, None)
    target.parent.mkdir(parents=True, exist_ok=True)
    model.save(target)

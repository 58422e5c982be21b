"""A random network in the form of a published folder, made without torch."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import paddle
import pytest

from tests.conftest import ABSENT, SHARED
from zoo.models.common.base import Origin

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
}
WRITER = {
    "model_type": "bart",
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
FAMILIES: dict[str, tuple[str, str, str | None, dict[str, object]]] = {
    "bert-base-uncased": ("structbert", "BertModel", None, {"model_type": "bert"}),
    "bert-base-chinese": ("structbert", "BertModel", None, {"model_type": "bert"}),
    "xlm-roberta-base": ("veco", "VecoForConditionalGeneration", "generation", WRITER),
}
FUNNEL = {
    "model_type": "funnel",
    "d_model": 32,
    "d_head": 8,
    "n_head": 4,
    "d_inner": 64,
    "block_sizes": [1, 1],
    "num_decoder_layers": 1,
}
PALM = {"model_type": "palm", "dec_hidden_layers": 1, "type_vocab_size": 3}
OTHERS: dict[str, tuple[str, str, str | None, dict[str, object]]] = {  # with the vocabulary of another family
    "funnel": ("funnel", "FunnelModel", None, FUNNEL),
    "palm": ("palm", "PalmForConditionalGeneration", "generation", PALM),
}
WORDS = 6000
FILES = {"xlm-roberta-base": ("sentencepiece.bpe.rebuilt.model", "sentencepiece.bpe.model")}
VOCABULARIES = {"bert-base-uncased": 30522, "bert-base-chinese": 21128, "xlm-roberta-base": WORDS + 4}


def network(folder: Path, vocabulary: str, family_name: str = "", languages: tuple[str, ...] = ()) -> Path:
    """Writes a converted folder with random weights.

    Args:
        folder: to write.
        vocabulary: a folder of shared/assets; decides the family.
        family_name: another family, of OTHERS.
        languages: tokens in the dictionary of a translator, which has three layers in its decoder.
    """
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    source = folder.parent / "source"
    source.mkdir(parents=True)
    if vocabulary == "xlm-roberta-base":
        _dictionary(source / "dict.txt", languages)
    theirs, name = FILES.get(vocabulary, ("vocab.txt", "vocab.txt"))
    shutil.copyfile(SHARED / "assets" / vocabulary / theirs, source / name)
    if family_name == "funnel":  # its special tokens have other names
        text = (source / name).read_text("utf-8")
        for token in ("PAD", "UNK", "CLS", "SEP", "MASK"):
            text = text.replace(f"[{token}]\n", f"<{token.lower()}>\n")
        (source / name).write_text(text, "utf-8")
    family, architecture, task, more = OTHERS.get(family_name) or FAMILIES[vocabulary]
    words = VOCABULARIES[vocabulary] + len(languages)
    content = {**SIZES, **more, "vocab_size": words, "architectures": [architecture]}
    content |= {"decoder_layers": 3} if languages else {}
    (source / "config.json").write_text(json.dumps(content), "utf-8")
    paddle.seed(1)
    config = import_module(f"zoo.models.{family}.config").Config.from_dict(content)
    model = import_module(f"zoo.models.{family}.model").build(config, task, pooler=True)
    model.origin = Origin(family, architecture, f"zoo.models.{family}", source, None)
    model.save(folder)
    return folder


def _dictionary(file: Path, languages: tuple[str, ...]) -> None:
    """fairseq's list of the first pieces of XLM-R's vocabulary."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(str(SHARED / "assets/xlm-roberta-base/sentencepiece.bpe.rebuilt.model"))
    listed = [pieces.IdToPiece(n) for n in range(3, 3 + WORDS)]
    listed += [f"[{language}]" for language in languages]
    file.write_text("".join(f"{piece} 1\n" for piece in listed), "utf-8")

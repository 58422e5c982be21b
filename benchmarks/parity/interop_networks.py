"""Small random networks with their tokenizers, and modules of sentence-transformers, for `interop_forms`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import transformers
from sentence_transformers import models
from sentence_transformers.sentence_transformer.modules import LayerNorm
from torch import nn

SYLLABLES = [f"{a}{b}" for a in "bdfgklmnprst" for b in "aeiou"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIGNS = list(".,!?:'-0123456789") + list("我们今天去北京看电影天气很好")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
SIZES |= {"max_position_embeddings": 66, "initializer_range": 0.3}
TEXTS = [
    "Bada kelu, mino Rosa!",
    "bada kelu, mino rosa!",
    "DAGO",
    "ÉTÉ İstanbul ΛΟΓΟΣ",
    "我们今天去北京, bada.",
    "",
    "lu",
    "sipo [MASK] kelu",
    " ".join(SYLLABLES * 3),
    "Query: mino 2024?",
    "fala fala fala - fala",
]
QUERY, PASSAGE = "Query: mino ", "passage: "


def bert(folder: Path, lower: bool = True) -> None:
    """A BERT with its vocabulary."""
    words = [*SPECIAL, *SIGNS, *(chr(c) for c in range(ord("A"), ord("Z") + 1)), *"abcdefghijklmnopqrstuvwxyz"]
    words += [
        *SYLLABLES,
        *(s.title() for s in SYLLABLES),
        *(f"##{s}" for s in [*SYLLABLES, *"abcdefghijklmnopqrstuvwxyz"]),
    ]
    config = transformers.BertConfig(vocab_size=len(words), **SIZES)
    transformers.BertModel(config).eval().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    about = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def cased(folder: Path) -> None:
    """A BERT whose tokenizer keeps the case."""
    bert(folder, lower=False)


def xlmr(folder: Path) -> None:
    """An XLM-R with a SentencePiece model of its own."""
    lines = [
        " ".join(SYLLABLES[n % 60 :] + SYLLABLES[: n % 60]) + f" {t} {t.lower()}"
        for n in range(60)
        for t in TEXTS
        if t
    ]
    folder.mkdir()
    stem = str(folder / "sentencepiece.bpe")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=stem,
        vocab_size=150,
        model_type="unigram",
        character_coverage=1.0,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{stem}.model").get_piece_size()
    Path(f"{stem}.vocab").unlink()
    config = transformers.XLMRobertaConfig(
        vocab_size=pieces + 2, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, **SIZES
    )
    transformers.XLMRobertaModel(config).eval().save_pretrained(folder)
    about = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def pooling(*modes: str, include_prompt: bool = True) -> Callable[[int], nn.Module]:
    """Makes a Pooling of states of so many numbers."""
    return lambda width: models.Pooling(width, modes if len(modes) > 1 else modes[0], include_prompt=include_prompt)


def dense(outputs: int, activation: nn.Module | None = None, **options: Any) -> Callable[[int], nn.Module]:
    """Makes a Dense."""
    return lambda width: models.Dense(width, outputs, activation_function=activation or nn.Tanh(), **options)


def normalize(width: int) -> nn.Module:
    """Makes a Normalize."""
    return models.Normalize()


def layer_norm(width: int) -> nn.Module:
    """Makes a LayerNorm whose weights are not one and zero."""
    made = LayerNorm(width)
    nn.init.normal_(made.norm.weight)
    nn.init.normal_(made.norm.bias)
    return made


def dropout(width: int) -> nn.Module:
    """Makes a Dropout, which does nothing outside of training."""
    return models.Dropout(0.3)

"""Small models with every kind of vocabulary, and the command `zoo trim` with its figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from tests import vocabularies
from tests.tiny_models import LIKE_XLMR, ONE_LAYER, Sizes, build, loud, write
from tests.tokenization import tiny as tokenizers
from zoo.checkpoint import open_checkpoint
from zoo.models.common.base import Model
from zoo.tokenization import load_tokenizer
from zoo.trim.__main__ import main

BERT: Sizes = {**ONE_LAYER, "model_type": "bert"}


def model(folder: Path, tokenizer: Callable[[Path], Path], head: str | None = "mlm", **changes: Any) -> Path:
    """Writes an XLM-R (for a SentencePiece model) or a BERT with random weights and a tokenizer of the tests."""
    source = tokenizer(folder.parent / f"{folder.name}-source")
    kind = load_tokenizer(source).layout.middle
    family, name, sizes = ("xlmr", "XLMRoberta", LIKE_XLMR) if len(kind) == 2 else ("structbert", "Bert", BERT)
    made = {**sizes, "vocab_size": load_tokenizer(source).vocab_size, "architectures": [f"{name}ForMaskedLM"]}
    return write(folder, loud(build(family, head, {**made, **changes}, 1)), family, f"{name}ForMaskedLM", source)


def both_files(folder: Path) -> Path:
    """A SentencePiece model with the tokenizer.json of the same pieces, as the Hub has them."""
    tokenizers.xlmr_document(folder)
    shutil.copy(tokenizers.xlmr(folder.parent / f"{folder.name}-model") / "sentencepiece.bpe.model", folder)
    return folder


def by_rules(folder: Path) -> Path:
    """A tokenizer.json that only the `tokenizers` library runs: unigram, in lower case."""
    file = tokenizers.xlmr_document(folder) / "tokenizer.json"
    document = json.loads(file.read_text("utf-8"))
    document["normalizer"] = {"type": "Sequence", "normalizers": [document["normalizer"], {"type": "Lowercase"}]}
    tokenizers.write_json(file, document)
    return tokenizers.write_json(folder / "tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizer"})


def corpus(file: Path, texts: list[str]) -> Path:
    file.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return file


def trim(
    source: Path, out: Path, learned: list[str], held_out: list[str], capsys: Any, languages: str = ""
) -> dict[str, Any]:
    """Runs the command; gives its figures."""
    files = (corpus(out.with_suffix(".txt"), learned), corpus(out.with_suffix(".held.txt"), held_out))
    words = [str(source), "--corpus", str(files[0]), "--held-out", str(files[1]), "--out", str(out), "--json"]
    code = main([*words, "--languages", languages] if languages else words)
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def states(found: Model, texts: list[str]) -> np.ndarray:
    with paddle.no_grad():
        encoder = getattr(found, "encoder", found)
        output: np.ndarray = encoder(**found.tokenizer(texts)).last_hidden_state.numpy()
    return output


def tensors(folder: Path) -> dict[str, np.ndarray]:
    with open_checkpoint(folder / "model.safetensors") as file:
        return {name: np.array(file.read(name)) for name in file.infos}


MAKERS: dict[str, Callable[[Path], Path]] = {
    "sentencepiece": vocabularies.multilingual,
    "sentencepiece-small": tokenizers.xlmr,
    "tokenizer.json of one": tokenizers.xlmr_document,
    "both": both_files,
    "unigram by rules": by_rules,
    "wordpiece": vocabularies.english,
    "wordpiece-chinese": vocabularies.chinese,
    "with added tokens": lambda folder: tokenizers.with_document(tokenizers.bert(folder), tokenizers.ADDED),
}

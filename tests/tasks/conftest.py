"""Tokenizers of the published vocabularies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zoo.tokenization import Tokenizer, load_tokenizer


@pytest.fixture(scope="session")
def data(shared: Path) -> Path:
    """The folder of data sets."""
    return shared / "data"


@pytest.fixture(scope="session")
def tokenizers(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    """By language: English and Chinese WordPiece, and XLM-R's SentencePiece for all others."""
    assets, folder = shared / "assets", tmp_path_factory.mktemp("xlmr")
    model = assets / "xlm-roberta-base" / "sentencepiece.bpe.rebuilt.model"
    shutil.copyfile(model, folder / "sentencepiece.bpe.model")
    return {
        "en": load_tokenizer(assets / "bert-base-uncased", "wordpiece"),
        "zh": load_tokenizer(assets / "bert-base-chinese", "wordpiece"),
        "xx": load_tokenizer(folder, "sentencepiece"),
    }

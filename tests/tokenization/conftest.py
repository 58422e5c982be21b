"""Tokenizers of useful size and lines of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import texts, vocabularies
from zoo.tokenization import Tokenizer, load_tokenizer


@pytest.fixture(scope="session")
def english(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """BERT's own rules, which count for a folder without tokenizer.json."""
    return load_tokenizer(vocabularies.english(tmp_path_factory.mktemp("english")), "wordpiece")


@pytest.fixture(scope="session")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(vocabularies.chinese(tmp_path_factory.mktemp("chinese")), "wordpiece")


@pytest.fixture(scope="session")
def xlmr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model under the name that a model's folder gives it."""
    return vocabularies.multilingual(tmp_path_factory.mktemp("xlmr"))


@pytest.fixture(scope="session")
def xlmr(xlmr_folder: Path) -> Tokenizer:
    return load_tokenizer(xlmr_folder, "sentencepiece")


@pytest.fixture(scope="session")
def sample() -> list[str]:
    """Lines in twenty languages: tables, JSON, plain text, hard characters."""
    found = list(texts.sample())
    assert len(found) > 2000
    return found

"""Tokenizers by language."""

from __future__ import annotations

import pytest

from tests import vocabularies
from zoo.tokenization import Tokenizer, load_tokenizer


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    """English and Chinese WordPiece, and a SentencePiece model for all others."""
    root = tmp_path_factory.mktemp("vocabularies")
    return {
        "en": load_tokenizer(vocabularies.english(root / "en"), "wordpiece"),
        "zh": load_tokenizer(vocabularies.chinese(root / "zh"), "wordpiece"),
        "xx": load_tokenizer(vocabularies.multilingual(root / "xx"), "sentencepiece"),
    }

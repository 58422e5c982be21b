"""Gives the published files; nothing outside this folder can ask for them, and everything in it is slow.

They lie in the folder `shared` beside the checkout. Where it is missing, these tests skip.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.tokenization import Tokenizer, load_tokenizer

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder before `-m` chooses."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with `data` and `assets`."""
    folder = HERE.parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def data(published: Path) -> Path:
    return published / "data"


@pytest.fixture(scope="session")
def model_file(published: Path) -> Path:
    """The SentencePiece model of XLM-R."""
    return published / "assets/xlm-roberta-base/sentencepiece.bpe.rebuilt.model"


@pytest.fixture(scope="session")
def tokenizer_of(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tokenizer]:
    """Loads the tokenizer of a published vocabulary, by its own files alone."""

    def load(name: str) -> Tokenizer:
        folder = tmp_path_factory.mktemp(name)
        for file in (published / "assets" / name).iterdir():
            if file.name != "tokenizer.json":
                target = "sentencepiece.bpe.model" if file.suffix == ".model" else file.name
                shutil.copyfile(file, folder / target)
        return load_tokenizer(folder)

    return load


@pytest.fixture(scope="session")
def tokenizers(tokenizer_of: Callable[[str], Tokenizer]) -> dict[str, Tokenizer]:
    """English and Chinese WordPiece, and XLM-R's SentencePiece for all others."""
    names = {"en": "bert-base-uncased", "zh": "bert-base-chinese", "xx": "xlm-roberta-base"}
    return {language: tokenizer_of(name) for language, name in names.items()}

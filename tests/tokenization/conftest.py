"""Tokenizers of the published vocabularies, and lines of real text."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ABSENT, SHARED
from zoo.tokenization import Tokenizer, load_tokenizer


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of tokenizer files."""
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    return SHARED / "assets"


@pytest.fixture(scope="session")
def english(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return vocabulary_alone(assets / "bert-base-uncased", tmp_path_factory.mktemp("english"))


@pytest.fixture(scope="session")
def chinese(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return vocabulary_alone(assets / "bert-base-chinese", tmp_path_factory.mktemp("chinese"))


def vocabulary_alone(source: Path, folder: Path) -> Tokenizer:
    """The tokenizer of a folder without tokenizer.json: BERT's own rules count then."""
    for name in ("vocab.txt", "tokenizer_config.json"):
        if (source / name).is_file():
            shutil.copy(source / name, folder)
    return load_tokenizer(folder, "wordpiece")


@pytest.fixture(scope="session")
def xlmr_folder(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XLM-R's model under the name that a model's folder gives it."""
    folder = tmp_path_factory.mktemp("xlmr")
    source = assets / "xlm-roberta-base" / "sentencepiece.bpe.rebuilt.model"
    shutil.copyfile(source, folder / "sentencepiece.bpe.model")
    return folder


@pytest.fixture(scope="session")
def xlmr(xlmr_folder: Path) -> Tokenizer:
    return load_tokenizer(xlmr_folder, "sentencepiece")


def files(data: Path) -> Iterator[Path]:
    """Every text file of the data folder, in a fixed order."""
    yield from (p for p in sorted(data.rglob("*")) if p.is_file() and p.suffix not in (".md", ".zip"))


def lines(file: Path) -> list[str]:
    """Lines of a file, packed or not."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as text:
        return text.read().split("\n")


@pytest.fixture(scope="session")
def sample(assets: Path) -> list[str]:
    """A few lines of every file: 112 languages, tables, JSON, markup."""
    found = []
    for file in files(assets.parent / "data"):
        with (
            gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as text
        ):
            found += [line[:2000].rstrip("\n") for _, line in zip(range(8), text, strict=False)]
    assert len(found) > 2000
    return found

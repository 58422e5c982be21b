"""Small data in official layouts, small networks, and the commands in this process."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.finetune.small import small_data
from tests.tiny_models import learner_folder, network

Command = Callable[..., tuple[int, str, str]]


def _captured(main: Callable[[list[str]], int], words: tuple[object, ...]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def finetune() -> Command:
    """`zoo finetune` in this process: exit code, stdout, stderr."""
    from zoo.finetune.__main__ import main

    return lambda *words: _captured(main, words)


@pytest.fixture
def evaluate() -> Command:
    """`zoo evaluate` in this process."""
    from zoo.evaluate.__main__ import main

    return lambda *words: _captured(main, words)


@pytest.fixture
def predict() -> Command:
    """`zoo predict` in this process."""
    from zoo.predict import main

    return lambda *words: _captured(main, words)


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network with a vocabulary of a few words."""
    return learner_folder(tmp_path_factory.mktemp("little") / "model")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Sixteen made-up reviews of its words in SST-2's layout."""
    return small_data(tmp_path / "reviews")


@pytest.fixture(scope="session")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of one layer with an English vocabulary."""
    return network(tmp_path_factory.mktemp("english") / "model", "english")


@pytest.fixture(scope="session")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of one layer with a Chinese vocabulary."""
    return network(tmp_path_factory.mktemp("chinese") / "model", "chinese")


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder-decoder of one layer each, with XLM-R's vocabulary."""
    return network(tmp_path_factory.mktemp("writer") / "model", "multilingual")


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a decoder of three layers and tokens for English and German."""
    return network(tmp_path_factory.mktemp("translator") / "model", "multilingual", languages=("en", "de"))


@pytest.fixture(scope="session")
def funnel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Funnel of two blocks and a decoder, with an English vocabulary."""
    return network(tmp_path_factory.mktemp("funnel") / "model", "english", "funnel")


@pytest.fixture(scope="session")
def palm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random PALM of one layer each, with a Chinese vocabulary."""
    return network(tmp_path_factory.mktemp("palm") / "model", "chinese", "palm")


@pytest.fixture
def sst2(tmp_path: Path) -> Path:
    """Sixteen made-up reviews in SST-2's layout."""
    folder = tmp_path / "SST-2"
    folder.mkdir()
    rows = [f"{'a good' if n % 2 else 'a bad'} film number {n}\t{n % 2}\n" for n in range(16)]
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("sentence\tlabel\n" + "".join(rows), "utf-8")
    (folder / "test.tsv").write_text("index\tsentence\n0\ta good film\n1\ta bad film\n", "utf-8")
    return folder

"""`model.save` writes the model's own files, and nothing that somebody else put there is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from tests.models.test_loading import same, upstream
from zoo.errors import UsageError
from zoo.models.common.base import Model

pytestmark = pytest.mark.torch


@pytest.fixture
def model(tmp_path: Path) -> Model:
    upstream(tmp_path / "upstream", "structbert", None)
    return zoo.load(tmp_path / "upstream")


def test_the_working_directory_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    home = tmp_path / "home"
    (home / ".git").mkdir(parents=True)
    (home / ".git/HEAD").write_text("ref")
    (home / "thesis.tex").write_text("years of work")
    monkeypatch.chdir(home)
    for _ in range(2):
        model.save(".")
        assert (home / "thesis.tex").read_text() == "years of work"
        assert (home / ".git/HEAD").read_text() == "ref"
        same(model, zoo.load("."))


def test_another_model_is_not_written_over(tmp_path: Path, model: Model) -> None:
    before = {p.name: p.read_bytes() for p in (tmp_path / "upstream").iterdir()}
    with pytest.raises(UsageError, match=r"config\.json"):
        model.save(tmp_path / "upstream")
    assert {p.name: p.read_bytes() for p in (tmp_path / "upstream").iterdir()} == before


def test_the_tokenizer_joins_a_saved_model(tmp_path: Path, model: Model) -> None:
    model.save(tmp_path / "m")
    model.tokenizer.save(tmp_path / "m")
    same(model, zoo.load(tmp_path / "m"))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/vocab.txt").write_text("theirs")
    with pytest.raises(UsageError, match=r"vocab\.txt"):
        model.tokenizer.save(tmp_path / "theirs")
    assert (tmp_path / "theirs/vocab.txt").read_text() == "theirs"

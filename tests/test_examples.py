"""The examples in docstrings give what they say: every `>>>` below zoo/, each by itself in an empty folder."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.house import PUBLIC, ROOT, Tree, without_example
from tests.tiny_models import models_of_the_hub

HUB = "palm-zh-base"  # what examples load from the Hub; a small random network takes its place
REVIEWS = [("Lovely, I would buy it again.", "good"), ("It broke on the first day.", "bad")] * 4


def examples() -> list[doctest.DocTest]:
    """Every docstring with an example, of the files that have one."""
    found = []
    for file in sorted((ROOT / "zoo").rglob("*.py")):
        if ">>>" in file.read_text("utf-8"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found += doctest.DocTestFinder(exclude_empty=True).find(import_module(name), name)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_example(
    test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm_snapshot: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    if HUB in (test.docstring or ""):
        models_of_the_hub(tmp_path)
    if "reviews" in (test.docstring or ""):
        (tmp_path / "reviews").mkdir()
        rows = "".join(f'"{text}",{label}\n' for text, label in REVIEWS)
        for split in ("train", "dev"):
            (tmp_path / f"reviews/{split}.csv").write_text(f"text,label\n{rows}", "utf-8")
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


def test_every_public_name_has_one() -> None:
    assert without_example(Tree(ROOT)) == []
    tested = {test.name.rpartition(".")[2] for test in examples()}
    assert set(PUBLIC) <= tested

"""What the READMEs tell a user to type works."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT, as_module, blocks, commands, zoo_commands
from tests.tiny_models import models_of_the_hub
from zoo import registry

PAGES = ("README.md", "README.zh.md")
MOST_LINES = 150

SNIPPETS = [(page, n) for page in PAGES for n in range(len(blocks(page, "python")))]


@pytest.mark.parametrize(("page", "number"), SNIPPETS)
def test_python(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm_snapshot: Path
) -> None:
    """Every snippet as it is printed, by itself, without a network.

    One that needs the Hub finds its models where earlier conversions are: small ones with random weights.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    remark, code = blocks(page, "python")[number]
    if remark == "needs the Hub":
        models_of_the_hub(tmp_path)
    known: dict[str, Any] = {}
    exec(compile(code, page, "exec"), known)
    if number == 0:
        assert known["vectors"].shape == (2, 384)


@pytest.mark.parametrize("page", PAGES)
def test_one_screen(page: str) -> None:
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_both_languages_show_the_same_code() -> None:
    one, other = ([commands(page), len(blocks(page, "python"))] for page in PAGES)
    assert one == other


@pytest.mark.parametrize("page", PAGES[:1])  # the other page has the same ones
def test_zoo_commands(page: str, tmp_path: Path, minilm_snapshot: Path) -> None:
    """Run in their order, in an empty folder."""
    found = zoo_commands(page)
    assert found
    for words in found:
        done = subprocess.run(
            [sys.executable, *as_module(words)], capture_output=True, text=True, cwd=tmp_path, env=environ(tmp_path)
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def environ(folder: Path) -> dict[str, str]:
    """The checkout on the path, no network."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "ZOO_OFFLINE": "1", "ZOO_HOME": str(folder / "home")}


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    targets = [words[1] for words in commands(page) if words[0] == "make"]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "-n", target, "PYTHON=python"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES)
def test_pip_lines_name_extras_that_exist(page: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [words for words in commands(page) if words[:2] == ["pip", "install"]]
    assert lines
    for words in lines:
        extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", words[2])
        assert extras, words
        assert set(filter(None, (extras[1] or "").split(","))) <= set(setup["options.extras_require"])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / link).exists(), link


def test_names_are_in_the_zoo() -> None:
    """Names in the snippets that need the Hub, where they are cards (others are repositories)."""
    code = "".join(code for hub, code in blocks("README.md", "python") if hub == "needs the Hub")
    assert registry.lookup(re.findall(r'zoo\.load\("([\w-]+)"\)', code)[0]) is not None

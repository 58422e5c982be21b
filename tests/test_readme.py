"""What the READMEs tell a user to type works."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import models_of_the_hub
from zoo import registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "README.zh.md")
BLOCK = re.compile(r"(<!-- needs the Hub -->\n)?```(\w*)\n(.*?)```", re.DOTALL)


def blocks(page: str, language: str) -> list[tuple[bool, str]]:
    """Code of a page: whether it needs the Hub, and the text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(bool(hub), code) for hub, kind, code in BLOCK.findall(text) if kind == language]


def commands(page: str) -> list[list[str]]:
    """The words of every command line of a page."""
    lines = "".join(code for _, code in blocks(page, "bash")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def zoo_commands(page: str) -> list[list[str]]:
    return [words[1:] for words in commands(page) if words[:2] == ["python", "-m"]]


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
    needs_hub, code = blocks(page, "python")[number]
    if needs_hub:
        models_of_the_hub(tmp_path)
    known: dict[str, Any] = {}
    exec(compile(code, page, "exec"), known)
    if number == 0:
        assert list(known["vectors"].shape) == [2, 384]
    if "found" in known:
        assert len(known["found"].sequences) == 1


@pytest.mark.parametrize("page", PAGES)
def test_zoo_commands(page: str, tmp_path: Path, minilm_snapshot: Path) -> None:
    """Run in their order, in an empty folder."""
    found = zoo_commands(page)
    assert found
    for words in found:
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=environ(tmp_path)
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def environ(folder: Path) -> dict[str, str]:
    """The checkout on the path, no network."""
    import os

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
    code = "".join(code for hub, code in blocks("README.md", "python") if hub)
    assert registry.lookup(re.findall(r'zoo\.load\("([\w-]+)"\)', code)[0]) is not None

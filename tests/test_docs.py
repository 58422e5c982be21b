"""The site builds without a warning, its Python runs, its commands exist, and each page has its Chinese twin."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from tests.pages import DOCS, ROOT, as_module, blocks, commands, pages, zoo_commands
from tests.tiny_models import models_of_the_hub
from zoo import registry, tasks
from zoo.finetune.recipes import SUITES
from zoo.model_files import TASKS
from zoo.tasks import similarity
from zoo.tasks.user_files import COLUMN_NAMES

SHARED = {"models.md", "api.md", "contributing.md"}  # one page for both languages, as are the results
RUN_ELSEWHERE = {
    "docs/pipelines.md": "tests/inference/test_documentation.py",
    "docs/ner.md": "tests/test_ner_chain.py",
    "docs/tutorials/notebook.ipynb": "tests/test_notebook.py",
}
ENGLISH = [page for page in pages() if not page.startswith("docs/zh/")]
SNIPPETS = [
    (page, number)
    for page in ENGLISH
    if page not in RUN_ELSEWHERE
    for number, (remark, _) in enumerate(blocks(page, "python"))
    if not remark.startswith("not run: ")
]


def test_the_site_builds(tmp_path: Path) -> None:
    """Warnings are errors: links that lead nowhere, pages without a place, docstrings that do not parse."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    built = (tmp_path / "models.html").read_text(encoding="utf-8")
    assert built.count("<tr") == len(registry.list_models()) + 1
    assert "filter.js" in built and 'href="browse/en/models.html"' in built
    assert (tmp_path / "browse/en/models.html").is_file() and (tmp_path / "browse/zh/ledger.html").is_file()
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert {"zoo.load", "zoo.pipeline", "zoo.finetune.finetune"} <= set(re.findall(r'id="(zoo\.[\w.]+)"', api))


@pytest.mark.parametrize("page", ENGLISH)
def test_every_page_has_its_chinese_twin(page: str) -> None:
    """With the same code, so that neither falls behind; a twin may translate what stands around it."""
    if page.startswith("docs/results/") or page.removeprefix("docs/") in SHARED:
        return
    twin = page.replace("docs/", "docs/zh/", 1)
    for language in ("bash", "python", "console"):
        assert blocks(twin, language) == blocks(page, language)


@pytest.mark.parametrize(("page", "number"), SNIPPETS)
def test_python(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm_snapshot: Path
) -> None:
    """Every snippet as it is printed, by itself, without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    remark, code = blocks(page, "python")[number]
    if remark == "needs the Hub":
        models_of_the_hub(tmp_path)
    exec(compile(code, page, "exec"), {})


@lru_cache
def flags_of(verb: str) -> frozenset[str]:
    """What the help of a verb shows, with dashes."""
    done = subprocess.run(
        [sys.executable, *as_module([verb]), "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return frozenset(flag.replace("_", "-") for flag in re.findall(r"--[\w-]+", done.stdout))


@pytest.mark.parametrize("page", [page for page in ENGLISH if zoo_commands(page)])
def test_commands_exist(page: str) -> None:
    """Verbs, their flags, and the names of tasks, models and recipes."""
    kinds = {*tasks.names(), *similarity.names(), *SUITES, *COLUMN_NAMES, *TASKS, "list", "encoder"}
    recipes = {path.name for path in resources.files("zoo.recipes").iterdir()}
    for verb, *words in zoo_commands(page):
        given = {word for word in words if word.startswith("--")}
        assert {flag.replace("_", "-") for flag in given} <= flags_of(verb), (page, verb)
        for flag, value in pairwise(words):
            if flag == "--task":
                assert value in kinds, value
            if flag == "--recipe":
                assert f"{value}.toml" in recipes, value
            if flag == "--model" and "/" not in value and not value.startswith(("$", "bert-base-")):
                assert registry.lookup(value), value


@pytest.mark.parametrize("page", [page for page in ENGLISH if commands(page)])
def test_make_targets_exist(page: str) -> None:
    made = {words[1] for words in commands(page) if words[0] == "make"}
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert made <= known

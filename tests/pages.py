"""What the pages show: their code, by language, and the `zoo` commands in it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from docs.notebooks import as_markdown

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"(<!-- ([^\n]+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
LOOK_UP = ("list", "info", "doctor")  # verbs of `python -m zoo` itself


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """Code of a page, each with the remark in front of it ("needs the Hub", "not run: ...")."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = as_markdown(text) if page.endswith(".ipynb") else text
    return [(remark, code) for _, remark, kind, code in BLOCK.findall(text) if kind == language]


def commands(page: str) -> list[list[str]]:
    """The words of every command line of a page; a line that ends in a backslash goes on."""
    lines = "".join(code for _, code in blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def zoo_commands(page: str) -> list[list[str]]:
    """The verb and what follows it, of every `zoo VERB ...` of a page."""
    return [words[1:] for words in commands(page) if words[:1] == ["zoo"]]


def as_module(words: list[str]) -> list[str]:
    """The same command for `python`: ["-m", "zoo", "list"], ["-m", "zoo.convert", ...]."""
    return ["-m", "zoo", *words] if words[0] in LOOK_UP else ["-m", f"zoo.{words[0]}", *words[1:]]


def pages() -> list[str]:
    """Every page of the site, as a path below the checkout."""
    found = (page for ending in ("md", "ipynb") for page in DOCS.rglob(f"*.{ending}"))
    return sorted(page.relative_to(ROOT).as_posix() for page in found if ".ipynb_checkpoints" not in page.parts)

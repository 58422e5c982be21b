"""The notebook runs from top to bottom, and is kept without what it printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pages import DOCS, ROOT

NOTEBOOKS = sorted(page for page in DOCS.rglob("*.ipynb") if ".ipynb_checkpoints" not in page.parts)
FAILED = "\nassert _exit_code == 0"  # IPython goes on after a command that failed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_kept_without_outputs(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "clear all outputs before saving"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm_snapshot: Path) -> Callable[[str], dict[str, str]]:
    """Runs the notebook to the cell of an id; gives what each cell put out. The Chinese one has the same code."""
    import nbformat
    from nbclient import NotebookClient

    zoo = tmp_path / "bin/zoo"
    zoo.parent.mkdir()
    zoo.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zoo "$@"\n')
    zoo.chmod(0o755)
    for name, value in {
        "ZOO_OFFLINE": "1",
        "ZOO_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{zoo.parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)

    def to(last: str) -> dict[str, str]:
        notebook: Any = nbformat.read(DOCS / "tutorials/notebook.ipynb", as_version=4)
        ids = [cell.id for cell in notebook.cells]
        notebook.cells = [c for c in notebook.cells[: ids.index(last) + 1] if c.cell_type == "code"]
        for cell in notebook.cells:
            if cell.source.startswith("!"):
                cell.source += FAILED
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(DOCS / "tutorials")}}).execute()
        return {cell.id: json.dumps(cell.outputs) for cell in notebook.cells}

    return to


def test_its_beginning_runs(run: Callable[[str], dict[str, str]]) -> None:
    shown = run("search")
    assert "(3, 384)" in shown["load"] and "Heavy rain" in shown["search"]


@pytest.mark.slow
def test_it_runs(run: Callable[[str], dict[str, str]]) -> None:
    """From top to bottom: `make notebook`."""
    shown = run("deployed")
    assert "accuracy" in shown["evaluate"] and "resamples of 40 shared rows" in shown["compare"]
    assert "<iframe" in shown["report"] and "payment" in shown["deployed"]

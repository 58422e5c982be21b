"""The notebook runs from top to bottom, and is kept without what it printed."""

from __future__ import annotations

import json
import os
import sys
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


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm_snapshot: Path) -> None:
    """In a kernel of its own, from the folder that it lies in; the Chinese one has the same code."""
    import nbformat
    from nbclient import NotebookClient

    for name, value in {
        "ZOO_OFFLINE": "1",
        "ZOO_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    place = DOCS / "tutorials"
    notebook: Any = nbformat.read(place / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("!"):
            cell.source += FAILED
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    shown = {cell.id: json.dumps(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}
    assert "(3, 384)" in shown["load"] and "Heavy rain" in shown["search"]
    assert "accuracy" in shown["evaluate"] and "resamples of 40 shared rows" in shown["compare"]
    assert "<iframe" in shown["report"] and "payment" in shown["deployed"]

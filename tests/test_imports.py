"""The import rules hold for the tree, and the checker finds what breaks them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_rules import TABLE, row_of, violations

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("zoo", "conversion", "benchmarks", "examples", "constraints")
FILES = sorted(str(p.relative_to(ROOT)) for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
HEAVY = ("paddle", "torch", "numpy", "transformers", "huggingface_hub", "safetensors", "rich", "tokenizers")


@pytest.mark.parametrize("path", FILES)
def test_tree(path: str) -> None:
    assert violations((ROOT / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("zoo/errors.py", "import numpy"),
        ("zoo/registry.py", "import paddle"),
        ("zoo/cards.py", "def f():\n    import paddle.nn"),
        ("zoo/models/xlmr/__init__.py", "from zoo.models.xlmr import model"),
        ("zoo/models/xlmr/keymap.py", "import numpy as np"),
        ("zoo/models/xlmr/model.py", "from zoo.models.structbert.model import build"),
        ("zoo/models/xlmr/model.py", "from ..structbert import model"),
        ("zoo/models/structbert/model.py", "from zoo.models import xlmr"),
        ("zoo/models/common/heads.py", "import torch"),
        ("zoo/checkpoint/apply.py", "from zoo.models import xlmr"),
        ("zoo/checkpoint/torchzip.py", "import torch"),
        ("zoo/hub/sources.py", "from zoo.loading import load"),
        ("zoo/tokenization/fast.py", "import paddle"),
        ("zoo/convert/to_paddle.py", "from zoo.finetune import loop"),
        ("zoo/convert/to_paddle.py", "import zoo.tasks"),
        ("zoo/convert/to_paddle.py", "import torch"),
        ("zoo/finetune/loop.py", "from importlib import import_module\nimport_module('zoo.convert')"),
        ("zoo/tasks/glue.py", "from zoo.models.xlmr import model"),
        ("zoo/loading.py", "from conversion import verify"),
        ("conversion/verify.py", "from benchmarks import common"),
        ("benchmarks/accuracy/stsb.py", "from tests.places import DATA"),
    ],
)
def test_planted_violation(path: str, line: str) -> None:
    assert len(violations(line, path)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("zoo/models/xlmr/model.py", "from zoo.models.xlmr.config import Config"),
        ("zoo/models/infoxlm/model.py", "from zoo.models.xlmr.model import build"),
        ("zoo/__init__.py", "if TYPE_CHECKING:\n    from zoo.loading import load"),
        ("zoo/convert/__main__.py", "from importlib import import_module\nimport_module('conversion.verify')"),
        ("zoo/hub/http.py", "import json, urllib.request"),
    ],
)
def test_what_is_allowed(path: str, line: str) -> None:
    assert violations(line, path) == []


def test_a_file_without_a_row_is_an_error() -> None:
    assert "no row" in violations("import json", "zoo/new.py")[0]


def test_no_file_beside_a_program_hides_a_standard_module() -> None:
    """Paddle's launcher runs zoo/finetune/__main__.py as a file: its folder is the first place of imports then."""
    beside = {path for program in (ROOT / "zoo").rglob("__main__.py") for path in program.parent.glob("*.py")}
    own = {"signals", "__init__", "__main__"}
    assert not [path for path in beside if path.stem in sys.stdlib_module_names - own]


def test_every_row_can_match() -> None:
    """A row behind a wider one would never be read."""
    for row in TABLE:
        path = row.files.replace("/*/", "/xyz/").replace("*", "xyz.py")
        assert row_of(path) is row, row


def run(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after `code`."""
    script = f"import sys\n{code}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.list_models()",
        "import zoo; zoo.info('xlm-roberta-base')",
        "import runpy; sys.argv = ['zoo', 'list']; runpy_run()",
        "import runpy; sys.argv = ['zoo', 'info', 'xlm-roberta-base']; runpy_run()",
        "import zoo.convert",
    ],
)
def test_listing_is_light(code: str) -> None:
    run_main = (
        "def runpy_run():\n"
        "    try:\n        runpy.run_module('zoo', run_name='__main__')\n"
        "    except SystemExit as stop:\n        assert not stop.code, stop.code\n"
    )
    assert run(run_main + code).isdisjoint(HEAVY)


def test_the_light_check_can_fail() -> None:
    assert "numpy" in run("import numpy")

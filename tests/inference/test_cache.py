"""What was compiled is found again, only by the network it was made from, and never half or damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import pytest

from tests.tiny_models import batch, tiny
from zoo import env
from zoo.inference import cache
from zoo.inference.engines import compile
from zoo.models.common.base import Model


def entries() -> list[Path]:
    return sorted(path for path in cache.folder().glob("*") if path.is_dir() and path.name[0] != ".")


def logits(model: Model, engine: str = "paddle") -> np.ndarray:
    return compile(model, engine, "fp32")(batch(2, 5))["logits"]


def test_second_start_does_not_trace(request: pytest.FixtureRequest) -> None:
    before = logits(tiny())
    assert len(entries()) == 1
    request.getfixturevalue("no_tracing")
    np.testing.assert_array_equal(logits(tiny()), before)
    assert compile(tiny(), "paddle", "bf16").precision == "bf16"  # of the same files
    with pytest.raises(AssertionError, match="traced again"):
        logits(tiny(seed=4))


def test_key_is_everything_that_a_graph_comes_from() -> None:
    model = tiny()
    key = cache.key_of(model, "paddle", {"paddlepaddle": "3.3.1"})
    assert cache.key_of(tiny(), "paddle", {"paddlepaddle": "3.3.1"}) == key
    others = [
        cache.key_of(tiny(), "openvino", {"paddlepaddle": "3.3.1"}),
        cache.key_of(tiny(), "paddle", {"paddlepaddle": "3.3.2"}),
        cache.key_of(tiny(seed=4), "paddle", {"paddlepaddle": "3.3.1"}),
        cache.key_of(tiny("structbert", "tagging"), "paddle", {"paddlepaddle": "3.3.1"}),
        cache.key_of(tiny("xlmr"), "paddle", {"paddlepaddle": "3.3.1"}),
        cache.key_of(tiny(hidden_act="relu"), "paddle", {"paddlepaddle": "3.3.1"}),
    ]
    weight = model.state_dict()["classification.output.bias"]
    weight.set_value(weight + 1e-6)  # an update of finetuning
    others.append(cache.key_of(model, "paddle", {"paddlepaddle": "3.3.1"}))
    assert len({key, *others}) == 1 + len(others)


def test_finetuned_in_memory(tmp_path: Path) -> None:
    model = tiny()
    before = logits(model)
    with paddle.no_grad():
        model.state_dict()["classification.output.bias"].add_(paddle.ones([2]))
    np.testing.assert_allclose(logits(model), before + 1, atol=1e-5)
    assert len(entries()) == 2


def test_pooling_of_an_embedding_head() -> None:
    mean, first = (tiny("structbert", "embedding") for _ in range(2))
    first.head.options["pooling"] = "cls"
    assert cache.key_of(mean, "paddle", {}) != cache.key_of(first, "paddle", {})


def test_code_of_ones_own_layers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own_layer.py"
    file.write_text("from paddle import nn\nclass Own(nn.Identity):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    model = tiny()
    model.own = __import__("own_layer").Own()
    before = cache.key_of(model, "paddle", {})
    file.write_text(file.read_text() + "# changed\n")
    assert cache.key_of(model, "paddle", {}) != before


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "about", "foreign"])
def test_damaged_entry_is_made_again(damage: str) -> None:
    before = logits(tiny())
    entry = entries()[0]
    weights, about = entry / "model.pdiparams", entry / cache.GRAPH_FILE
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif damage == "changed":
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 255
        weights.write_bytes(content)
    elif damage == "gone":
        weights.unlink()
    elif damage == "about":
        about.write_text("{")
    else:
        about.write_text(json.dumps({"format": cache.FORMAT, "files": []}))
    np.testing.assert_array_equal(logits(tiny()), before)
    assert json.loads(about.read_text())["outputs"] == ["logits"]


def test_copied_cache_is_used(request: pytest.FixtureRequest) -> None:
    before = logits(tiny())
    os.utime(entries()[0] / "model.json", (1, 1))
    request.getfixturevalue("no_tracing")
    np.testing.assert_array_equal(logits(tiny()), before)


COMPILES = """
import sys
import paddle
from tests.tiny_models import tiny, batch
from zoo.inference.engines import compile
save, traced = paddle.jit.save, []
paddle.jit.save = lambda *arguments: (traced.append(1), save(*arguments))
print(float(compile(tiny(), "paddle", "fp32")(batch(2, 5))["logits"].sum()), len(traced))
"""


def test_two_processes_at_once() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", COMPILES]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert printed[0][0] == printed[1][0]
    assert sorted(line[1] for line in printed) == ["0", "1"]  # one traced, the other waited
    assert len(entries()) == 1


def test_unused_entries_go() -> None:
    logits(tiny())
    old, long_ago = entries()[0], time.time() - cache.UNUSED_SECONDS - 60
    logits(tiny(seed=4))
    assert old in entries()
    os.utime(old / cache.GRAPH_FILE, (long_ago, long_ago))
    logits(tiny())  # opened, so it is used
    logits(tiny(seed=5))
    assert old in entries()
    os.utime(old / cache.GRAPH_FILE, (long_ago, long_ago))
    logits(tiny(seed=6))
    assert old not in entries() and len(entries()) == 3


def test_doctor_shows_and_clears(capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.__main__ import main

    logits(tiny())
    assert main(["doctor", "--json"]) == 0
    shown = next(c for c in json.loads(capsys.readouterr().out)["caches"] if c["what"] == "compiled networks")
    assert shown["models"] == 1 and shown["bytes"] > 1000 and shown["folder"] == str(env.home() / "compiled")
    assert main(["doctor", "--clear-compiled"]) == 0
    assert "compiled networks" in capsys.readouterr().out
    assert not entries()

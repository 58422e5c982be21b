"""A model that was started before starts without its weights, never with others, and perhaps without paddle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.inference.test_deployed import described, exported
from tests.tiny_models import tiny
from zoo import tasks
from zoo.inference import cache, known
from zoo.inference.deployed import Deployed, deploy
from zoo.inference.engines import missing

NAMES = {
    None: "BertModel",
    "classification": "BertForSequenceClassification",
    "tagging": "BertForTokenClassification",
    "qa": "BertForQuestionAnswering",
    "embedding": "BertModel",
}
TEXTS = ["it is good", "bad"]
GRAPH: dict[str, Any] = {"engine": "paddle", "precision": "fp32"}


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written just now count as files that were written long ago."""
    monkeypatch.setattr(known, "SETTLED_SECONDS", -1e9)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What `zoo.load` was asked for."""
    from zoo import loading

    seen: list[object] = []
    load = loading.load
    monkeypatch.setattr(loading, "load", lambda place, **given: (seen.append(place), load(place, **given))[1])
    return seen


def saved(folder: Path, task: str | None = "classification", seed: int = 3) -> Path:
    described(tiny(task=task, seed=seed), folder.parent / f"{folder.name}-{seed}", NAMES[task], "structbert").save(
        folder
    )
    return folder


def answers(made: Deployed) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = made.engine(made.tokenizer(TEXTS, return_tensors="np"))
    return found


def test_the_second_start_reads_no_weights(tmp_path: Path, loads: list[object]) -> None:
    folder = saved(tmp_path / "m", "embedding")
    first = deploy(folder, **GRAPH)
    second = deploy(folder, **GRAPH)
    assert len(loads) == 1 and "(compiled in " in first.summary and "(from the cache in " in second.summary
    assert (second.name, second.task, second.config) == (first.name, first.task, first.config)
    assert (second.choice, second.sentence) == (first.choice, first.sentence)
    for name, array in answers(first).items():
        np.testing.assert_array_equal(answers(second)[name], array)


def test_other_weights_are_never_answered_by_the_old_graph(tmp_path: Path, loads: list[object]) -> None:
    file = saved(tmp_path / "m") / "model.safetensors"
    before, times = answers(deploy(file.parent, **GRAPH)), file.stat()
    other = (saved(tmp_path / "other", seed=4) / "model.safetensors").read_bytes()
    assert len(other) == times.st_size
    file.write_bytes(other)  # in place, and with the old times put back
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = answers(deploy(file.parent, **GRAPH))
    assert len(loads) == 2 and not np.allclose(after["logits"], before["logits"])
    np.testing.assert_array_equal(answers(deploy(tmp_path / "other", **GRAPH))["logits"], after["logits"])


def test_a_file_that_changed_just_now_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "SETTLED_SECONDS", 1e9)
    deploy(saved(tmp_path / "m"), **GRAPH)
    assert not list(cache.folder().glob(".known-*"))


def test_a_new_head_is_another_one_each_time(tmp_path: Path) -> None:
    deploy(saved(tmp_path / "m"), "tagging", **GRAPH)
    assert not list(cache.folder().glob(".known-*"))


def test_what_was_said_is_said_again(tmp_path: Path, loads: list[object], caplog: pytest.LogCaptureFixture) -> None:
    folder = saved(tmp_path / "m")
    for _ in range(2):
        deploy(folder, "encoder", **GRAPH)
    said = [record.getMessage() for record in caplog.records if "is not used" in record.getMessage()]
    assert len(loads) == 1 and len(said) == 2 and said[0] == said[1]


def test_what_is_damaged_is_made_again(tmp_path: Path, loads: list[object]) -> None:
    folder = saved(tmp_path / "m")
    wanted = answers(deploy(folder, **GRAPH))["logits"]
    (note,) = cache.folder().glob(".known-*")
    content = json.loads(note.read_text())
    content["found"]["config"]["hidden_size"] = "many"
    for text in ("{", "[]", "{}", json.dumps(content)):
        note.write_text(text)
        np.testing.assert_array_equal(answers(deploy(folder, **GRAPH))["logits"], wanted)
    next(path for path in cache.folder().glob("*/model.pdiparams")).unlink()
    np.testing.assert_array_equal(answers(deploy(folder, **GRAPH))["logits"], wanted)
    assert len(loads) == 6


def test_an_export_is_digested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = described(tiny(), tmp_path / "source", NAMES["classification"], "structbert")
    folder = exported(model, tmp_path / "out")
    first = answers(deploy(folder))["logits"]
    monkeypatch.setattr("zoo.inference.deployed.sha256", None)
    np.testing.assert_array_equal(answers(deploy(folder))["logits"], first)


PROCESS = """
import sys
sys.modules["paddle"] = None  # an import of it fails
import zoo, zoo.map.model, zoo.map.work, zoo.predict
assert zoo.map.model.pipeline_for(sys.argv[2]) == "classification"  # as zoo map and zoo serve ask
for kind, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    if kind == "predict":
        assert zoo.predict.main([folder, "it is good"]) == 0
    else:
        answer = zoo.pipeline(kind, folder, engine="openvino")
        print(answer({"question": "is it", "context": "it is good"} if kind == "qa" else "it is good"))
"""


@pytest.mark.skipif(bool(missing("openvino")), reason="openvino is not installed")
def test_paddle_is_not_imported_for_what_is_compiled(tmp_path: Path) -> None:
    given = []
    for task, kind in (("classification", "predict"), ("tagging", "ner"), ("qa", "qa")):
        tags = {"id2label": {"0": "O", "1": "B-X"}} if task == "tagging" else {}
        model = described(tiny(task=task, **tags), tmp_path / task, NAMES[task], "structbert")
        given += [kind, str(exported(model, tmp_path / f"{task}-out", "openvino"))]
    settings = {"format": 1, "task": tasks.find("sst2").to_dict()}
    (tmp_path / "classification-out" / "task.json").write_text(json.dumps(settings))
    folder = saved(tmp_path / "m", "embedding")
    deploy(folder, "embedding", engine="openvino")  # so that the next start finds it
    source = [sys.executable, "-c", PROCESS, *given, "embeddings", str(folder)]
    done = subprocess.run(source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

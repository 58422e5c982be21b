"""What an export leaves on the disk: names that others read, and on a bad disk a sentence and nothing else."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests import tiny_models
from tests.disks import small_files
from tests.tiny_models import tiny
from zoo.export.__main__ import main
from zoo.inference.engines import missing, module_of

no_onnx = pytest.mark.skipif(sys.version_info >= (3, 13), reason="paddle2onnx has no wheel for Python 3.13")
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
OUTPUTS = {
    None: ["last_hidden_state", "pooler_output"],
    "mlm": ["logits"],
    "classification": ["logits"],
    "qa": ["start_logits", "end_logits"],
    "embedding": ["embeddings"],
    "qa-beam": ["logits", "start_logits", "start_index", "start_scores", "end_index", "end_scores"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier's folder."""
    tiny_models.reviewer(tmp_path / "source").save(tmp_path / "model")
    return tmp_path / "model"


def names_in(engine: str, folder: Path) -> tuple[list[str], list[str]]:
    """Inputs and outputs, as a program without the zoo finds them."""
    if engine == "paddle":
        from paddle import inference

        config = inference.Config(str(folder / "model.json"), str(folder / "model.pdiparams"))
        config.disable_glog_info()
        made = inference.create_predictor(config)
        return made.get_input_names(), made.get_output_names()
    if engine == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        return [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    import openvino

    model = openvino.Core().read_model(folder / "model.xml")
    return [i.any_name for i in model.inputs], [o.any_name for o in model.outputs]


@pytest.mark.parametrize("engine", ["paddle", "openvino", pytest.param("onnxruntime", marks=no_onnx)])
@pytest.mark.parametrize("head", [None, "qa", "qa-beam"])
def test_graphs_have_names(engine: str, head: str | None, tmp_path: Path) -> None:
    if missing(engine):
        pytest.skip(f"{engine} is not installed")
    model = tiny("funnel" if head == "qa-beam" else "structbert", head)
    graph = module_of(engine).write(model, tmp_path)
    assert sorted(graph.outputs) == sorted(OUTPUTS[head][: 1 if head is None else None])
    inputs, outputs = names_in(engine, tmp_path)
    assert (tuple(inputs), tuple(outputs)) == (graph.inputs, graph.outputs)


def test_graphs_of_an_encoder_decoder_have_names(tmp_path: Path) -> None:
    module_of("paddle", generates=True).write(tiny("palm", "generation"), tmp_path)
    for stem in ("source", "step"):
        text = (tmp_path / f"{stem}.json").read_text("utf-8")
        assert "fetch_name" not in text and ('"memory_0"' if stem == "source" else '"logits"') in text


@pytest.mark.parametrize(
    ("task", "outputs"), [("", ["logits"]), ("mlm", ["logits"]), ("encoder", ["last_hidden_state"])]
)
def test_a_masked_language_model_keeps_its_head(
    task: str, outputs: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.load(folder, task="mlm").save(tmp_path / "mlm")
    config = tmp_path / "mlm/config.json"
    content = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps({**content, "architectures": ["BertForMaskedLM"]}), "utf-8")
    words = [str(tmp_path / "mlm"), "--out", str(tmp_path / "out"), *(["--task", task] if task else [])]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    named = ", ".join(outputs)
    if task == "encoder":
        assert said[-2].startswith("network: the bare encoder, from input_ids, ") and f" to {named}" in said[-2]
    else:
        wanted = f"network: the head mlm, from {', '.join(INPUTS)} to {named}; --task encoder leaves the head away"
        assert said[-2] == wanted
    assert json.loads((tmp_path / "out/export.json").read_text("utf-8"))["outputs"][:1] == outputs
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inputs"] == INPUTS and told["outputs"][:1] == outputs
    assert told["task"] == (None if task == "encoder" else "mlm")
    if task != "encoder":
        found = zoo.pipeline("fill-mask", tmp_path / "out")("ba [MASK] bi", top_k=3)
        wanted = zoo.pipeline("fill-mask", zoo.load(tmp_path / "mlm", task="mlm"), engine="eager")(
            "ba [MASK] bi", top_k=3
        )
        assert [a["token"] for a in found] == [a["token"] for a in wanted]


def test_a_predictor_without_the_zoo(folder: Path, tmp_path: Path) -> None:
    """What one types with paddle alone."""
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 0
    batch = zoo.load(folder).tokenizer(["ba be bi", "ba"])
    graph = paddle.jit.load(str(tmp_path / "out/model"))
    found = graph(*[paddle.to_tensor(batch[name]) for name in INPUTS])
    found = found[0] if isinstance(found, list | tuple) else found
    np.testing.assert_allclose(found.numpy(), tiny_models.answers(zoo.load(folder), ["ba be bi", "ba"]), atol=1e-5)


def refused(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """What is said: a paragraph of two lines, or one."""
    capsys.readouterr()
    assert main(words) == code
    said = capsys.readouterr().err
    errors = said[said.index("error: ") :].splitlines()
    assert len(errors) <= 2 and "Traceback" not in said, said
    return errors[0]


@pytest.mark.parametrize("to", ["paddle", "openvino"])
def test_a_disk_without_room(to: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if missing(to):
        pytest.skip(f"{to} is not installed")
    wide = zoo.load(folder)
    wide.encoder.embeddings.word.weight = paddle.create_parameter([9000, 32], "float32")  # 1.2 MB
    wide.config.vocab_size = 9000
    wide.save(tmp_path / "wide")
    out = tmp_path / "below" / "out"
    words = [str(tmp_path / "wide"), "--to", to, "--out", str(out)]
    for limit in (300_000, 1_100_000):
        with small_files(limit):
            said = refused(words, capsys, 1)
        assert said == f"error: The disk of '{out}' is full; nothing was published."
        assert not out.parent.exists() and not list(tmp_path.glob(".below*"))
    assert main(words) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with small_files(300_000):
        refused(words, capsys, 1)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before  # the old export is as it was


def test_folders_that_cannot_be_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refused([str(folder), "--out", str(tmp_path / "file")], capsys)
    assert "is a file" in refused([str(folder), "--out", str(tmp_path / "file" / "out")], capsys)
    assert "cannot be written to" in refused([str(folder), "--out", "/proc/zoo-export"], capsys)
    assert "no name" in refused([str(folder), "--out", ""], capsys)
    real = os.mkdir

    def mkdir(path: Any, *given: Any, **options: Any) -> None:
        if "forbidden" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        real(path, *given, **options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert "Permission denied" in refused([str(folder), "--out", str(tmp_path / "forbidden" / "out")], capsys)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_to_a_folder_stays_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for _ in range(2):
        assert main([str(folder), "--out", str(tmp_path / "link")]) == 0
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "export.json").is_file()
    assert zoo.pipeline("classification", tmp_path / "link")("ba")["label"] in ("negative", "positive")


def test_files_of_somebody_elses_stay_in_an_export(folder: Path, tmp_path: Path) -> None:
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"

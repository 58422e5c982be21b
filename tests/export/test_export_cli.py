"""zoo export: what is exported is right and opens without its weights; what is not is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_models
from tests.convert.conftest import Make, snapshot
from zoo import env
from zoo.errors import CheckpointError, GuardError
from zoo.export import quantise
from zoo.export import run as export
from zoo.export.__main__ import main
from zoo.export.score_check import read_gate
from zoo.inference import output_check
from zoo.inference.deployed import deploy
from zoo.inference.engines.eager import Eager
from zoo.loading import load

__all__ = ["snapshot"]  # a fixture
no_onnx = pytest.mark.skipif(sys.version_info >= (3, 13), reason="paddle2onnx has no wheel for Python 3.13")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finetuned model, and data/ beside it."""
    root = tmp_path_factory.mktemp("export")
    return tiny_models.reviewer_folder(root / "best", root / "data")


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("to", "precision"),
    [
        ("paddle", "fp32"),
        ("paddle", "bf16"),
        pytest.param("onnx", "fp32", marks=no_onnx),
        ("openvino", "bf16"),
    ],
)
def test_an_export_opens_without_the_model(
    run: Path, tmp_path: Path, to: str, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [str(run), "--to", to, "--precision", precision, "--out", str(out), "--guard", str(run.parent / "data")]
    assert main([*words, "--budget", "2", "--json"]) == 0
    report = printed(capsys)
    assert report["guard"]["before"] == 100 and report["guard"]["passed"]
    assert [t["engine"] for t in report["trades"]] == ["eager", export.ENGINE_OF_FORMAT[to]]
    assert not list(out.glob("*.safetensors"))
    opened = deploy(out)
    assert (opened.task, opened.choice.precision) == ("classification", precision)
    assert opened.settings["max_length"] == 40 and opened.config.labels == ("negative", "positive")
    model = tiny_models.reviewer(tmp_path / "source")
    batch = opened.tokenizer(tiny_models.SYLLABLES[:3])
    model.set_state_dict(load(run).state_dict())
    expected = Eager(model)(batch)["logits"]
    np.testing.assert_allclose(opened.engine(batch)["logits"], expected, atol=1e-4 if precision == "fp32" else 0.1)


def test_int8_passes_its_gate(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nncf")
    out = tmp_path / "out"
    words = [str(run), "--to", "openvino", "--precision", "int8", "--out", str(out)]
    assert main([*words, "--guard", str(run.parent / "data"), "--budget", "10", "--json"]) == 0
    report = printed(capsys)
    last = report["trades"][-1]
    assert last["precision"] == "int8" and last["difference"] >= -10
    assert last["bytes"] < report["trades"][1]["bytes"]
    about = json.loads((out / "export.json").read_text("utf-8"))
    assert about["guard"]["calibration"] == {"rows": 120, "from": "train split"}
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == sorted(
        ["model.xml", "model.bin", "config.json", "vocab.txt", "task.json", "export.json"]
    )
    assert deploy(out).choice.precision == "int8"


@pytest.mark.parametrize(("data", "said"), [("data", "costs"), ("data/dev.tsv", "--calibrate FILE")])
def test_auto_takes_the_fastest_within_its_budget(
    run: Path,
    tmp_path: Path,
    data: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """int8 where the score holds and there are rows to calibrate on; the report says why not."""
    pytest.importorskip("nncf")
    words = [str(run), "--to", "openvino", "--guard", str(run.parent / data), "--json"]
    if data == "data":
        assert main([*words, "--out", str(tmp_path / "int8"), "--budget", "10"]) == 0
        assert printed(capsys)["precision"] == deploy(tmp_path / "int8").choice.precision == "int8"
        monkeypatch.setattr(quantise, "climb", lambda *given: None)
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    report = printed(capsys)
    assert (
        report["precision"]
        == ("bf16" if env.computes_bf16() else "fp32")
        == deploy(tmp_path / "out").choice.precision
    )
    assert "int8 is left out" in caplog.text and said in caplog.text
    table = [(trade["precision"], trade["engine"], trade["recipe"]) for trade in report["trades"]]
    assert len(set(table)) == len(table)  # nothing is judged twice


def test_int8_of_funnel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is compared with what OpenVINO computes in by default."""
    pytest.importorskip("nncf")
    run = tiny_models.reviewer_folder(tmp_path / "run/best", tmp_path / "data", family="funnel")
    words = [str(run), "--to", "openvino", "--precision", "int8", "--out", str(tmp_path / "out")]
    assert main([*words, "--guard", str(tmp_path / "data"), "--budget", "10", "--json"]) == 0
    _, exact, *_, last = printed(capsys)["trades"]
    usual = "bf16" if env.computes_bf16() else "fp32"
    assert (exact["engine"], exact["precision"], last["precision"]) == ("openvino", usual, "int8")
    assert abs(exact["difference"]) <= (1 if env.computes_bf16() else 0)
    opened = deploy(tmp_path / "out")
    batch = opened.tokenizer(tiny_models.SYLLABLES[:3])
    np.testing.assert_allclose(opened.engine(batch)["logits"], Eager(load(run))(batch)["logits"], atol=0.5)


def clipped(nncf: Any, rung: quantise.LadderStep) -> Any:
    """Activations cut off at their middle: a quantisation that cannot work."""
    from nncf.quantization import range_estimator as ranges

    middle = ranges.StatisticsCollectorParameters(ranges.StatisticsType.QUANTILE, quantile_outlier_prob=0.49)
    low = ranges.RangeEstimatorParameters(min=middle, max=middle)
    return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=low)


def test_a_quantisation_that_lost_everything_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    monkeypatch.setattr(quantise, "_advanced", clipped)
    monkeypatch.setattr(
        quantise,
        "RECIPE_LADDER",
        (quantise.LadderStep("plain"), quantise.LadderStep("1/4 kept", kept=0.25)),
    )
    out = tmp_path / "out"
    words = [str(run), "--to", "openvino", "--precision", "int8", "--out", str(out)]
    assert main([*words, "--guard", str(run.parent / "data")]) == 3
    said = capsys.readouterr()
    assert "Nothing was written" in said.err and "the budget is 1" in said.err
    assert said.out.count("int8") == 2 and "4 of 14" in said.out  # every rung is in the table
    assert not out.exists()
    assert "1/4 kept" in said.out.splitlines()[-1]


def test_the_layer_that_is_wrong_is_found(run: Path, tmp_path: Path) -> None:
    """One layer alone is quantised, badly: it must come first."""
    nncf = pytest.importorskip("nncf")
    import openvino

    from zoo.inference.engines import module_of
    from zoo.loading import load

    module_of("openvino").write(load(run), tmp_path)
    core = openvino.Core()
    model = core.read_model(tmp_path / "model.xml")
    names = list(quantise._weighted(model))
    assert len(names) == 14  # six in each layer, the pooler, the head
    random = np.random.default_rng(0)
    rows = [{k: random.integers(5, 60, (1, 9)) for k in ("input_ids", "attention_mask", "token_type_ids")}] * 4
    for row in rows:
        row["attention_mask"], row["token_type_ids"] = np.ones((1, 9), int), np.zeros((1, 9), int)
    for wrong in (names[2], names[9]):
        made = nncf.quantize(
            core.read_model(tmp_path / "model.xml"),
            nncf.Dataset(rows),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=[n for n in names if n != wrong]),
            advanced_parameters=clipped(nncf, quantise.LadderStep("")),
        )
        assert quantise.sensitive(core.read_model(tmp_path / "model.xml"), made, rows)[0] == wrong


def test_a_wrong_graph_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = export.open_graph

    def off(*given: Any) -> Any:
        engine = real(*given)

        def call(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {k: v + 1e-3 * (v.shape[0] == 3) for k, v in engine(batch).items()}

        return call

    monkeypatch.setattr(export, "open_graph", off)
    assert main([str(run), "--out", str(tmp_path / "out")]) == 3
    said = capsys.readouterr()
    assert "'logits' differs" in said.err and "3 x 16" in said.err and "0.001" in said.out
    assert not (tmp_path / "out").exists()
    assert main([str(run), "--out", str(tmp_path / "out"), "--json"]) == 3
    told = printed(capsys)
    assert told["error"]["type"] == "GuardError" and told["differences"]["logits"]["at"] == "3 x 16"


def test_generation(snapshot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.loading import load

    folder, data = snapshot("palm-zh-base"), tmp_path / "dev.tsv"
    data.write_text("a dog\tone two\nthe weather\tis fine\n", "utf-8")
    words = [str(folder), "--task", "lcsts", "--out", str(tmp_path / "out")]
    assert main([*words, "--guard", str(data), "--precision", "fp32", "--json"]) == 0
    report = printed(capsys)
    assert report["differences"]["logits"]["largest"] < 1e-4
    assert (report["guard"]["metric"], report["guard"]["rows"]) == ("bleu-4", 2)
    opened, model = deploy(tmp_path / "out"), load(folder, task="generation")
    given = opened.tokenizer(["a dog", "the weather"])
    found, expected = (net.generate(**given, num_beams=2, max_length=6) for net in (opened.engine, model))
    np.testing.assert_array_equal(found.sequences, expected.sequences)
    assert main([*words, "--to", "onnx"]) == 2
    assert "generation" in capsys.readouterr().err
    assert main([*words, "--to", "openvino", "--precision", "int8", "--guard", str(data)]) == 2
    assert "encoder-decoders" in capsys.readouterr().err


def test_nan_is_a_difference() -> None:
    found = {"logits": output_check.Difference(float("nan"), 1.0, "1 x 1")}
    for precision in ("fp32", "bf16"):
        with pytest.raises(GuardError, match="nan"):
            output_check.check(found, precision)
    output_check.check({"end_index": output_check.Difference(3, 4, "1 x 16")}, "bf16")


@pytest.mark.parametrize(("task", "precision"), [("multiple-choice", "fp32"), ("qa-beam", "bf16")])
def test_funnel(tmp_path: Path, task: str, precision: str) -> None:
    from zoo.inference.engines import Choice, module_of, open_graph

    model = tiny_models.tiny("funnel", task)
    choice = Choice("paddle", precision, "")
    found = output_check.compare(model, open_graph(module_of("paddle").write(model, tmp_path), choice, model))
    output_check.check(found, precision)
    assert found and all(one.scale > 0 for one in found.values())


def test_calibration_never_sees_the_gate(run: Path, tmp_path: Path) -> None:
    from zoo.loading import load

    model, data = load(run), tmp_path / "data"
    settings = json.loads((run / "task.json").read_text("utf-8"))
    data.mkdir()
    dev = (run.parent / "data/dev.tsv").read_text("utf-8").splitlines()
    (data / "dev.tsv").write_text("\n".join(dev) + "\n", "utf-8")
    (data / "train.tsv").write_text("\n".join([*dev[:51], "ba be\t0", "ba bi\t1"]) + "\n", "utf-8")
    gate = read_gate(model, settings, str(data))
    assert len(gate.calibration()) == 2
    assert [row["input_ids"].shape for row in gate.calibration(str(data / "train.tsv"))] == [(1, 4)] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "tflite"], "--to tflite is unknown"),
        (["--precision", "int4"], "int4 is unknown"),
        (["--precision", "int8"], "int8 runs in OpenVINO"),
        (["--precision", "int8", "--to", "openvino"], "--guard DATA"),
        (["--precision", "bf16", "--to", "onnx"], "not in bf16"),
        (["--budget", "1"], "belong to --guard"),
        (["--guard", "nowhere"], "there is no 'nowhere'"),
        (["--guard", "DATA", "--task", "squad2"], "needs the head qa"),
        (["--guard", "DATA/dev.tsv", "--precision", "int8", "--to", "openvino"], "--calibrate FILE"),
    ],
)
def test_what_makes_no_sense(
    run: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.replace("DATA", str(run.parent / "data")) if word != "--guard DATA" else word for word in words]
    assert main([str(run), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_head_that_was_never_trained_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_models.reviewer(tmp_path / "source", None).save(tmp_path / "bare")
    words = [str(tmp_path / "bare"), "--out", str(tmp_path / "out")]
    assert main([*words, "--task", "sst2"]) == 2
    assert "no head; a new 'classification' would know nothing" in capsys.readouterr().err
    assert main(words) == 0
    assert set(deploy(tmp_path / "out").engine.outputs) == {"last_hidden_state", "pooler_output"}


def test_no_folder_of_yours_is_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    assert main([str(run), "--out", str(tmp_path)]) == 2
    assert "holds no export" in capsys.readouterr().err
    assert main([str(run), "--out", str(run)]) == 2
    assert (run / "model.safetensors").is_file()
    for _ in range(2):  # an export is replaced
        assert main([str(run), "--out", str(tmp_path / "out")]) == 0
    assert main([str(tmp_path / "out"), "--out", str(tmp_path / "again")]) == 2
    assert "an export already" in capsys.readouterr().err


def test_a_damaged_export_is_not_opened(run: Path, tmp_path: Path) -> None:
    assert main([str(run), "--out", str(tmp_path / "out")]) == 0
    file = tmp_path / "out/model.pdiparams"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pdiparams"):
        deploy(tmp_path / "out")

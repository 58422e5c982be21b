"""Reduced precision that computes wrong numbers on a machine is found out, said, and not used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_models
from tests.tiny_models import batch, tiny
from zoo import doctor, env
from zoo.__main__ import main
from zoo.export.__main__ import main as export
from zoo.inference import cache, output_check, trust, verdicts
from zoo.inference.deployed import deploy
from zoo.inference.engines import build, choose, compile, missing, module_of
from zoo.inference.engines.eager import Eager
from zoo.inference.verdicts import Verdict

ENGINES = ("paddle", "openvino")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    if missing(request.param):
        pytest.skip(f"{request.param} is not installed")
    return request.param


def spoil(monkeypatch: pytest.MonkeyPatch, engine: str, wrong: Any) -> list[str]:
    """Makes an engine's bf16 wrong; gives the precisions that it is opened in from now on."""
    module, opened = module_of(engine), []
    real = module.open_graph

    class Wrong:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def __call__(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: wrong(values) for name, values in self.inner(given).items()}

    def open_graph(graph: Any, precision: str) -> Any:
        opened.append(precision)
        made = real(graph, precision)
        return Wrong(made) if precision == "bf16" else made

    monkeypatch.setattr(module, "open_graph", open_graph)
    return opened


def fails(values: np.ndarray) -> np.ndarray:
    raise RuntimeError("could not execute a primitive")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda values: values[..., ::-1],  # cosine
        lambda values: values + 0.4 * np.abs(values).max() * (np.arange(values.size).reshape(values.shape) == 0),
        lambda values: values * np.nan,
        lambda values: np.zeros_like(values),
        fails,
    ],
)
def test_wrong_products_are_not_used(
    wrong: Any, engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = spoil(monkeypatch, engine, wrong)
    given, model = batch(3, 12), tiny("structbert", "tagging")
    built = build(model, choose(model, engine, "bf16"))
    made, chosen = built.engine, built.choice
    assert (made.precision, chosen.precision, opened) == ("fp32", "fp32", ["bf16", "fp32"])
    assert f"{chosen}".count("fp32") and "bf16 is wrong here" in chosen.why
    np.testing.assert_allclose(made(given)["logits"], Eager(model)(given)["logits"], atol=1e-4)
    said = [record.message for record in caplog.records if "wrong numbers in bf16" in record.message]
    assert len(said) == 1 and "computes in float32 instead" in said[0] and "\n" not in said[0]


def test_the_verdict_is_kept_with_the_network(
    engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []
    real = output_check.compare
    monkeypatch.setattr(output_check, "compare", lambda *given: asked.append(1) or real(*given))
    for _ in range(3):
        assert compile(tiny(), engine, "bf16").precision == "bf16"
    assert len(asked) == 1 and "wrong numbers" not in caplog.text
    assert compile(tiny(seed=4), engine, "bf16").precision == "bf16"
    assert len(asked) == 2  # another network
    opened = spoil(monkeypatch, engine, np.zeros_like)
    assert compile(tiny(seed=5), engine, "bf16").precision == "fp32"
    assert compile(tiny(seed=5), engine, "bf16").precision == "fp32"
    assert len(asked) == 3 and opened == ["bf16", "fp32", "fp32"]
    assert caplog.text.count("wrong numbers in bf16") == 2  # every start says it
    monkeypatch.setattr(env, "cpu_flags", lambda: frozenset({"another processor"}))
    compile(tiny(), engine, "bf16")
    assert len(asked) == 4


def test_float32_is_not_compared(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_check, "compare", lambda *given: pytest.fail("compared"))
    assert compile(tiny(), engine, "fp32").precision == "fp32"
    assert compile(tiny(), "eager").precision == "fp32"


@pytest.mark.parametrize("damage", ["[]", '{"cosine": "x", "largest": 0}', '{"cosine": 1e999}'])
def test_a_damaged_verdict_is_made_again(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compile(tiny(), "paddle", "bf16")
    file = next(cache.folder().glob("*/trust-*.json"))
    before = json.loads(file.read_text())
    file.write_text(damage)
    assert compile(tiny(), "paddle", "bf16").precision == "bf16"
    assert json.loads(file.read_text()) == before


@pytest.mark.parametrize("head", ["mlm", "qa", "multiple-choice"])
def test_right_products_are_used(head: str | None, engine: str, caplog: pytest.LogCaptureFixture) -> None:
    assert compile(tiny("structbert", head), engine, "bf16").precision == "bf16"
    assert "wrong" not in caplog.text


@pytest.mark.parametrize("family", ["palm", "funnel"])
def test_generation_and_beams(family: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if family == "funnel":
        engine = "paddle"  # the other would round its angles, and refuses bf16
    model = tiny(family, "generation" if family == "palm" else "qa-beam")
    assert build(model, choose(model, engine, "bf16")).choice.precision == "bf16"
    other = tiny(family, model.task, seed=9)
    monkeypatch.setattr(trust, "compared", lambda run, choice, *rest: Verdict(engine, "bf16", 0.3, 1.0))
    built = build(other, choose(other, engine, "bf16"))
    assert built.choice.precision == "fp32" and hasattr(built.engine, "generate") == (family == "palm")


def test_an_export_is_compared_where_it_is_opened(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_models.reviewer(tmp_path / "source").save(tmp_path / "model")
    words = [str(tmp_path / "model"), "--to", engine, "--precision", "bf16", "--out", str(tmp_path / "out")]
    assert export(words) == 0
    asked: list[Any] = []
    real = output_check.compare
    monkeypatch.setattr(output_check, "compare", lambda *given: asked.append(1) or real(*given))
    for _ in range(2):
        assert deploy(tmp_path / "out").engine.precision == "bf16"
    assert len(asked) == 1
    shutil.rmtree(cache.folder())
    spoil(monkeypatch, engine, np.zeros_like)
    made = deploy(tmp_path / "out")
    assert made.engine.precision == made.choice.precision == "fp32" and ", fp32, " in made.summary
    assert "wrong numbers in bf16" in caplog.text


def test_tolerances() -> None:
    for cosine, largest, trusted in ((1, 0, True), (0.995, 0.05, True), (0.65, 0.05, False), (0.999, 0.2, False)):
        assert Verdict("paddle", "bf16", cosine, largest).trusted == trusted
    assert not Verdict("paddle", "bf16", float("nan"), 0).trusted
    assert not Verdict("paddle", "bf16", 1, float("nan")).trusted


def test_what_is_no_number_is_kept(tmp_path: Path) -> None:
    verdicts.write(tmp_path, Verdict("paddle", "bf16", float("nan"), float("inf")))
    found = verdicts.read(tmp_path, "paddle", "bf16")
    assert found is not None and not found.trusted
    (tmp_path / "file").touch()
    verdicts.write(tmp_path / "file" / "below", found)  # where it cannot be kept it is made again


def test_the_doctor_says_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def engines() -> dict[str, dict[str, str]]:
        assert main(["doctor", "--json"]) == 0
        return {found["name"]: found for found in json.loads(capsys.readouterr().out)["engines"]}

    monkeypatch.setattr(env, "computes_bf16", lambda: False)
    found = engines()
    assert list(found) == ["eager", "paddle", "openvino", "onnxruntime"]
    assert found["paddle"]["title"] == "Paddle Inference" and found["paddle"]["state"][0].isdigit()
    assert "does not multiply" in found["paddle"]["bf16"] and found["eager"]["bf16"] == ""
    monkeypatch.setattr(env, "computes_bf16", lambda: True)
    assert "not compared" in engines()["paddle"]["bf16"]
    compile(tiny(), "paddle", "bf16")
    assert engines()["paddle"]["bf16"] == "trusted: right for 1 network"
    spoil(monkeypatch, "paddle", np.zeros_like)
    compile(tiny(seed=4), "paddle", "bf16")
    assert engines()["paddle"]["bf16"].startswith("wrong for 1 of 2 networks, which compute in float32 (cosine 0.0")
    monkeypatch.setattr(doctor, "missing", lambda name: ["openvino"] if name == "openvino" else [])
    assert engines()["openvino"] == {
        "name": "openvino",
        "title": "OpenVINO",
        "state": "not installed: pip install openvino",
        "bf16": "",
    }
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "\nEngines\n" in shown and "Paddle Inference  " in shown and "bf16: wrong for 1 of 2" in shown


def test_a_comparison_costs_two_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    real = Eager.__call__

    def counted(self: Eager, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        shapes.append(given["input_ids"].shape)
        return real(self, given)

    monkeypatch.setattr(Eager, "__call__", counted)
    compile(tiny(), "paddle", "bf16")
    assert sum(rows * length for rows, length in shapes) <= 64

"""From a name, a folder or a network to something that answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.tiny_models import tiny
from zoo.errors import CheckpointError, UsageError
from zoo.inference.deployed import deploy
from zoo.inference.engines import missing, module_of, refusal
from zoo.models.common.base import Model, Origin
from zoo.models.common.seq2seq import Seq2Seq

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SETTINGS = {"format": 1, "task": {"name": "sst2", "labels": ["no", "yes"]}, "max_length": 16}


def described(model: Model, folder: Path, name: str, module: str) -> Model:
    """A model that knows a folder with a vocabulary, and so can be saved."""
    folder.mkdir(parents=True)
    words = [*SPECIAL, *(chr(97 + n) for n in range(26)), "good", "bad", "it", "is"]
    (folder / "vocab.txt").write_text("\n".join([*words, *(f"w{n}" for n in range(50 - len(words)))]) + "\n")
    model.origin = Origin(module, name, f"zoo.models.{module}", folder, None)
    return model


@pytest.fixture
def classifier(tmp_path: Path) -> Model:
    return described(tiny(), tmp_path / "source" / "tiny", "BertForSequenceClassification", "structbert")


@pytest.fixture
def run(classifier: Model, tmp_path: Path) -> Path:
    """What a finetuning run leaves."""
    classifier.save(tmp_path / "run" / "best")
    (tmp_path / "run" / "best" / "task.json").write_text(json.dumps(SETTINGS))
    return tmp_path / "run"


def exported(model: Model, folder: Path, engine: str = "paddle", **changes: Any) -> Path:
    """What `zoo export` writes, without weights of our own."""
    model.save(folder)
    (folder / "model.safetensors").unlink()
    module = module_of(engine, isinstance(model, Seq2Seq))
    graph = module.write(model, folder)
    files = [file for file in folder.iterdir() if file.suffix in (".json", ".pdiparams", ".onnx", ".xml", ".bin")]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.stem[0] in "ms"}
    about = {"format": 1, "engine": engine, "precision": "fp32", "task": model.task, "sha256": digests}
    about |= {"inputs": graph.inputs, "outputs": graph.outputs, "guard": None, "versions": {}, **changes}
    (folder / "export.json").write_text(json.dumps(about))
    return folder


def test_network_in_memory(classifier: Model) -> None:
    made = deploy(classifier, engine="paddle", precision="fp32")
    assert (made.name, made.task, made.settings) == ("tiny", "classification", {})
    assert made.config is classifier.config and made.choice.engine == "paddle"
    assert made.summary.startswith(f"tiny: Paddle Inference {paddle.__version__}, fp32, ")
    assert "(compiled in " in made.summary
    assert "(from the cache in " in deploy(classifier, engine="paddle", precision="fp32").summary
    answers = made.engine(made.tokenizer(["it is good", "bad"]))
    wanted = deploy(classifier, engine="eager").engine(made.tokenizer(["it is good", "bad"]))
    np.testing.assert_allclose(answers["logits"], wanted["logits"], atol=1e-5)


def test_finetuned_run(run: Path, classifier: Model) -> None:
    given = classifier.tokenizer(["it is good", "bad"])
    wanted = deploy(classifier, engine="eager").engine(given)["logits"]
    for path in (run, run / "best", str(run)):
        made = deploy(path, "classification", engine="paddle", precision="fp32")
        assert made.settings == SETTINGS
        np.testing.assert_allclose(made.engine(given)["logits"], wanted, atol=1e-5)


def test_damaged_settings(run: Path) -> None:
    for text in ("{", "[]", '{"format": 9}'):
        (run / "best" / "task.json").write_text(text)
        with pytest.raises(UsageError, match=r"task\.json"):
            deploy(run)


def test_another_head(classifier: Model) -> None:
    with pytest.raises(UsageError, match="'tiny' has the head classification; the head 'qa'"):
        deploy(classifier, "qa")


@pytest.mark.parametrize("engine", ["paddle", "openvino", "onnxruntime"])
def test_exported(classifier: Model, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if zoo.inference.engines.missing(engine):  # type: ignore[attr-defined]
        pytest.skip(f"{engine} is not installed")
    folder = exported(classifier, tmp_path / "out", engine)
    (folder / "task.json").write_text(json.dumps(SETTINGS))
    given = classifier.tokenizer(["it is good", "bad"])
    wanted = deploy(classifier, engine="eager").engine(given)["logits"]
    monkeypatch.setattr(paddle.jit, "save", None)  # nothing is traced
    made = deploy(folder)
    assert (made.task, made.settings, str(made.choice.engine)) == ("classification", SETTINGS, engine)
    assert made.config.labels == classifier.config.labels and "(exported, opened in " in made.summary
    np.testing.assert_allclose(made.engine(made.tokenizer(["it is good", "bad"]))["logits"], wanted, atol=1e-5)


def test_exported_generation(tmp_path: Path) -> None:
    model = described(tiny("palm", "generation"), tmp_path / "source", "PalmForConditionalGeneration", "palm")
    assert isinstance(model, Seq2Seq)
    options = {"max_length": 12, "num_beams": 2, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    given = model.tokenizer(["it is good"])
    wanted = model.generate(**given, **options)
    opened = [
        deploy(exported(model, tmp_path / name, name)) for name in ("paddle", "openvino") if not missing(name)
    ]
    assert {made.task for made in opened} == {"generation"}
    for made in (deploy(model, precision="fp32"), *opened, deploy(model, engine="eager")):
        np.testing.assert_array_equal(made.engine.generate(**given, **options).sequences, wanted.sequences)
    assert isinstance(refusal(model, "onnxruntime"), UsageError)


def test_exports_that_do_not_open(classifier: Model, tmp_path: Path) -> None:
    folder = exported(classifier, tmp_path / "out")
    with pytest.raises(UsageError, match="engine paddle, not openvino"):
        deploy(folder, engine="openvino")
    with pytest.raises(UsageError, match="precision fp32, not bf16"):
        deploy(folder, precision="bf16")
    with pytest.raises(UsageError, match="has the head classification; the head 'qa'"):
        deploy(folder, "qa")
    about = json.loads((folder / "export.json").read_text())
    for change, error in (
        ({"engine": "tensorrt"}, UsageError),
        ({"sha256": {"../source/tiny/vocab.txt": ""}}, CheckpointError),
        ({"sha256": {}}, UsageError),
        ({"inputs": None}, UsageError),
        ({"outputs": [3]}, UsageError),
        ({"engine": ["paddle"]}, UsageError),
        ({"precision": "int3"}, UsageError),
        ({"precision": None}, UsageError),
        ({"task": {}}, UsageError),
        ({"sha256": {"model.json": 3}}, CheckpointError),
        ({"sha256": []}, UsageError),
    ):
        (folder / "export.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(error):
            deploy(folder)
    (folder / "export.json").write_text(json.dumps(about))
    (folder / "model.pdiparams").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="not the file that was exported"):
        deploy(folder)

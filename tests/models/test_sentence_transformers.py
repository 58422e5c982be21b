"""Models of sentence-transformers: read, saved, converted both ways and run, with all that their files say."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch

import zoo
from tests.models.sentence_folders import (
    CLS,
    FORMS,
    MEAN,
    NORMALIZE,
    OLD,
    PROMPTS,
    WIDTH,
    dense,
    folder,
    pooling,
    vectors,
    write,
)
from zoo.convert.to_paddle import convert
from zoo.convert.to_upstream import export
from zoo.errors import NotYetError, UsageError
from zoo.models.common.sentence_transformers import layers
from zoo.models.common.sentence_transformers.arrays import hide_prompt
from zoo.models.common.sentence_transformers.files import KNOWN_ACTIVATIONS

pytestmark = pytest.mark.torch
IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 9, 10, 3, 0, 0], [0, 0, 2, 11, 12, 3]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]])
TEXTS = ["a b C", "J i w3 w4 h", "", "w1 [MASK] B", " ".join(["w5"] * 99)]


def embedded(model: Any, mask: np.ndarray = MASK) -> np.ndarray:
    """Vectors of IDS. Positions are counted from the first token, as the reference does without padding."""
    places = np.maximum(np.cumsum(mask != 0, axis=1) - 1, 0)
    given = (paddle.to_tensor(a) for a in (IDS, mask, np.zeros_like(IDS), places))
    with paddle.no_grad():
        return model(*given).embeddings.numpy()


def same(model: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(embedded(model), expected, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_way_gives_the_vectors_of_sentence_transformers(tmp_path: Path, form: str) -> None:
    peer = folder(tmp_path / "m", FORMS[form], texts={"max_seq_length": 16, "do_lower_case": False})
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    model = zoo.load(tmp_path / "m")
    assert model.task == "embedding"
    same(model, expected)
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), expected)
    convert(str(tmp_path / "m"), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    for source in ("saved", "converted"):
        export(str(tmp_path / source), tmp_path / f"{source}-torch", "torch")
        back = type(peer).from_pretrained(tmp_path / f"{source}-torch").eval()
        found = vectors(tmp_path / f"{source}-torch", back, torch.tensor(IDS), torch.tensor(MASK)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        same(zoo.load(tmp_path / f"{source}-torch"), expected)


def test_the_files_go_back_as_they_were(tmp_path: Path) -> None:
    settings = {"prompts": {"query": "q: "}, "default_prompt_name": "query", "__version__": {"pytorch": "2"}}
    modules = [("Pooling", "pool", pooling("cls", "max")), ("Dense", "deep/er", dense(48, 6))]
    folder(tmp_path / "m", modules, settings, {"max_seq_length": 9})
    zoo.load(tmp_path / "m").save(tmp_path / "saved")
    convert(str(tmp_path / "m"), tmp_path / "converted")
    export(str(tmp_path / "saved"), tmp_path / "torch", "torch")
    names = ("modules.json", "config_sentence_transformers.json", "pool/config.json", "deep/er/config.json")
    for copy in ("saved", "converted", "torch"):
        for name in (*names, "sentence_bert_config.json"):
            old, new = (json.loads((tmp_path / where / name).read_text()) for where in ("m", copy))
            assert old == new, (copy, name)
        assert (tmp_path / copy / "deep/er/model.safetensors").is_file()


def test_a_trained_dense_is_saved(tmp_path: Path) -> None:
    folder(tmp_path / "m", FORMS["dense"], pickled=True)
    model = zoo.load(tmp_path / "m")
    before = embedded(model)
    for parameter in model.head.parameters():
        parameter.set_value(parameter * 1.5)
    after = embedded(model)
    assert np.abs(after - before).max() > 1e-3
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), after)


@pytest.mark.parametrize("name", sorted(KNOWN_ACTIVATIONS))
def test_activations_are_those_of_torch(tmp_path: Path, name: str) -> None:
    kind = "linear.Identity" if name == "Identity" else f"activation.{name}"
    peer = folder(tmp_path, [MEAN, ("Dense", "2_Dense", dense(WIDTH, 10, kind))])
    same(zoo.load(tmp_path), vectors(tmp_path, peer, torch.tensor(IDS), torch.tensor(MASK)).numpy())


def test_activations_are_those_of_torch_as_onnx_too(tmp_path: Path) -> None:
    pytest.importorskip("paddle2onnx")
    import onnxruntime
    import paddle2onnx

    assert set(layers.ACTIVATIONS) == set(KNOWN_ACTIVATIONS)

    class All(paddle.nn.Layer):
        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            return paddle.concat([f(x) for f in layers.ACTIVATIONS.values()]) * 1.0

    x = np.concatenate([np.linspace(-8, 8, 401), [-40, 40, 0]]).astype(np.float32)[None]
    spec = [paddle.static.InputSpec([None, None], "float32", "x")]
    paddle.jit.save(paddle.jit.to_static(All(), input_spec=spec, full_graph=True), str(tmp_path / "m"))
    files = [str(tmp_path / name) for name in ("m.json", "m.pdiparams", "m.onnx")]
    paddle2onnx.export(*files, opset_version=17, optimize_tool="None")
    (found,) = onnxruntime.InferenceSession(files[2]).run(None, {"x": x})
    expected = [getattr(torch.nn, name)()(torch.tensor(x)).numpy() for name in layers.ACTIVATIONS]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=5e-6)


@pytest.mark.parametrize("mode", OLD)
def test_a_prompt_is_left_out_of_the_pooling(tmp_path: Path, mode: str) -> None:
    peer = folder(tmp_path, [("Pooling", "1_Pooling", pooling(mode, include_prompt=False))])
    expected = vectors(tmp_path, peer, torch.tensor(IDS), torch.tensor(MASK), prompt=2).numpy()
    found = embedded(zoo.load(tmp_path), hide_prompt(MASK, 2))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_masked_language_model_s_config(tmp_path: Path) -> None:
    peer = folder(tmp_path / "m", [CLS])
    config = json.loads((tmp_path / "m/config.json").read_text())
    write(tmp_path / "m/config.json", {**config, "architectures": ["BertForMaskedLM"]})
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    same(zoo.load(tmp_path / "m"), expected)
    convert(str(tmp_path / "m"), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    assert zoo.load(tmp_path / "m", task="encoder").task is None


def test_options_change_the_pooling_and_its_files(tmp_path: Path) -> None:
    peer = folder(tmp_path / "m", [MEAN, NORMALIZE], PROMPTS)
    model = zoo.load(tmp_path / "m", pooling="lasttoken", normalize=False)
    model.save(tmp_path / "saved")
    found = vectors(tmp_path / "saved", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    same(zoo.load(tmp_path / "saved"), found)
    np.testing.assert_allclose(found[0], peer(torch.tensor(IDS[:1])).last_hidden_state[0, -1].detach(), atol=1e-6)
    assert model.sentence.default_prompt == "query"
    zoo.load(tmp_path / "m", task="encoder").save(tmp_path / "bare")
    zoo.load(tmp_path / "bare", task="embedding", pooling="cls").save(tmp_path / "new")
    kinds = [entry["type"].rpartition(".")[2] for entry in json.loads((tmp_path / "new/modules.json").read_text())]
    assert kinds == ["Transformer", "Pooling", "Normalize"]
    with pytest.raises(UsageError, match="median"):
        zoo.load(tmp_path / "m", pooling="median")


def test_folders_whose_config_names_the_pooling_are_read(tmp_path: Path) -> None:
    """What `save` wrote before it wrote sentence-transformers' files."""
    peer = folder(tmp_path / "m", [MEAN])
    model = zoo.load(tmp_path / "m", pooling="cls", normalize=True)
    model.save(tmp_path / "old")
    for file in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / "old" / file).unlink()
    config = json.loads((tmp_path / "old/config.json").read_text())
    config["zoo"]["options"] = {"pooling": "cls", "normalize": True}
    write(tmp_path / "old/config.json", config)
    expected = embedded(model)
    same(zoo.load(tmp_path / "old"), expected)
    export(str(tmp_path / "old"), tmp_path / "torch", "torch")
    found = vectors(tmp_path / "torch", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_vectors_of_an_inner_layer_are_not_written_as_those_of_the_last(tmp_path: Path) -> None:
    folder(tmp_path / "m", [MEAN])
    model = zoo.load(tmp_path / "m", layer=1)
    model.save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), embedded(model))
    with pytest.raises(NotYetError, match="layer 1"):
        export(str(tmp_path / "saved"), tmp_path / "torch", "torch")


def test_the_order_is_the_list_s(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = folder(tmp_path / "m", FORMS["dense"])
    expected = vectors(tmp_path / "m", peer, torch.tensor(IDS), torch.tensor(MASK)).numpy()
    file = tmp_path / "m/modules.json"
    entries = json.loads(file.read_text())
    write(file, entries[::-1])  # the network is not first: idx decides
    same(zoo.load(tmp_path / "m"), expected)
    write(file, [{**entry, "idx": 9 - entry["idx"]} for entry in entries])  # as the library runs them
    with caplog.at_level(logging.WARNING, "zoo"):
        same(zoo.load(tmp_path / "m"), expected)
    assert "not that of idx" in caplog.text

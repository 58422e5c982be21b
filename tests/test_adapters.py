"""Adapters of peft: read, merged, refused; numbers of peft from tests/golden, so that no test needs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.places import GOLDEN
from zoo import adapters
from zoo.checkpoint import open_checkpoint, write_safetensors
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError, KeyRuleError, UsageError, ZooError
from zoo.finetune import lora
from zoo.models.palm.keymap import KEYMAP as FUSED
from zoo.models.structbert.keymap import KEYMAP

Arrays = dict[str, np.ndarray]
SIZES = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
SIZES |= {"intermediate_size": 40, "max_position_embeddings": 34, "type_vocab_size": 2}
SIZES |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
QUERY = "base_model.model.bert.encoder.layer.0.attention.self.query"


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(GOLDEN / "lora_peft.npz") as file:
        return {name: file[name] for name in file.files}


def part(golden: Arrays, name: str) -> Arrays:
    return {key.removeprefix(f"{name}/"): array for key, array in golden.items() if key.startswith(f"{name}/")}


def write(file: Path, arrays: Arrays) -> None:
    infos = [TensorInfo(name, "F32", array.shape) for name, array in arrays.items()]
    write_safetensors(file, infos, (np.ascontiguousarray(a, np.float32) for a in arrays.values()), {"format": "pt"})


@pytest.fixture
def base(golden: Arrays, tmp_path: Path) -> Path:
    """The network that the adapter was made for, as transformers writes it."""
    folder = tmp_path / "base"
    folder.mkdir()
    kept = {k: v for k, v in part(golden, "param").items() if v.dtype == np.float32}
    write(folder / "model.safetensors", kept)
    about = {"architectures": ["BertForSequenceClassification"], "model_type": "bert", **SIZES}
    (folder / "config.json").write_text(json.dumps(about), "utf-8")
    return folder


@pytest.fixture
def adapter(golden: Arrays, tmp_path: Path) -> Path:
    """The two files that peft wrote."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    for name, array in part(golden, "file").items():
        (folder / name).write_bytes(array.tobytes())
    return folder


def logits(model: Any, golden: Arrays) -> np.ndarray:
    given = {k: paddle.to_tensor(v) for k, v in part(golden, "in").items() if k != "labels"}
    with paddle.no_grad():
        return model(**given).logits.numpy()


def test_an_adapter_of_peft_gives_its_numbers(base: Path, adapter: Path, golden: Arrays) -> None:
    plain = logits(zoo.load(base), golden)
    found = logits(zoo.load(base, adapter=adapter), golden)
    np.testing.assert_allclose(found, golden["out/logits"], atol=1e-6)
    assert np.abs(found - plain).max() > 1e-3, "the adapter changes something"


def test_gradients_are_those_of_peft(base: Path, adapter: Path, golden: Arrays) -> None:
    model = zoo.load(base)
    lora.attach(model, lora.LoraSettings(4, 6))
    pairs = adapters.read(adapter, KEYMAP, "classification").pairs
    with lora.merged(model) as layers:
        assert layers.keys() == pairs.keys()
    for name, layer in layers.items():
        layer.lora_A.set_value(np.ascontiguousarray(pairs[name][0].T))
        layer.lora_B.set_value(np.ascontiguousarray(pairs[name][1].T))
    np.testing.assert_allclose(logits(model, golden), golden["out/logits"], atol=1e-6)
    model.train()
    model(**{k: paddle.to_tensor(v) for k, v in part(golden, "in").items()}).loss.backward()
    expected = part(golden, "grad")
    assert len(expected) == 2 * len(layers)
    for name, layer in layers.items():
        for side, tensor in (("A", layer.lora_A), ("B", layer.lora_B)):
            wanted = expected[f"{name}/{side}"]
            np.testing.assert_allclose(tensor.grad.numpy().T, wanted, atol=1e-5 * np.abs(wanted).max())


def test_what_is_written_is_read_again(base: Path, adapter: Path, tmp_path: Path) -> None:
    first = adapters.read(adapter, KEYMAP, "classification")
    linears = [*first.pairs, "encoder.layers.0.attention.key.weight"]
    out = tmp_path / "again"
    adapters.write(out, first, KEYMAP, base="some/model", task="classification", linears=linears)
    again = adapters.read(out, KEYMAP, "classification")
    assert (again.rank, again.alpha, again.scale) == (4, 6.0, 1.5)
    for name, pair in first.pairs.items():
        assert all((one == other).all() for one, other in zip(pair, again.pairs[name], strict=True))
    assert again.whole.keys() == first.whole.keys()
    about = json.loads((out / adapters.CONFIG).read_text("utf-8"))
    assert about["target_modules"] == ["query", "value"] and about["base_model_name_or_path"] == "some/model"
    with open_checkpoint(adapter / adapters.WEIGHTS) as theirs, open_checkpoint(out / adapters.WEIGHTS) as ours:
        assert theirs.infos == ours.infos


def test_the_keys_of_a_network_without_a_head_have_no_base(adapter: Path, tmp_path: Path) -> None:
    whole = adapters.read(adapter, KEYMAP, "classification")
    bare = adapters.Adapter(whole.pairs, {}, whole.rank, whole.alpha)
    adapters.write(tmp_path / "bare", bare, KEYMAP, base="m", task="embedding", linears=list(whole.pairs))
    with open_checkpoint(tmp_path / "bare" / adapters.WEIGHTS) as file:
        assert all(name.startswith("base_model.model.encoder.layer.") for name in file.infos)
    assert adapters.read(tmp_path / "bare", KEYMAP, None).pairs.keys() == whole.pairs.keys()


def test_a_fused_layer_is_read_in_parts_and_not_written(tmp_path: Path) -> None:
    a, b = np.ones((2, 8), np.float32), np.arange(48, dtype=np.float32).reshape(24, 2)
    key = "base_model.model.bert.encoder.layer.0.attention.self.query_key_value"
    folder = tmp_path / "fused"
    folder.mkdir()
    write(folder / adapters.WEIGHTS, {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b})
    (folder / adapters.CONFIG).write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 2}', "utf-8")
    found = adapters.read(folder, FUSED, None)
    names = [f"seq2seq.encoder.layers.0.attention.{part}.weight" for part in ("query", "key", "value")]
    assert list(found.pairs) == names
    assert (np.concatenate([found.pairs[name][1] for name in names]) == b).all()
    one = adapters.Adapter({names[0]: found.pairs[names[0]]}, {}, 2, 2.0)
    with pytest.raises(KeyRuleError):
        adapters.write(tmp_path / "out", one, FUSED, base="m", task=None, linears=names)
    assert not (tmp_path / "out").exists()


def changed(adapter: Path, **fields: object) -> None:
    file = adapter / adapters.CONFIG
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **fields}), "utf-8")


def test_rank_stabilised(base: Path, adapter: Path) -> None:
    changed(adapter, use_rslora=True)
    assert adapters.read(adapter, KEYMAP, "classification").scale == 3.0


def test_which_layers_say_the_tensors(adapter: Path) -> None:
    changed(adapter, layers_to_transform=[0], layers_pattern="layer")
    assert adapters.read(adapter, KEYMAP, "classification").pairs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_dora", True),
        ("rank_pattern", {"query": 8}),
        ("alpha_pattern", {"query": 8}),
        ("bias", "all"),
        ("init_lora_weights", "pissa"),
        ("trainable_token_indices", [1]),
        ("some_new_thing", 0.5),
        ("peft_type", "ADALORA"),
    ],
)
def test_a_field_that_changes_numbers_is_refused_by_name(adapter: Path, name: str, value: object) -> None:
    changed(adapter, **{name: value})
    with pytest.raises(CheckpointError, match=name) as told:
        adapters.read(adapter, KEYMAP, "classification")
    assert "merge_and_unload" in told.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [("r", 0), ("r", 1 << 20), ("r", "4"), ("lora_alpha", True), ("lora_alpha", 1e30), ("bias", 3)],
)
def test_a_field_of_a_wrong_kind_is_refused(adapter: Path, name: str, value: object) -> None:
    changed(adapter, **{name: value})
    with pytest.raises(ZooError, match=name):
        adapters.read(adapter, KEYMAP, "classification")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({f"{QUERY}.lora_A.weight": (3, 24)}, "r=4"),
        ({f"{QUERY}.lora_A.weight": None}, "not both"),
        ({f"{QUERY}.lora_A.default.weight": (4, 24)}, "none of a plain LoRA"),
        ({f"{QUERY}.lora_magnitude_vector": (24,)}, "none of a plain LoRA"),
        ({"bert.encoder.x": (3,)}, "none of a plain LoRA"),
        ({"base_model.model.bert.strange.weight": (3,)}, "no place in this network"),
        ({"base_model.model.cls.predictions.decoder.weight": (50, 24)}, "no place in this network"),
        (
            {"base_model.model.score.lora_A.weight": (4, 24), "base_model.model.score.lora_B.weight": (2, 4)},
            "no linear",
        ),
    ],
)
def test_tensors_without_a_place_are_refused(adapter: Path, made: dict[str, Any], told: str) -> None:
    with open_checkpoint(adapter / adapters.WEIGHTS) as file:
        arrays = {name: np.array(file.read(name)) for name in file.infos}
    for name, shape in made.items():
        arrays.pop(name, None)
        if shape is not None:
            arrays[name] = np.ones(shape, np.float32)
    (adapter / adapters.WEIGHTS).unlink()
    write(adapter / adapters.WEIGHTS, arrays)
    with pytest.raises(CheckpointError, match=told):
        adapters.read(adapter, KEYMAP, "classification")


def test_numbers_that_are_none_are_refused(adapter: Path) -> None:
    with open_checkpoint(adapter / adapters.WEIGHTS) as file:
        arrays = {name: np.array(file.read(name)) for name in file.infos}
    arrays[f"{QUERY}.lora_B.weight"][0, 0] = np.nan
    (adapter / adapters.WEIGHTS).unlink()
    write(adapter / adapters.WEIGHTS, arrays)
    with pytest.raises(CheckpointError, match="lora_B"):
        adapters.read(adapter, KEYMAP, "classification")


def test_a_folder_without_an_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=adapters.CONFIG):
        zoo.load(base, adapter=tmp_path / "nothing")
    shutil.move(adapter / adapters.WEIGHTS, adapter / "adapter_model.bin")
    with pytest.raises(UsageError, match=adapters.WEIGHTS) as told:
        zoo.load(base, adapter=adapter)
    assert "safetensors" in told.value.hint


def test_an_adapter_of_another_model(base: Path, adapter: Path) -> None:
    with pytest.raises(CheckpointError, match=r"classification.output.* no such tensor") as told:
        zoo.load(base, task="encoder", adapter=adapter)
    assert "task=" in told.value.hint
    with pytest.raises(CheckpointError, match="the network's is"):
        zoo.load(base, task="classification", labels=5, adapter=adapter)

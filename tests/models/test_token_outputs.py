"""BGE M3's dense, sparse and ColBERT outputs: read, saved, converted both ways, and equal to FlagEmbedding's."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from transformers import XLMRobertaModel

import zoo
from conversion import flag_embedding, random_snapshot
from tests.convert.conftest import TINY
from zoo import registry
from zoo.checkpoint import open_checkpoint
from zoo.convert.to_paddle import convert
from zoo.convert.to_upstream import export
from zoo.errors import CheckpointError

pytestmark = pytest.mark.torch
IDS = np.array([[0, 5, 6, 7, 5, 2], [0, 9, 10, 2, 1, 1], [0, 2, 1, 1, 1, 1]])
MASK = (IDS != 1).astype(np.int64)
NAMES = ("embeddings", "token_weights", "token_vectors")
FILES = ("sparse_linear.pt", "colbert_linear.pt")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder in the form of the published one."""
    return random_snapshot.write(registry.info("BAAI/bge-m3"), tmp_path_factory.mktemp("m3") / "m", config=TINY)


def original(folder: Path) -> flag_embedding.M3:
    return flag_embedding.M3(XLMRobertaModel.from_pretrained(folder), folder).eval()


def outputs(model: Any) -> dict[str, np.ndarray]:
    with paddle.no_grad():
        made = model(paddle.to_tensor(IDS), paddle.to_tensor(MASK))
    return {name: getattr(made, name).numpy() for name in NAMES}


@pytest.fixture(scope="module")
def expected(upstream: Path) -> dict[str, np.ndarray]:
    with torch.no_grad():
        made = original(upstream)(torch.tensor(IDS), torch.tensor(MASK))
    return {name: made[name].numpy() for name in NAMES}


def same(model: Any, expected: dict[str, np.ndarray]) -> None:
    for name, array in outputs(model).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)


def test_every_way_gives_the_three_outputs(upstream: Path, expected: dict[str, np.ndarray], tmp_path: Path) -> None:
    model = zoo.load(upstream)
    assert model.task == "embedding" and expected["token_weights"].max() > 0.1
    assert (expected["token_vectors"][:, 0] == 0).all() and (expected["token_weights"] == 0).any()
    same(model, expected)
    convert(str(upstream), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    zoo.load(tmp_path / "converted").save(tmp_path / "saved")
    same(zoo.load(tmp_path / "saved"), expected)
    for source in ("converted", "saved"):
        back = tmp_path / f"{source}-torch"
        export(str(tmp_path / source), back, "torch")
        with torch.no_grad():
            made = original(back)(torch.tensor(IDS), torch.tensor(MASK))
        for name in NAMES:
            np.testing.assert_allclose(made[name].numpy(), expected[name], atol=1e-5)


def test_the_files_go_back_as_they_were(upstream: Path, tmp_path: Path) -> None:
    convert(str(upstream), tmp_path / "converted")
    export(str(tmp_path / "converted"), tmp_path / "torch", "torch")
    for name in (*FILES, "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"):
        assert (upstream / name).read_bytes() == (tmp_path / "torch" / name).read_bytes(), name
    zoo.load(tmp_path / "converted").save(tmp_path / "saved")
    for name in FILES:  # float32 there, the same numbers
        ours = torch.load(tmp_path / "saved" / name, weights_only=True)
        for key, tensor in torch.load(upstream / name, weights_only=True).items():
            assert tensor.dtype == torch.float16 and torch.equal(tensor.float(), ours[key])
    with open_checkpoint(tmp_path / "saved") as checkpoint:
        assert not any(name.startswith("embedding.") for name in checkpoint.infos)


def test_gradients_are_those_of_torch(upstream: Path) -> None:
    peer, model = original(upstream), zoo.load(upstream)
    theirs = peer(torch.tensor(IDS), torch.tensor(MASK))
    ours = model(paddle.to_tensor(IDS), paddle.to_tensor(MASK))
    random = np.random.default_rng(0)
    total, sum_ = 0, 0
    for name in NAMES:
        weights = random.standard_normal(tuple(theirs[name].shape)).astype(np.float32)
        total = total + (theirs[name] * torch.tensor(weights)).sum()
        sum_ = sum_ + (getattr(ours, name) * paddle.to_tensor(weights)).sum()
    total.backward()
    sum_.backward()
    pairs = {
        f"tokens.{kind}.{leaf}": getattr(getattr(peer, f"{kind}_linear"), leaf).grad.numpy().T
        for kind in ("sparse", "colbert")
        for leaf in ("weight", "bias")
    }
    found = {name: p.grad.numpy() for name, p in model.head.named_parameters()}
    assert found.keys() == pairs.keys()
    for name, gradient in pairs.items():
        assert np.abs(found[name] - gradient).max() <= 1e-5 * np.abs(gradient).max(), name
    words = peer.encoder.embeddings.word_embeddings.weight.grad.numpy()
    assert np.abs(model.encoder.embeddings.word.weight.grad.numpy() - words).max() <= 1e-5 * np.abs(words).max()


def test_a_folder_of_flag_embedding_without_modules(
    upstream: Path, expected: dict[str, np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """FlagEmbedding's training saves none."""
    shutil.copytree(upstream, tmp_path / "m")
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (tmp_path / "m" / name).unlink()
    with caplog.at_level(logging.WARNING, "zoo"):
        same(zoo.load(tmp_path / "m"), expected)
    assert "has no modules.json: the vectors are the first token's" in caplog.text
    convert(str(tmp_path / "m"), tmp_path / "converted")
    same(zoo.load(tmp_path / "converted"), expected)
    export(str(tmp_path / "converted"), tmp_path / "torch", "torch")
    assert not (tmp_path / "torch/modules.json").exists()
    assert (tmp_path / "torch" / FILES[0]).read_bytes() == (upstream / FILES[0]).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_one_file_alone_is_not_used_and_said(
    name: str, upstream: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(upstream, tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    with caplog.at_level(logging.WARNING, "zoo"):
        model = zoo.load(tmp_path / "m")
    assert f"no {name}: neither is used" in caplog.text
    made = model(paddle.to_tensor(IDS))
    assert made.token_weights is None and made.token_vectors is None and made.embeddings is not None


def damage(folder: Path, name: str, **state: torch.Tensor) -> None:
    torch.save(state, folder / name)


def test_damaged_files_are_refused_by_name(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "m"
    shutil.copytree(upstream, place)
    whole = torch.zeros(32, 32)
    for name, state, said in (
        ("sparse_linear.pt", {"weight": torch.zeros(1, 32)}, "lacks 'bias'"),
        ("sparse_linear.pt", {"weight": torch.zeros(1, 32), "bias": torch.zeros(1), "x": torch.zeros(1)}, "'x'"),
        ("sparse_linear.pt", {"weight": torch.zeros(2, 32), "bias": torch.zeros(2)}, "tokens.sparse.weight"),
        ("colbert_linear.pt", {"weight": torch.zeros(32, 31), "bias": torch.zeros(32)}, "tokens.colbert.weight"),
        ("colbert_linear.pt", {"weight": whole * float("nan"), "bias": torch.zeros(32)}, "'weight' that is none"),
        ("colbert_linear.pt", {"weight": torch.zeros(32), "bias": torch.zeros(32)}, "not of a Linear layer"),
    ):
        torch.save(state, place / name)
        for act in (zoo.load, lambda folder: convert(str(folder), tmp_path / "out")):
            with pytest.raises(CheckpointError, match=said):
                act(place)
        shutil.copyfile(upstream / name, place / name)
    (place / "sparse_linear.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")  # a pickle that would run a command
    with pytest.raises(CheckpointError, match="sparse_linear"):
        zoo.load(place)
    assert not (tmp_path / "out").exists()


def test_a_narrower_vector_and_another_head(upstream: Path, tmp_path: Path) -> None:
    shutil.copytree(upstream, tmp_path / "m")
    torch.save({"weight": torch.randn(8, 32), "bias": torch.randn(8)}, tmp_path / "m/colbert_linear.pt")
    zoo.load(tmp_path / "m").save(tmp_path / "saved")
    assert zoo.load(tmp_path / "saved")(paddle.to_tensor(IDS)).token_vectors.shape == [3, 6, 8]
    assert json.loads((tmp_path / "saved/config.json").read_text())["zoo"]["options"] == {"colbert": 8}
    assert zoo.load(upstream, task="encoder")(paddle.to_tensor(IDS)).token_weights is None

"""Files of both PALM networks: loaded as they are, converted, and written back for the publisher's code."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest

import zoo
from tests.convert.conftest import Make
from tests.places import GOLDEN
from zoo.checkpoint import open_checkpoint, write_safetensors, write_torch
from zoo.checkpoint.rules import TensorInfo
from zoo.convert.certificate import Certificate
from zoo.errors import CheckpointError, ConfigError, InputError, UsageError
from zoo.models.palm.v2.keymap import STEPS
from zoo.models.palm.v2.model import sinusoids

Arrays = dict[str, np.ndarray]
Command = Callable[..., tuple[int, str, str]]
SIZES = {
    "model_type": "palm",
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "dec_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
    "layernorm_epsilon": 1e-12,
}
ENCODER = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
}
DECODER = {
    "model_type": "palm",
    "encoder": "zh_bert",
    "encoder_pth": "zh_bert",
    "dec_layers": 2,
    "dec_hidden_size": 16,
    "dec_heads": 2,
    "dec_ff_size": 32,
}
KINDS = {"float32": "F32", "int64": "I64", "uint8": "U8"}


def write(folder: Path, file: str, config: dict[str, object], tensors: Arrays, words: int) -> Path:
    """A folder as its publisher writes it."""
    folder.mkdir(parents=True)
    infos = [TensorInfo(name, KINDS[str(a.dtype)], a.shape) for name, a in tensors.items()]
    write_torch(folder / file, infos, iter(tensors.values()))
    (folder / "config.json").write_text(json.dumps(config))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天气很好今公园", "##去", "the", "##re"]
    pieces += [f"[unused{n}]" for n in range(words - len(pieces) - 4)]  # the table has rows without a word
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    return folder


def golden(name: str) -> Arrays:
    found = np.load(GOLDEN / f"{name}.npz")
    return {k.removeprefix("param/"): found[k] for k in found.files if k.startswith("param/")}


@pytest.fixture
def palm(tmp_path: Path) -> Path:
    return write(tmp_path / "palm", "palm_model.pt", SIZES, golden("palm_sofa_tiny"), 60)


@pytest.fixture
def palm2(tmp_path: Path) -> Path:
    """With the buffers that ModelScope's files carry, and its trainer's prefix; positions that no formula gives."""
    tensors = golden("palm2_tiny")
    tensors["decoder.pos_emb.pe"] = np.random.default_rng(0).normal(size=(1, 5000, 16)).astype(np.float32)
    tensors["decoder.transformer_layers.0.mask"] = np.zeros((1, 8, 8), np.uint8)
    folder = write(
        tmp_path / "palm2", "pytorch_model.bin", DECODER, {f"palm.{k}": v for k, v in tensors.items()}, 40
    )
    (folder / "zh_bert").mkdir()
    (folder / "zh_bert/config.json").write_text(json.dumps(ENCODER))
    return folder


def same_tensors(one: Path, two: Path, without: tuple[str, ...] = ()) -> None:
    with open_checkpoint(one) as before, open_checkpoint(two) as after:
        kept = [name for name in before.infos if name not in without]
        assert set(after.infos) == set(kept)
        for name in kept:
            assert before.infos[name] == after.infos[name]
            assert before.read(name).tobytes() == after.read(name).tobytes(), name


def scores(folder: Path) -> np.ndarray:
    """The scores of a target, by what `zoo.load` makes of a folder."""
    model = zoo.load(folder)
    with paddle.no_grad():
        batch = model.tokenizer(["今天天气很好", "公园"])
        return model(**batch, decoder_input_ids=paddle.to_tensor([[2, 9, 8], [2, 5, 6]])).logits.numpy()


def test_palm_there_and_back(palm: Path, tmp_path: Path, command: Command) -> None:
    assert command(palm, "--out", tmp_path / "paddle")[0] == 0
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None and not certificate.coverage.dropped
    assert {name.split(".")[1] for name in certificate.coverage.unused} == {"pooler", "seq_relationship"}
    np.testing.assert_array_equal(scores(tmp_path / "paddle"), scores(palm))
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert (tmp_path / "torch/palm_model.pt").is_file()
    same_tensors(palm, tmp_path / "torch")
    assert json.loads((tmp_path / "torch/config.json").read_text()) == SIZES


@pytest.mark.torch
def test_written_file_is_torchs(palm: Path) -> None:
    import torch

    found = torch.load(palm / "palm_model.pt", weights_only=True)
    assert found["bert.embeddings.word_embeddings.weight"].shape == (60, 16)


def test_palm2_there_and_back(palm2: Path, tmp_path: Path, command: Command) -> None:
    code, _, err = command(palm2, "--out", tmp_path / "paddle")
    assert code == 0, err
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None
    gone = ("palm.decoder.transformer_layers.0.mask",)
    assert set(certificate.coverage.dropped) == set(gone)
    np.testing.assert_array_equal(scores(tmp_path / "paddle"), scores(palm2))
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    same_tensors(palm2, tmp_path / "torch", gone)
    assert json.loads((tmp_path / "torch/config.json").read_text()) == DECODER
    assert json.loads((tmp_path / "torch/zh_bert/config.json").read_text()) == ENCODER


def without_positions(folder: Path, out: Path) -> Path:
    """A folder as a zoo before the table of positions was kept converted it."""
    shutil.copytree(folder, out)
    with open_checkpoint(folder) as file:
        infos = [info for name, info in file.infos.items() if name != STEPS]
        write_safetensors(out / "model.safetensors", infos, (file.read(i.name) for i in infos), file.metadata)
    return out


def test_positions_are_the_files(palm2: Path, tmp_path: Path, command: Command) -> None:
    """As they are in it: loaded, converted, saved, written back."""
    assert command(palm2, "--out", tmp_path / "paddle")[0] == 0
    zoo.load(tmp_path / "paddle").save(tmp_path / "saved")
    with open_checkpoint(palm2) as file:
        wanted = np.array(file.read("palm.decoder.pos_emb.pe"))
    for folder in (palm2, tmp_path / "paddle", tmp_path / "saved"):
        assert zoo.load(folder).decoder.steps.numpy().tobytes() == wanted.tobytes()
    assert command(tmp_path / "saved", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    with open_checkpoint(tmp_path / "torch") as file:  # a saved model has today's keys
        assert file.read("decoder.pos_emb.pe").tobytes() == wanted.tobytes()


def test_positions_that_a_file_lacks_are_computed(palm2: Path, tmp_path: Path, command: Command) -> None:
    """A published file without them is converted; a folder of an older zoo loads, and is not written for torch."""
    bare = write(tmp_path / "bare", "pytorch_model.bin", DECODER, golden("palm2_tiny"), 40)
    shutil.copytree(palm2 / "zh_bert", bare / "zh_bert")
    assert command(palm2, "--out", tmp_path / "paddle")[0] == 0
    assert command(bare, "--out", tmp_path / "bare-paddle")[0] == 0
    old = without_positions(tmp_path / "paddle", tmp_path / "old")
    for folder in (bare, tmp_path / "bare-paddle", old):
        np.testing.assert_array_equal(zoo.load(folder).decoder.steps.numpy()[0], sinusoids(5000, 16))
    np.testing.assert_array_equal(scores(old), scores(bare))
    assert command(tmp_path / "bare-paddle", "--out", tmp_path / "bare-torch", "--to", "torch")[0] == 0
    same_tensors(bare, tmp_path / "bare-torch")
    code, _, err = command(old, "--out", tmp_path / "torch", "--to", "torch")
    assert code == 1 and STEPS in err and "Convert the published files again" in err
    assert not (tmp_path / "torch").exists()


@pytest.mark.parametrize("name", ["palm", "palm2"])
def test_saved_and_loaded(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    source = request.getfixturevalue(name)
    model = zoo.load(source, task="generation")
    assert model.task == "generation"
    model.save(tmp_path / "saved")
    assert zoo.load(tmp_path / "saved").task == "generation"
    np.testing.assert_array_equal(scores(tmp_path / "saved"), scores(source))


def test_the_masked_language_model_reads_the_encoder(palm: Path, tmp_path: Path) -> None:
    arrays = np.load(GOLDEN / "palm_sofa_tiny.npz")
    model = zoo.load(palm, task="mlm")
    assert not any("decoder" in name for name in model.state_dict())
    model.save(tmp_path / "saved")
    for one in (model, zoo.load(tmp_path / "saved")):
        assert one.task == "mlm"
        names = {"input_ids": "input_tokens", "attention_mask": "attention_mask"}
        batch = {k: paddle.to_tensor(arrays[f"in/{v}"]) for k, v in names.items()}
        batch["token_type_ids"] = paddle.to_tensor(arrays["in/token_type_ids"])
        np.testing.assert_allclose(one(**batch).logits.numpy(), arrays["out/encoder_mlm_logits"], rtol=0, atol=1e-5)


def test_what_is_not_there(palm: Path, palm2: Path) -> None:
    with pytest.raises(UsageError, match="generation, mlm"):
        zoo.load(palm, task="qa")
    with pytest.raises(UsageError, match="generation"):
        zoo.load(palm2, task="mlm")
    (palm2 / "zh_bert/config.json").unlink()
    with pytest.raises(ConfigError, match="zh_bert"):
        zoo.load(palm2)
    (palm / "config.json").write_text(json.dumps({**SIZES, "pre_ln": False}))
    with pytest.raises(ConfigError, match="pre_ln"):
        zoo.load(palm)
    (palm / "config.json").write_text(json.dumps({**SIZES, "dec_hidden_layers": 2}))
    with pytest.raises(CheckpointError, match=r"layers\.2"):
        zoo.load(palm)


@pytest.mark.parametrize(("name", "rows"), [("palm", 20), ("palm2", 512)])
def test_bad_input(name: str, rows: int, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> None:
    """The tokenizer cuts and says so, and refuses an empty text; ids beyond the positions are an error."""
    model = zoo.load(request.getfixturevalue(name))
    with caplog.at_level(logging.WARNING, "zoo"):
        assert model.tokenizer(["天" * 600, "天" * (rows - 2)])["input_ids"].shape == [2, rows]
    assert caplog.messages == [f"1 of 2 texts are cut to {rows} tokens, the longest row"]
    model.tokenizer("天" * 600, max_length=8)
    assert len(caplog.messages) == 1  # who asks for a length knows
    for empty in ("", " ", ["今天", ""]):
        with pytest.raises(InputError, match="empty text"):
            model.tokenizer(empty)
    start = paddle.to_tensor([[2]])
    with pytest.raises(InputError, match="Cut the text"):
        model(paddle.ones([1, rows + 1], "int64"), decoder_input_ids=start)
    with pytest.raises(InputError):
        model(paddle.ones([1, 4], "int64"), decoder_input_ids=paddle.ones([1, 5001], "int64"))
    with pytest.raises(InputError, match="the model knows"):
        model(paddle.ones([1, 4], "int64"), decoder_input_ids=paddle.to_tensor([[2, 60]]))
    with pytest.raises(InputError, match="decoder_input_ids"):
        model(paddle.ones([1, 4], "int64"))
    with pytest.raises(InputError, match="mean-over-tokens"):
        model(paddle.ones([1, 4], "int64"), decoder_input_ids=start, labels=start, loss="mean")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "options", "dropped"),
    [("palm-zh-base", {}, 0), ("palm2-chinese-base", {}, 2), ("palm2-chinese-base", {"p_gen": True}, 2)],
)
def test_proven_there_and_back(
    name: str, options: dict[str, object], dropped: int, snapshot: Make, tmp_path: Path, command: Command
) -> None:
    """Every output and every gradient; of SOFA's the masked language model too."""
    source = snapshot(name, **options)
    code, _, err = command(source, "--out", tmp_path / "paddle", "--verify")
    assert code == 0, err
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None and certificate.verified and isinstance(certificate.parity, dict)
    assert certificate.parity["tokenizer"]["different"] == 0
    assert any(c["name"].startswith("mlm") for c in certificate.parity["cases"]) == (name == "palm-zh-base")
    outputs = {"logits", "loss", "last_hidden_state", "encoder_last_hidden_state"}
    assert outputs <= set(certificate.parity["outputs"])
    assert len(certificate.coverage.dropped) == dropped
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    same_tensors(source, tmp_path / "torch", tuple(certificate.coverage.dropped))


def test_a_separator_in_a_text_is_special(palm: Path) -> None:
    tokenizer = zoo.load(palm).tokenizer
    ids = tokenizer("今天[SEP]公园[SEP]好")["input_ids"][0].tolist()
    assert ids[0] == tokenizer.cls_token_id and ids.count(tokenizer.sep_token_id) == 3
    assert "token_type_ids" in tokenizer("今天") and not tokenizer("今天")["token_type_ids"].any()


def test_decoded_as_published(palm: Path, palm2: Path) -> None:
    """SOFA's: up to the first [SEP], pieces joined, special tokens gone, ids without a word unknown."""
    tokenizer = zoo.load(palm).tokenizer
    ids = tokenizer.convert_tokens_to_ids(["[CLS]", "今", "##去", "[UNK]", "the", "##re", "[SEP]", "好", "[SEP]"])
    assert tokenizer.decode([*ids[:3], 59, *ids[3:]]) == "今去there"
    assert tokenizer.decode(ids[:2], skip_special_tokens=False) == "[CLS] 今"
    assert tokenizer.decode([]) == ""
    other = zoo.load(palm2).tokenizer
    words = other.convert_tokens_to_ids(["[CLS]", "今", "天", "the", "##re", "公", "[UNK]", "园", "[SEP]", "[PAD]"])
    assert other.decode(words) == "今天 there 公园"

"""zoo.load and Model.save on folders as upstream publishes them and as a conversion writes them."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch

import zoo
from tests.models.peers import PREFIX, SUFFIX, ours, torch_model
from zoo import hub
from zoo.checkpoint import write_safetensors
from zoo.checkpoint.rules import TensorInfo
from zoo.errors import CheckpointError, ConfigError, KeyRuleError, NotYetError, UsageError, ZooError
from zoo.models.common.base import Model
from zoo.models.common.weights import disk_names

IDS = np.array([[5, 6, 7, 8], [9, 10, 11, 1]])
TASKS = tuple(task for task in SUFFIX if task)
pytestmark = pytest.mark.torch


def upstream(folder: Path, family: str, task: str | None, **changes: object) -> torch.nn.Module:
    """A folder as transformers writes it."""
    peer = torch_model(family, task, **changes)
    peer.save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(45))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return peer


def converted(folder: Path, family: str, task: str | None, **changes: object) -> torch.nn.Module:
    """A folder as a conversion writes it."""
    folder.mkdir()
    peer = torch_model(family, task, **changes)
    arrays = ours({k: v.numpy() for k, v in peer.state_dict().items()}, family, task)
    arrays = {f"encoder.{k}" if task is None else k: v for k, v in arrays.items()}
    write(folder / "model.safetensors", arrays, source_keys="{}")
    name = PREFIX[family] + SUFFIX[task]
    mark = {"format": 1, "family": family, "architecture": name, "task": task}
    content = {**peer.config.to_dict(), "architectures": [name], "zoo": mark}
    (folder / "config.json").write_text(json.dumps(content))
    return peer


def write(path: Path, arrays: dict[str, np.ndarray], **metadata: str) -> None:
    infos = [TensorInfo(n, "F32", a.shape) for n, a in arrays.items()]
    write_safetensors(path, infos, iter(arrays.values()), metadata)


def arrays_of(model: Model) -> dict[str, np.ndarray]:
    return {n: t.numpy() for n, t in disk_names(model).items()}


def same(one: Model, other: Model) -> None:
    first, second = arrays_of(one), arrays_of(other)
    assert list(first) == list(second)
    assert all(np.array_equal(first[n], second[n]) for n in first)
    assert one.task == other.task and one.config.labels == other.config.labels


@pytest.mark.parametrize("make", [upstream, converted])
@pytest.mark.parametrize("task", SUFFIX)
@pytest.mark.parametrize("family", PREFIX)
def test_numbers_and_default_task(tmp_path: Path, make: object, family: str, task: str | None) -> None:
    peer = make(tmp_path / "m", family, task)  # type: ignore[operator]
    model = zoo.load(tmp_path / "m", task="mlm" if task == "mlm" else None)
    assert not model.training and model.task == task
    ids = IDS[:, None] if task == "multiple-choice" else IDS
    theirs, mine = peer(torch.from_numpy(ids)), model(paddle.to_tensor(ids))
    name = {"qa": "start_logits", None: "last_hidden_state"}.get(task, "logits")
    np.testing.assert_allclose(getattr(mine, name).numpy(), theirs[name].detach().numpy(), rtol=0, atol=2e-5)
    if task == "mlm":
        assert zoo.load(tmp_path / "m").task is None  # the encoder is what a masked language model is loaded for
    if task:
        bare = zoo.load(tmp_path / "m", task="encoder")
        assert (bare.pooler is not None) == any("pooler" in key for key in peer.state_dict())


@pytest.mark.parametrize("task", SUFFIX)
@pytest.mark.parametrize("family", PREFIX)
def test_save_and_load_again(tmp_path: Path, family: str, task: str | None) -> None:
    upstream(tmp_path / "m", family, task, **({"id2label": {0: "no", 1: "yes"}} if task == "tagging" else {}))
    model = zoo.load(tmp_path / "m", task=task)
    model.save(tmp_path / "saved")
    again = zoo.load(tmp_path / "saved")
    same(model, again)
    again.save(tmp_path / "saved")  # onto itself
    same(model, zoo.load(tmp_path / "saved"))
    assert (tmp_path / "saved/vocab.txt").read_bytes() == (tmp_path / "m/vocab.txt").read_bytes()
    if task == "tagging":
        assert again.config.labels == ("no", "yes")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_weights_are_the_mapped_file(tmp_path: Path) -> None:
    converted(tmp_path / "m", "xlmr", "tagging", vocab_size=3000)
    file = tmp_path / "m/model.safetensors"
    before = file.read_bytes()
    model = zoo.load(tmp_path / "m")
    ranges = [
        [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(file))
    ]
    for name, tensor in disk_names(model).items():
        assert any(low <= tensor.data_ptr() < high for low, high in ranges), name
        assert tensor.data_ptr() % 4 == 0
    old = arrays_of(model)["tagging.output.weight"].copy()
    optimizer = paddle.optimizer.AdamW(0.1, parameters=model.parameters())
    model(paddle.to_tensor(IDS), labels=paddle.to_tensor([[0, 1, 0, 1]] * 2)).loss.backward()
    optimizer.step()
    assert not np.array_equal(arrays_of(model)["tagging.output.weight"], old)
    assert file.read_bytes() == before  # copy on write
    model.save(tmp_path / "trained")
    same(model, zoo.load(tmp_path / "trained"))
    model.set_state_dict(zoo.load(tmp_path / "m").state_dict())
    same(model, zoo.load(tmp_path / "m"))
    assert file.read_bytes() == before


def test_new_head_is_named_seeded_and_small(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    converted(tmp_path / "m", "structbert", "mlm", hidden_size=96, initializer_range=0.02)
    with caplog.at_level(logging.WARNING, "zoo"):
        paddle.seed(3)
        model = zoo.load(tmp_path / "m", task="classification", labels=["a", "b", "c"])
    (line,) = [r.getMessage() for r in caplog.records]
    fresh = ("encoder.pooler.dense.weight", "encoder.pooler.dense.bias")
    fresh += ("classification.output.weight", "classification.output.bias")
    assert line.endswith(", ".join(fresh)) and "\n" not in line
    assert float(model.encoder.pooler.dense.weight.std()) == pytest.approx(0.02, rel=0.1)
    assert float(model.head.output.bias.abs().max()) == 0.0
    assert model.head.output.weight.shape == [96, 3] and model.config.labels == ("a", "b", "c")
    paddle.seed(3)
    same(model, zoo.load(tmp_path / "m", task="classification", labels=["a", "b", "c"]))
    paddle.seed(4)
    other = zoo.load(tmp_path / "m", task="classification", labels=3)
    assert not np.array_equal(other.head.output.weight.numpy(), model.head.output.weight.numpy())
    model.save(tmp_path / "saved")
    same(model, zoo.load(tmp_path / "saved"))


def test_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    converted(tmp_path / "m", "xlmr", "classification", id2label={0: "no", 1: "yes"})
    kept = zoo.load(tmp_path / "m", labels=["bad", "good"])
    assert kept.config.labels == ("bad", "good") and not caplog.records
    wider = zoo.load(tmp_path / "m", labels=5)
    assert wider.head.output.weight.shape[1] == 5 and "classification.dense.weight" in caplog.text
    for wrong in (["yes", "no"], "yes", [], ["a", "a"], 0):
        with pytest.raises(UsageError):
            zoo.load(tmp_path / "m", labels=wrong)


def test_what_does_not_fit(tmp_path: Path) -> None:
    converted(tmp_path / "m", "xlmr", "tagging")
    good = arrays_of(zoo.load(tmp_path / "m"))
    name = "encoder.layers.1.attention.key.weight"
    file = tmp_path / "m/model.safetensors"
    for bad, message in (
        ({k: v for k, v in good.items() if k != name}, f"lacks 1 tensors; the first is '{name}'"),
        ({**good, "encoder.layers.9.x": np.ones(2, "float32")}, "'encoder.layers.9.x'"),
        ({**good, name: np.ones((24, 23), "float32")}, rf"'{name}' .* is \[24, 23\]; .* \[24, 24\]"),
        ({k: v for k, v in good.items() if k != "tagging.output.bias"}, "'tagging.output.bias'"),
    ):
        write(file, bad)
        with pytest.raises(CheckpointError, match=message):
            zoo.load(tmp_path / "m")
    upstream(tmp_path / "u", "xlmr", "tagging")
    content = json.loads((tmp_path / "u/config.json").read_text())
    (tmp_path / "u/config.json").write_text(json.dumps({**content, "num_hidden_layers": 2}))
    with pytest.raises(CheckpointError, match=r"encoder\.layers\.2\."):
        zoo.load(tmp_path / "u")
    (tmp_path / "u/config.json").write_text(json.dumps({**content, "architectures": ["BertModel"]}))
    with pytest.raises(KeyRuleError, match="roberta"):
        zoo.load(tmp_path / "u")


def test_config_that_cannot_be_read(tmp_path: Path) -> None:
    for text, message in (
        (None, "has no config.json"),
        ("{", "cannot be read"),
        ("[]", "not a JSON object"),
        ('{"architectures": ["GPT2Model"]}', "GPT2Model"),
        ('{"zoo": {"format": 2, "family": "xlmr", "architecture": "XLMRobertaModel"}}', "format 2"),
    ):
        if text is not None:
            (tmp_path / "config.json").write_text(text)
        with pytest.raises(ConfigError, match=message):
            zoo.load(tmp_path)


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    converted(tmp_path / "m", "xlmr", None)
    for wrong in ({"task": "ner"}, {"dtype": "int8"}, {"device": "abacus"}, {"device": "gpu:99"}):
        with pytest.raises(UsageError):
            zoo.load(tmp_path / "m", **wrong)
    with pytest.raises(UsageError, match="does not take window"):
        zoo.load(tmp_path / "m", task="embedding", window=3)
    with pytest.raises(UsageError, match="median"):
        zoo.load(tmp_path / "m", task="embedding", pooling="median")
    with pytest.raises(UsageError, match="window"):
        zoo.load(tmp_path / "m", window=3)


def test_half_precision(tmp_path: Path) -> None:
    peer = torch_model("xlmr", "tagging").half()
    peer.config.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({**peer.config.to_dict(), "architectures": ["XLMRobertaForTokenClassification"]})
    )
    torch.save(peer.state_dict(), tmp_path / "pytorch_model.bin")  # half tensors in a pickle, like infoxlm-base
    model = zoo.load(tmp_path)
    assert {t.dtype for t in model.state_dict().values()} == {paddle.float32}
    want = peer.roberta.embeddings.word_embeddings.weight.detach().float().numpy()
    assert np.array_equal(model.encoder.embeddings.word.weight.numpy(), want)
    half = zoo.load(tmp_path, task="classification", dtype="bfloat16", labels=3)
    assert {t.dtype for t in half.state_dict().values()} == {paddle.bfloat16}
    before = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    try:
        new = zoo.load(tmp_path, task="qa")
        assert {t.dtype for t in new.state_dict().values()} == {paddle.float32}
        assert paddle.get_default_dtype() == "float64"
    finally:
        paddle.set_default_dtype(before)


def test_a_converted_copy_comes_first(tmp_path: Path) -> None:
    copy = hub.model_dir("FacebookAI/xlm-roberta-base")
    copy.parent.mkdir(parents=True)
    converted(copy, "xlmr", "mlm")
    model = zoo.load("xlm-roberta-base")
    assert model.card.name == "FacebookAI/xlm-roberta-base" and model.origin.folder == copy
    with pytest.raises(ZooError):
        zoo.load("xlm-roberta-base", revision="abc")  # another revision is not this copy


def test_tokenizer_knows_the_network(tmp_path: Path) -> None:
    upstream(tmp_path / "m", "structbert", None)
    model = zoo.load(tmp_path / "m")
    assert model.tokenizer is model.tokenizer and model.tokenizer.max_length == 34
    batch = model.tokenizer(["w1 w2", "w3 " * 99])
    assert batch["input_ids"].shape == [2, 34]
    model(**batch)


def test_network_from_a_config_alone() -> None:
    from zoo.models.xlmr.config import Config
    from zoo.models.xlmr.model import build

    model = build(Config.from_dict({"num_hidden_layers": 1, "vocab_size": 9, "hidden_size": 12}))
    assert model.card is None
    for use in (lambda: model.tokenizer, lambda: model.save("x")):
        with pytest.raises(UsageError, match="config alone"):
            use()


def sentence_folder(folder: Path, pooling: dict, modules: tuple[str, ...]) -> None:
    upstream(folder, "structbert", None)
    listed = [{"idx": n, "path": p, "type": f"sentence_transformers.models.{p[2:] or 'Transformer'}"}
              for n, p in enumerate(modules)]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


@pytest.mark.parametrize("mode", ["cls_token", "mean_tokens", "max_tokens"])
def test_sentence_transformers_folder(tmp_path: Path, mode: str) -> None:
    modules = ("", "1_Pooling", "2_Normalize") if mode != "max_tokens" else ("", "1_Pooling")
    sentence_folder(tmp_path / "m", {f"pooling_mode_{mode}": True, "pooling_mode_x": False}, modules)
    model = zoo.load(tmp_path / "m")
    assert model.task == "embedding" and model.tokenizer.max_length == 16
    mask = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
    out = model(paddle.to_tensor(IDS), paddle.to_tensor(mask))
    tokens = [row[:n] for row, n in zip(out.last_hidden_state.numpy(), mask.sum(1), strict=True)]
    pool = {"cls_token": lambda t: t[0], "mean_tokens": lambda t: t.mean(0), "max_tokens": lambda t: t.max(0)}[mode]
    want = np.stack([pool(t) for t in tokens])
    if "2_Normalize" in modules:
        want /= np.linalg.norm(want, axis=1, keepdims=True)
    np.testing.assert_allclose(out.embeddings.numpy(), want, atol=1e-6)
    whole = model(paddle.to_tensor(IDS)).embeddings
    ones = model(paddle.to_tensor(IDS), paddle.to_tensor(np.ones_like(IDS))).embeddings
    np.testing.assert_allclose(whole.numpy(), ones.numpy(), atol=1e-6)
    model.save(tmp_path / "saved")
    again = zoo.load(tmp_path / "saved")
    assert again.head.options == model.head.options and again.tokenizer.max_length == 16
    same(model, again)
    with pytest.raises(UsageError, match="no loss"):
        model(paddle.to_tensor(IDS), labels=paddle.to_tensor([1, 2]))


def test_sentence_folders_it_cannot_run(tmp_path: Path) -> None:
    sentence_folder(tmp_path / "d", {"pooling_mode_cls_token": True}, ("", "1_Pooling", "2_LSTM"))
    with pytest.raises(NotYetError, match="2_LSTM"):
        zoo.load(tmp_path / "d")
    assert zoo.load(tmp_path / "d", task="encoder").task is None
    for n, pooling in enumerate(({"pooling_mode_cls_token": True, "pooling_mode_median": True}, {})):
        sentence_folder(tmp_path / str(n), pooling, ("", "1_Pooling"))
        with pytest.raises(NotYetError, match="pooling"):
            zoo.load(tmp_path / str(n))

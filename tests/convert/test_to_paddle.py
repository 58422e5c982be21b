"""Conversions: every file form and head, what is left behind when something is wrong, and doing it again."""

from __future__ import annotations

import errno
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.convert.conftest import Make, config_of, start, tree
from zoo.checkpoint import open_checkpoint
from zoo.convert.certificate import Certificate, Written, stamp

XLMR = "FacebookAI/xlm-roberta-base"
BERT = "structbert-en-large"
FORMS = (XLMR, "microsoft/infoxlm-base", "microsoft/infoxlm-large", BERT, "structbert-zh-large")
HEADS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
HEADS = (*HEADS, "ForMultipleChoice")
TASKS = dict(zip(HEADS, (None, "mlm", "classification", "tagging", "qa", "multiple-choice"), strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_every_file_form(name: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source, out = snapshot(name), tmp_path / "out"
    before = tree(source)
    assert command(source, "--out", out)[0] == 0
    assert tree(source) == before
    certificate = Certificate.read(out)
    assert certificate is not None and not certificate.verified
    assert certificate.weights == Written("model.safetensors", (out / "model.safetensors").stat().st_size)
    for file in certificate.files:
        assert file.sha256 == stamp(source / file.name).sha256
    assert {**config_of(out), "zoo": 0} == {**config_of(source), "zoo": 0}
    with open_checkpoint(out) as written, open_checkpoint(source) as original:
        assert {i.dtype for i in written.infos.values()} <= {"F32", "I64"}
        assert json.loads(written.metadata["source_keys"]) == {n: i.dtype for n, i in original.infos.items()}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("name", "stem"), [(XLMR, "XLMRoberta"), (BERT, "Bert"), (BERT, "Sbert")])
def test_every_head(name: str, stem: str, head: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = snapshot(name, stem + head)
    code, _, err = command(source, "--out", tmp_path / "out")
    assert code == 0, err
    assert config_of(tmp_path / "out")["zoo"]["task"] == TASKS[head]


def test_half_weights_are_widened(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = snapshot("microsoft/infoxlm-base")
    command(source, "--out", tmp_path / "out")
    with open_checkpoint(tmp_path / "out") as ours, open_checkpoint(source) as theirs:
        half = theirs.read("roberta.encoder.layer.0.attention.self.query.weight")
        assert half.dtype == np.float16
        wide = ours.read("encoder.layers.0.attention.query.weight")
        assert wide.dtype == np.float32 and np.array_equal(wide, half.T.astype(np.float32))
    widened = Certificate.read(tmp_path / "out").coverage.widened  # type: ignore[union-attr]
    assert widened == {"F16": 13}  # six linear layers in each of two layers, and the head's


def test_again_is_already_done(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source, out = snapshot(XLMR), tmp_path / "out"
    command(source, "--out", out)
    written = (out / "model.safetensors").stat().st_mtime_ns
    code, said, _ = command(source, "--out", out, "--json")
    assert code == 0 and json.loads(said)["models"][0]["status"] == "already done"
    assert (out / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("change", ["source", "rules", "output"])
def test_again_when_something_changed(change: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(snapshot(XLMR), source)
    command(source, "--out", out)
    if change == "source":
        text = (source / "config.json").read_text()
        (source / "config.json").write_text(text.replace("0.02", "0.03"))
    elif change == "rules":
        path = out / "certificate.json"
        path.write_text(path.read_text().replace(json.loads(path.read_text())["rules"], "0" * 16))
    else:
        (out / "model.safetensors").write_bytes(b"cut off")
    code, said, _ = command(source, "--out", out, "--json")
    assert code == 0 and json.loads(said)["models"][0]["status"] == "converted"
    with open_checkpoint(out) as ours:
        assert "encoder.embeddings.word.weight" in ours.infos


def broken(source: Path, folder: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """A copy of a safetensors snapshot whose tensors went through `change`."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    return folder


def with_nan(tensors: dict[str, np.ndarray]) -> None:
    tensors["roberta.encoder.layer.1.output.dense.weight"][3, 4] = np.nan


def with_stranger(tensors: dict[str, np.ndarray]) -> None:
    tensors["roberta.encoder.layer.0.adapter.weight"] = np.zeros((2, 2), np.float32)


def with_gap(tensors: dict[str, np.ndarray]) -> None:
    del tensors["roberta.encoder.layer.1.attention.self.key.bias"]


def with_half_a_head(tensors: dict[str, np.ndarray]) -> None:
    del tensors["lm_head.layer_norm.bias"]


def with_untied_decoder(tensors: dict[str, np.ndarray]) -> None:
    tensors["lm_head.decoder.weight"] = tensors["roberta.embeddings.word_embeddings.weight"] + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_nan, ("roberta.encoder.layer.1.output.dense.weight", "NaN", "[3, 4]")),
        (with_stranger, ("roberta.encoder.layer.0.adapter.weight", "inside the network")),
        (with_gap, ("encoder.layers.1.attention.key.bias", "missing")),
        (with_half_a_head, ("mlm.norm.bias", "missing")),
        (with_untied_decoder, ("lm_head.decoder.weight", "other numbers")),
    ],
)
def test_wrong_weights_publish_nothing(change, words, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = broken(snapshot(XLMR), tmp_path / "source", change)
    code, _, err = command(source, "--out", tmp_path / "out")
    assert code == 1
    assert all(word in err for word in words), err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out.*"))


def test_failure_keeps_the_older_conversion(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    command(snapshot(XLMR), "--out", out)
    before = tree(out)
    assert command(broken(snapshot(XLMR), tmp_path / "source", with_nan), "--out", out)[0] == 1
    assert tree(out) == before


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("num_hidden_layers", 3, "missing"),
        ("num_hidden_layers", 1, "no place"),
        ("intermediate_size", 65, "config.json's network"),
        ("vocab_size", 401, "mlm.bias"),
        ("architectures", ["LlamaForCausalLM"], "LlamaForCausalLM"),
    ],
)
def test_config_of_another_model(
    field: str, value: object, word: str, snapshot: Make, tmp_path: Path, command
) -> None:  # type: ignore[no-untyped-def]
    source = tmp_path / "source"
    shutil.copytree(snapshot(XLMR), source)
    (source / "config.json").write_text(json.dumps({**config_of(source), field: value}))
    code, _, err = command(source, "--out", tmp_path / "out")
    assert code == 1 and word in err, err
    assert not (tmp_path / "out").exists()


def test_full_disk(snapshot: Make, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zoo.convert.to_paddle.stream_tensors", full)
    code, _, err = command(snapshot(XLMR), "--out", tmp_path / "out")
    assert code == 1 and "is full" in err and "--out" in err
    assert [p.name for p in tmp_path.iterdir()] == []


def test_too_little_room_is_said_first(
    snapshot: Make, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    code, _, err = command(snapshot(XLMR), "--out", tmp_path / "out")
    assert code == 1 and "1 kB left" in err and not (tmp_path / "out").exists()


def test_foreign_folder_is_not_replaced(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    code, _, err = command(snapshot(XLMR), "--out", tmp_path / "out")
    assert code == 2 and "they stay" in err
    assert tree(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_source_is_never_the_target(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = tmp_path / "source"
    shutil.copytree(snapshot(XLMR), source)
    before = tree(source)
    for target in (source, source / "paddle"):
        assert command(source, "--out", target)[0] == 2
    assert tree(source) == before


# A shell starts background jobs with SIGINT ignored, and a test run may be one.
KILL = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import zoo.checkpoint.streaming as streaming
seen = []
check = streaming.is_finite
def kill(*arguments):
    seen.append(0)
    if len(seen) == 20:
        os.kill(os.getpid(), signal.{signal})
        time.sleep(0.5)  # this is a thread; the main one acts on signals
    return check(*arguments)
streaming.is_finite = kill
"""


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -signal.SIGKILL), ("SIGTERM", 143), ("SIGINT", 130)])
def test_interrupted_in_the_middle(name: str, code: int, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source, out = snapshot(XLMR), tmp_path / "out"
    process = start(source, "--out", out, before=KILL.format(signal=name))
    process.communicate()
    assert process.returncode == code
    assert not out.exists()
    assert bool(list(tmp_path.glob(".out.zoo-tmp-*"))) == (name == "SIGKILL")
    assert command(source, "--out", out)[0] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    assert Certificate.read(out) is not None


def test_two_processes_on_one_target(snapshot: Make, tmp_path: Path) -> None:
    both = [start(snapshot(XLMR), "--out", tmp_path / "out", "--json") for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    states = sorted(json.loads(out)["models"][0]["status"] for out, _ in said)
    assert states == ["already done", "converted"]


def test_converted_folder_is_refused(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    command(snapshot(XLMR), "--out", tmp_path / "out")
    code, _, err = command(tmp_path / "out", "--out", tmp_path / "twice")
    assert code == 2 and "zoo.load" in err

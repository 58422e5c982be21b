"""VECO's two networks: proven, there and back bit by bit, and fairseq's folder as it was published."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

import zoo
from tests.convert.conftest import Make, config_of
from tests.convert.test_to_upstream import digests
from zoo.convert.certificate import Certificate
from zoo.errors import CheckpointError, ConfigError, InputError, UsageError

NLU, NLG = "veco-large", "veco-large-nlg"
TASKS = {
    "VecoModel": None,
    "VecoForMaskedLM": "mlm",
    "RobertaForMaskedLM": "mlm",
    "VecoForSequenceClassification": "classification",
    "VecoForTokenClassification": "tagging",
    "VecoForQuestionAnswering": "qa",
    "VecoForMultipleChoice": "multiple-choice",
}


@pytest.fixture(scope="module")
def fairseq(snapshot: Make) -> Path:
    """model.pt, dict.txt and sentencepiece.bpe.model, small and random."""
    folder = snapshot(NLG)
    assert sorted(os.listdir(folder)) == ["dict.txt", "model.pt", "sentencepiece.bpe.model"]
    return folder


@pytest.mark.torch
@pytest.mark.parametrize("architecture", TASKS)
def test_the_encoder_there_and_back(architecture: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = snapshot(NLU, architecture)
    code, _, err = command(source, "--out", tmp_path / "paddle", "--verify")
    assert code == 0, err
    assert config_of(tmp_path / "paddle")["zoo"]["task"] == TASKS[architecture]
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(source)
    assert config_of(tmp_path / "torch") == config_of(source)


@pytest.mark.torch
def test_the_encoder_decoder_there_and_back(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(fairseq, "--out", tmp_path / "paddle", "--verify")
    assert code == 0, err
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None and certificate.verified and certificate.parity["tokenizer"]["different"] == 0
    assert {"logits", "loss", "last_hidden_state", "encoder_last_hidden_state"} <= set(
        certificate.parity["outputs"]
    )
    assert certificate.parity["gradients"]["compared"] > 150
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(fairseq)


@pytest.mark.torch
def test_what_comes_back_opens_in_transformers(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """fairseq's keys and a config.json beside them: BART reads both, and so does the zoo."""
    import torch
    import transformers

    assert command(fairseq, "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    bart = transformers.BartForConditionalGeneration.from_pretrained(tmp_path / "torch").eval()
    model = zoo.load(tmp_path / "torch")
    ids = np.arange(5, 17)[None]
    target = np.arange(7, 12)[None]
    theirs = bart(torch.from_numpy(ids), decoder_input_ids=torch.from_numpy(target)).logits.detach().numpy()
    mine = model(paddle.to_tensor(ids), decoder_input_ids=paddle.to_tensor(target)).logits.numpy()
    assert np.abs(mine - theirs).max() <= 1e-5 * max(1.0, np.abs(theirs).max())


def scores(model: Any) -> np.ndarray:
    ids = paddle.arange(5, 17).unsqueeze(0)
    return model(ids, decoder_input_ids=paddle.arange(7, 12).unsqueeze(0)).logits.numpy()


def test_loaded_as_published_converted_and_saved(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    model = zoo.load(fairseq)
    assert (model.task, model.config.decoder_layers) == ("generation", 4)
    command(fairseq, "--out", tmp_path / "paddle")
    assert np.array_equal(scores(zoo.load(tmp_path / "paddle", task="generation")), scores(model))
    model.save(tmp_path / "saved")
    again = zoo.load(tmp_path / "saved")
    assert np.array_equal(scores(again), scores(model))
    assert again.tokenizer.languages == ("de", "en", "fr")
    assert config_of(tmp_path / "saved")["architectures"] == ["VecoForConditionalGeneration"]
    assert command(tmp_path / "saved", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert "decoder.layers.3.encoder_attn.k_proj.weight" in digests(tmp_path / "torch")
    with pytest.raises(UsageError, match="veco-large for understanding"):
        zoo.load(fairseq, task="classification")


def test_only_the_layers_that_are_kept_are_read(
    fairseq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command
) -> None:  # type: ignore[no-untyped-def]
    from zoo.checkpoint import Checkpoint

    command(fairseq, "--out", tmp_path / "paddle")
    whole = zoo.load(fairseq)
    seen: list[str] = []
    read = Checkpoint.read
    monkeypatch.setattr(Checkpoint, "read", lambda self, name: (seen.append(name), read(self, name))[1])
    upstream = zoo.load(fairseq, keep_decoder_layers=(3, 1))
    assert {name.split(".")[2] for name in seen if name.startswith("decoder.layers.")} == {"1", "3"}
    converted = zoo.load(tmp_path / "paddle", keep_decoder_layers=(3, 1))
    monkeypatch.undo()
    layers = whole.decoder.layers
    whole.decoder.layers = paddle.nn.LayerList([layers[3], layers[1]])
    for model in (upstream, converted):
        assert model.config.decoder_layers == 2
        assert np.array_equal(scores(model), scores(whole))
    upstream.save(tmp_path / "kept")
    assert config_of(tmp_path / "kept")["decoder_layers"] == 2
    assert np.array_equal(scores(zoo.load(tmp_path / "kept")), scores(whole))
    with pytest.raises(UsageError, match="layers from 0 to 3"):
        zoo.load(fairseq, keep_decoder_layers=range(18, 24))
    with pytest.raises(UsageError, match="keep_decoder_layers"):
        zoo.load(fairseq, keep_decoder_layers="all")


def rewrite(source: Path, target: Path, change: Any) -> Path:
    """A copy of a fairseq folder whose model.pt was changed."""
    import torch

    shutil.copytree(source, target)
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(source / "model.pt", weights_only=True)
    change(content)
    torch.save(content, target / "model.pt")
    return target


def test_a_file_without_output_projection(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    def old(content: dict[str, Any]) -> None:
        for key in ("decoder.output_projection.weight", "encoder.version", "decoder.version"):
            del content["model"][key]

    folder = rewrite(fairseq, tmp_path / "old", old)
    assert np.array_equal(scores(zoo.load(folder)), scores(zoo.load(fairseq)))
    assert command(folder, "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(folder)


def test_training_statistics_are_passed_over(
    fairseq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fairseq 0.9 leaves objects of its own classes in a checkpoint; nothing is imported to read them."""
    meter = type("AverageMeter", (), {"__module__": "fairseq.meters"})
    module = types.ModuleType("fairseq.meters")
    module.AverageMeter = meter  # type: ignore[attr-defined]
    for name in ("fairseq", "fairseq.meters"):
        monkeypatch.setitem(sys.modules, name, module)

    def trained(content: dict[str, Any]) -> None:
        loss = meter()
        loss.val, loss.avg = 2.5, 3.0
        content["extra_state"]["train_meters"] = OrderedDict(train_loss=loss)

    folder = rewrite(fairseq, tmp_path / "trained", trained)
    monkeypatch.undo()
    assert np.array_equal(scores(zoo.load(folder)), scores(zoo.load(fairseq)))


def test_half_precision_comes_back(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    def half(content: dict[str, Any]) -> None:
        content["model"] = {k: t.half() for k, t in content["model"].items()}

    folder = rewrite(fairseq, tmp_path / "half", half)
    assert command(folder, "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(folder)


def test_an_output_projection_of_its_own(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    def untie(content: dict[str, Any]) -> None:
        content["model"]["decoder.output_projection.weight"] = content["model"]["encoder.embed_tokens.weight"] + 1

    code, _, err = command(rewrite(fairseq, tmp_path / "untied", untie), "--out", tmp_path / "out")
    assert code == 1 and "should be the same tensor" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: vars(c["args"]).update(arch="roberta_large"), "'roberta_large', which the zoo does not read"),
        (lambda c: c.update(args=None), "None, which the zoo does not read"),
        (lambda c: vars(c["args"]).update(no_scale_embedding=True), "no_scale_embedding=True"),
        (lambda c: vars(c["args"]).update(encoder_normalize_before=True), "encoder_normalize_before=True"),
        (lambda c: vars(c["args"]).update(activation_fn="relu"), "activation_fn='relu'"),
        (lambda c: c["model"].pop("decoder.embed_positions.weight"), "embed_positions"),
        (lambda c: c["model"].pop("decoder.layers.2.fc1.weight"), "missing|lacks"),
    ],
)
def test_another_network_in_fairseqs_form(change: Any, words: str, fairseq: Path, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, CheckpointError), match=words):
        zoo.load(rewrite(fairseq, tmp_path / "other", change))


def test_source_and_target_rows(fairseq: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = zoo.load(fairseq).tokenizer
    german, english = tokenizer.language_id("de"), tokenizer.language_id("en")
    batch = tokenizer(["One text.", "x"], language="en")
    assert batch["input_ids"][0, -2:].tolist() == [2, english]
    short = batch["attention_mask"][1] == 1
    assert batch["input_ids"][1][short][-2:].tolist() == [2, english] and (batch["input_ids"][1][~short] == 1).all()
    assert tokenizer.decode(batch["input_ids"][0]) == "One text."
    target = tokenizer.targets(["Ein Text.", "Ja"], language="de")
    first, labels = target["decoder_input_ids"][0], target["labels"][0]
    assert (first[0], labels[-1], labels[-2]) == (german, german, 2)
    assert first[1:].tolist() == labels[:-1].tolist()
    short = target["labels"][1] == -100
    assert short.any() and (target["decoder_input_ids"][1][short] == 1).all()
    with caplog.at_level(logging.WARNING, "zoo"):
        long = tokenizer(["x " * 100, "x"], language="en")
    assert long["input_ids"].shape[1] == 40 and long["input_ids"][0, -2:].tolist() == [2, english]
    assert "1 of 2 texts are cut to 40 tokens" in caplog.text
    with pytest.raises(InputError, match="Item 1 is an empty text"):
        tokenizer(["a", ""], language="en")
    for wrong, words in (({"language": "xx"}, "de, en, fr"), ({}, "de, en, fr")):
        with pytest.raises(InputError, match=words):
            tokenizer("One text.", **wrong)
    with pytest.raises(InputError, match="single texts"):
        tokenizer("a", "b", language="en")


def test_dictionaries(fairseq: Path, tmp_path: Path) -> None:
    def load(change: Any) -> Any:
        folder = Path(shutil.copytree(fairseq, tmp_path / "copy", dirs_exist_ok=True))
        lines = (fairseq / "dict.txt").read_text("utf-8").splitlines()
        change(lines)
        (folder / "dict.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return zoo.load(folder).tokenizer

    assert load(lambda lines: None).mask_token_id == 399
    assert load(lambda lines: lines.append("madeupword9999 1")).mask_token_id is None
    with pytest.raises(CheckpointError, match=r"394 lines; a network of 400 words needs 395 or one more"):
        load(lambda lines: lines.pop())
    with pytest.raises(CheckpointError, match="Line 3"):
        load(lambda lines: lines.__setitem__(2, "no-count"))
    with pytest.raises(CheckpointError, match=r"Line 4.*there before"):
        load(lambda lines: lines.__setitem__(3, lines[2]))

    def without_languages(lines: list[str]) -> None:
        lines[:] = [f"madeup{n} 1" if line[0] == "[" else line for n, line in enumerate(lines)]

    tokenizer = load(without_languages)
    assert tokenizer.languages == () and tokenizer("One text.")["input_ids"][0, -1] == 2
    with pytest.raises(InputError, match="no token for the language 'en'"):
        tokenizer("One text.", language="en")
    (tmp_path / "copy" / "dict.txt").unlink()
    with pytest.raises(ConfigError, match=r"config\.json"):
        zoo.load(tmp_path / "copy")


def test_not_for_paddlenlp(fairseq: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    code, _, err = command(fairseq, "--out", tmp_path / "out", "--to", "paddlenlp")
    assert code != 0 and "PaddleNLP" in err

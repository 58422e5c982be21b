"""Funnel snapshots: proven, there and back bit by bit, and what a head does with a checkpoint's decoder."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import paddle
import pytest

import zoo
from tests.convert.conftest import Make, config_of
from tests.convert.test_to_upstream import digests
from zoo.convert.certificate import Certificate
from zoo.errors import UsageError

FULL, BASE = "funnel-transformer/medium", "funnel-transformer/medium-base"
SMALL = {
    "block_sizes": [2, 1, 1],
    "block_repeats": [1, 2, 2],
    "d_model": 16,
    "n_head": 2,
    "d_head": 8,
    "d_inner": 24,
    "vocab_size": 400,
    "max_position_embeddings": 40,
}
TASKS = {
    "FunnelModel": None,
    "FunnelBaseModel": None,
    "FunnelForPreTraining": "discriminator",
    "FunnelForMaskedLM": "mlm",
    "FunnelForSequenceClassification": "classification",
    "FunnelForTokenClassification": "tagging",
    "FunnelForQuestionAnswering": "qa",
    "FunnelForMultipleChoice": "multiple-choice",
}


@pytest.mark.torch
@pytest.mark.parametrize("architecture", TASKS)
def test_proven_there_and_back(architecture: str, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    source = snapshot(FULL, architecture, **SMALL)
    code, _, err = command(source, "--out", tmp_path / "paddle", "--verify")
    assert code == 0, err
    assert config_of(tmp_path / "paddle")["zoo"]["task"] == TASKS[architecture]
    certificate = Certificate.read(tmp_path / "paddle")
    assert certificate is not None and certificate.verified
    assert certificate.parity["tokenizer"]["different"] == 0
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(source)
    assert config_of(tmp_path / "torch") == config_of(source)


def test_a_classifier_leaves_the_decoder_out(
    snapshot: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = snapshot(FULL, **SMALL)
    with caplog.at_level(logging.INFO, "zoo"):
        model = zoo.load(source, task="classification", labels=["no", "yes"])
    assert "encoder.decoder (20 tensors) is not used" in caplog.text
    assert not any(".decoder." in name for name in model.state_dict())
    model.save(tmp_path / "saved")
    assert config_of(tmp_path / "saved")["architectures"] == ["FunnelForSequenceClassification"]
    again = zoo.load(tmp_path / "saved")
    batch = again.tokenizer(["one text", "and another"])
    assert batch["token_type_ids"][0, 0] == 2
    assert np.array_equal(again(**batch).logits.numpy(), model(**batch).logits.numpy())
    encoder = zoo.load(tmp_path / "saved", task="encoder")
    encoder.save(tmp_path / "encoder")
    assert config_of(tmp_path / "encoder")["architectures"] == ["FunnelBaseModel"]
    assert zoo.load(tmp_path / "encoder").task is None


def test_a_tagger_keeps_the_decoder_and_base_has_none(snapshot: Make, tmp_path: Path) -> None:
    zoo.load(snapshot(FULL, **SMALL), task="tagging", labels=3).save(tmp_path / "tagger")
    zoo.load(tmp_path / "tagger", task="encoder").save(tmp_path / "encoder")
    assert config_of(tmp_path / "encoder")["architectures"] == ["FunnelModel"]
    assert any(n.startswith("decoder.") for n in zoo.load(tmp_path / "encoder").state_dict())
    with pytest.raises(UsageError, match="no decoder"):
        zoo.load(snapshot(BASE, **SMALL), task="qa")


def test_the_beam_head_is_saved_and_loaded(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    model = zoo.load(snapshot(FULL, **SMALL), task="qa-beam")
    model.save(tmp_path / "saved")
    again = zoo.load(tmp_path / "saved")
    assert again.task == "qa-beam"
    ids = paddle.arange(5, 17).unsqueeze(0)
    assert np.array_equal(again(ids).end_scores.numpy(), model(ids).end_scores.numpy())
    code, _, err = command(tmp_path / "saved", "--out", tmp_path / "torch", "--to", "torch")
    assert code == 0, err
    assert "start_logits.dense.weight" in digests(tmp_path / "torch")

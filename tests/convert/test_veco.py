"""VECO's two networks: proven, there and back bit by bit, and fairseq's folder as it was published."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.convert.conftest import Make, config_of
from tests.convert.test_back import digests
from zoo.convert.certificate import Certificate

NLU, NLG = "veco-large", "veco-large-nlg"
SMALL: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 400,
    "max_position_embeddings": 40,
}
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
    folder = snapshot(NLG, **SMALL)
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
    assert {"logits", "loss", "last_hidden_state", "encoder_last_hidden_state"} <= set(certificate.parity["outputs"])
    assert certificate.parity["gradients"]["compared"] > 150
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(fairseq)

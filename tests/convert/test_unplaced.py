"""What config.json's class has no place for survives a conversion both ways, with a note, or is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.convert.conftest import Make, config_of
from tests.convert.test_keys import today
from tests.convert.test_to_paddle import BERT, XLMR, broken
from tests.convert.test_to_upstream import digests
from zoo.checkpoint import open_checkpoint, write_safetensors
from zoo.checkpoint.rules import TensorInfo
from zoo.convert.certificate import Certificate


def named(source: Path, folder: Path, architecture: str) -> Path:
    """A copy whose config.json names another class."""
    shutil.copytree(source, folder)
    (folder / "config.json").write_text(json.dumps({**config_of(folder), "architectures": [architecture]}))
    return folder


def notes_of(folder: Path) -> str:
    certificate = Certificate.read(folder)
    assert certificate is not None
    return "\n".join(certificate.notes)


@pytest.mark.parametrize("to", ["torch", "paddlenlp"])
@pytest.mark.parametrize(
    ("name", "has", "says"),
    [
        (BERT, "BertForSequenceClassification", "BertModel"),
        (BERT, "BertForMultipleChoice", "BertForMaskedLM"),
        (BERT, "BertForTokenClassification", "BertForSequenceClassification"),
        (XLMR, "XLMRobertaForTokenClassification", "XLMRobertaForMaskedLM"),
        (XLMR, "XLMRobertaForQuestionAnswering", "XLMRobertaForSequenceClassification"),
        ("funnel-transformer/medium", "FunnelForSequenceClassification", "FunnelBaseModel"),
        ("funnel-transformer/medium", "FunnelForTokenClassification", "FunnelForSequenceClassification"),
    ],
)
def test_a_head_of_another_kind_comes_back(
    name: str, has: str, says: str, to: str, snapshot: Make, tmp_path: Path, caplog, command
) -> None:  # type: ignore[no-untyped-def]
    source = named(snapshot(name, has), tmp_path / "source", says)
    code, _, err = command(source, "--out", tmp_path / "paddle")
    assert code == 0, err
    assert says in notes_of(tmp_path / "paddle") and says in caplog.text
    code, _, err = command(tmp_path / "paddle", "--out", tmp_path / "there", "--to", to)
    assert code == 0, err
    if to == "torch":
        assert digests(tmp_path / "there") == digests(source)
        assert config_of(tmp_path / "there") == config_of(source)
        return
    code, _, err = command(tmp_path / "there", "--out", tmp_path / "again")
    assert code == 0, err
    code, _, err = command(tmp_path / "again", "--out", tmp_path / "torch", "--to", "torch")
    assert code == 0, err
    values = [digests(folder) for folder in (source, tmp_path / "torch")]
    base = {"Bert": "bert.", "XLMR": "roberta.", "Funn": "funnel."}[has[:4]]
    bare = [{today(key).removeprefix(base): digest for key, digest in found.items()} for found in values]
    assert bare[0] == bare[1]


def test_tensors_beside_the_network_come_back(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    more = {"loss_fct.weight": np.ones(3, np.float32), "crf.transitions": np.ones((3, 2), np.float16)}
    source = broken(snapshot(XLMR), tmp_path / "source", lambda tensors: tensors.update(more))
    code, _, err = command(source, "--out", tmp_path / "paddle")
    assert code == 0, err
    assert "loss_fct.weight" in notes_of(tmp_path / "paddle")
    assert command(tmp_path / "paddle", "--out", tmp_path / "torch", "--to", "torch")[0] == 0
    assert digests(tmp_path / "torch") == digests(source)
    assert "loss_fct.weight" in notes_of(tmp_path / "torch")
    assert command(tmp_path / "paddle", "--out", tmp_path / "nlp", "--to", "paddlenlp")[0] == 0
    with open_checkpoint(tmp_path / "nlp") as written:
        assert written.infos["crf.transitions"].shape == (3, 2)
    assert "loss_fct.weight" in notes_of(tmp_path / "nlp")


def empty(file: Path) -> None:
    write_safetensors(file, [], iter(()), {})


def only_a_head(file: Path) -> None:
    array = np.ones((3, 32), np.float32)
    write_safetensors(file, [TensorInfo("classifier.weight", "F32", array.shape)], iter([array]), {"format": "pt"})


@pytest.mark.parametrize("write", [empty, only_a_head])
def test_a_file_without_a_network_gets_no_certificate(write, snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    for architecture in ("BertModel", "BertForTokenClassification"):
        source = tmp_path / architecture
        shutil.copytree(snapshot(BERT, architecture), source)
        for file in source.glob("*.bin"):
            file.unlink()
        write(source / "model.safetensors")
        code, _, err = command(source, "--out", tmp_path / "out")
        assert code == 1 and "tensor" in err, err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["torch", "paddlenlp"])
def test_a_converted_folder_without_tensors_gets_none_either(
    to: str, snapshot: Make, tmp_path: Path, command
) -> None:  # type: ignore[no-untyped-def]
    assert command(snapshot(BERT), "--out", tmp_path / "paddle")[0] == 0
    empty(tmp_path / "paddle/model.safetensors")
    code, _, err = command(tmp_path / "paddle", "--out", tmp_path / "out", "--to", to)
    assert code == 1 and "holds no tensors" in err, err
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_run_is_converted_as_its_best(snapshot: Make, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    import zoo

    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"format": 1}')
    zoo.load(snapshot(BERT), task="tagging", labels=3).save(run / "best")
    for to in ("torch", "paddlenlp"):
        code, _, err = command(run, "--out", tmp_path / to, "--to", to)
        assert code == 0, err
    assert "classifier.weight" in digests(tmp_path / "torch")
    code, _, err = command(run, "--out", tmp_path / "out")
    assert code == 2 and "converted already" in err

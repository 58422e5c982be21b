"""Bad data and folders: one sentence with file and line, an exit code, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
HEADER = "sentence\tlabel\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"sentence\tlabel\n", "no example"),
        (b"sentence\tlabel\na film\t1\na film\n", "line 3: 1 columns where 2 were expected"),
        (b"sentence\tlabel\na film\t1\na film\tgood\n", "line 3: the label 'good' is none of sst2"),
        (b"sentence\tlabel\na film\t1\n\xb5\xc4\xff\t0\n", "line 3: byte 1 of the line is not UTF-8"),
        (b"text\tlabel\na film\t1\n", "line 2: there is no 'sentence'"),
        (b"sentence\tlabel\na film\t\n", "line 2: no label"),
    ],
)
def test_malformed_files(
    finetune: Command, english: Path, sst2: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    (sst2 / "train.tsv").write_bytes(content)
    out = tmp_path / "run"
    code, printed, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out)
    assert code == 1 and printed == ""
    assert err.startswith("error: ") and "SST-2" in err and said in err and "Traceback" not in err
    assert not out.exists()


def test_no_development_file(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    (sst2 / "dev.tsv").unlink()
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", tmp_path / "run")
    assert code == 1 and "has no 'dev.tsv', which sst2 needs" in err
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_not_there(finetune: Command, sst2: Path, tmp_path: Path) -> None:
    code, _, err = finetune("--task", "sst2", "--model", "./nowhere", "--data", sst2, "--out", tmp_path / "run")
    assert code != 0 and "nowhere" in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_configuration(finetune: Command, sst2: Path, tmp_path: Path) -> None:
    (sst2 / "train.tsv").write_bytes(b"")  # the data, which may take long, are not read before
    (model := tmp_path / "model").mkdir()
    code, _, err = finetune("--task", "sst2", "--model", model, "--data", sst2, "--out", tmp_path / "run")
    assert code == 1 and "has no config.json" in err
    assert not (tmp_path / "run").exists()


def test_a_head_that_the_network_lacks(finetune: Command, english: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lcsts"
    folder.mkdir()
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("一篇文章\t摘要\n", "utf-8")
    code, _, err = finetune("--task", "lcsts", "--model", english, "--data", folder, "--out", tmp_path / "run")
    assert code == 2 and "generation" in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_half_precision_needs_a_gpu(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, "--precision", "float16")
    code, _, err = finetune(*words)
    assert code != 0 and "GPU" in err and "Traceback" not in err


def test_an_adversarial_loss_and_label_smoothing(
    finetune: Command, english: Path, sst2: Path, tmp_path: Path
) -> None:
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", tmp_path / "run")
    code, _, err = finetune(*words, "--loss", "smart", "--label-smoothing", "0.1")
    assert code == 2 and "do not go together" in err


def test_an_out_folder_that_is_not_a_run(finetune: Command, english: Path, sst2: Path) -> None:
    before = sorted(path.name for path in sst2.iterdir())
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", sst2)
    assert code == 2 and "is not empty and holds no run" in err
    assert sorted(path.name for path in sst2.iterdir()) == before


def test_evaluate_and_predict_want_a_run(evaluate: Command, predict: Command, tmp_path: Path, sst2: Path) -> None:
    code, _, err = evaluate(tmp_path, "--data", sst2)
    assert code == 2 and "has no task.json" in err
    code, _, err = predict(tmp_path, "--data", sst2, "--out", tmp_path / "x.tsv")
    assert code == 2 and "has no task.json" in err
    assert not (tmp_path / "x.tsv").exists()


def test_a_length_that_the_model_cannot_read_is_said(
    finetune: Command, english: Path, sst2: Path, tmp_path: Path
) -> None:
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", tmp_path / "run")
    code, said, err = finetune(*words, "--max-steps", "1", "--max-length", "100000")
    assert code == 0 and "max_length 100000 is more than the model reads; rows are cut to" in said + err

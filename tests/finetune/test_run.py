"""Runs as a user sees them: a command, a folder, the same answers from evaluate and predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.errors import UsageError

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "4", "--batch-size", "4", "--eval-every", "2", "--lr", "1e-3", "--max-length", "32")


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text("utf-8"))


def lines(folder: Path, kind: str) -> list[dict]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [line for line in found if line["kind"] == kind]


@pytest.fixture
def run(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> Path:
    """A finished run."""
    out = tmp_path / "run"
    code, said, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK)
    assert code == 0, err
    assert said.startswith("accuracy on dev: ours ") and "no published score is known" in said
    assert "update 2: accuracy" in err and "the best so far" in err
    return out


def test_folder(run: Path, sst2: Path) -> None:
    found = record(run)
    assert found["status"] == "finished"
    assert found["config"]["lr"] == 1e-3 and found["sources"]["lr"] == "flag"
    assert found["versions"]["paddlepaddle"] and found["versions"]["zoo"] == zoo.__version__
    assert found["data"]["train"]["examples"] == 16
    assert list(found["data"]["train"]["files"]) == [str(sst2 / "train.tsv")]
    assert all(len(digest) == 64 for held in found["data"].values() for digest in held["files"].values())
    assert [line["update"] for line in lines(run, "update")] == [1, 2, 3, 4]
    assert [line["update"] for line in lines(run, "evaluation")] == [2, 4]
    names = {path.name for path in run.iterdir()}
    assert {"best", "report.html", "predictions.jsonl"} <= names
    assert "checkpoints" not in names, "a finished run does not go on"
    assert not [name for name in names if name.startswith(".")]
    page = (run / "report.html").read_text("utf-8")
    assert (
        "accuracy" in page
        and page.count("<svg") == 3
        and found["data"]["train"]["files"][str(sst2 / "train.tsv")] in page
    )


def test_best_loads_with_its_labels(run: Path) -> None:
    model = zoo.load(run / "best")
    assert model.task == "classification" and model.config.labels == ("negative", "positive")
    task = json.loads((run / "best" / "task.json").read_text("utf-8"))
    assert task["task"]["name"] == "sst2" and task["max_length"] == 32


def test_evaluate_gives_the_score_of_the_run(run: Path, sst2: Path, evaluate: Command) -> None:
    code, out, err = evaluate(run, "--data", sst2, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["value"] == record(run)["results"]["dev"]["value"]
    assert found["examples"] == 16
    assert evaluate(run / "best", "--data", sst2)[1].endswith(f"16 examples; accuracy {found['value']:.2f}\n")


def test_predict_writes_a_submission(run: Path, sst2: Path, predict: Command, tmp_path: Path) -> None:
    out = tmp_path / "SST-2.tsv"
    code, said, err = predict(run, "--data", sst2 / "test.tsv", "--out", out)
    assert code == 0, err
    assert said == f"2 answers: {out}\n"
    rows = [line.split("\t") for line in out.read_text("utf-8").splitlines()]
    assert rows[0] == ["index", "prediction"]
    assert [row[0] for row in rows[1:]] == ["0", "1"] and {row[1] for row in rows[1:]} <= {"0", "1"}


def test_several_seeds(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, "--seeds", "2", *QUICK)
    code, said, err = finetune(*words)
    assert code == 0, err
    assert "over 2 seeds" in said and "95 % interval" in said
    values = [record(out / f"seed-{seed}")["results"]["dev"]["value"] for seed in (42, 43)]
    seeds = record(out)["seeds"]
    assert seeds["values"] == {"42": values[0], "43": values[1]}
    assert seeds["mean"] == pytest.approx(np.mean(values))
    assert seeds["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert (out / seeds["best"] / "task.json").is_file() and (out / "report.html").is_file()


def test_a_run_is_not_overwritten_and_resumed_only_as_it_was(
    finetune: Command, run: Path, english: Path, sst2: Path
) -> None:
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", run)
    before = (run / "run.json").read_bytes()
    code, _, err = finetune(*words, *QUICK)
    assert code == 2 and "has a run already" in err and "--resume" in err
    code, _, err = finetune(*words, *QUICK[:-4], "--lr", "1e-4", "--max-length", "32", "--resume")
    assert code == 2 and "has lr=0.001, not 0.0001" in err
    assert (run / "run.json").read_bytes() == before
    code, said, _ = finetune(*words, *QUICK, "--resume")
    assert code == 0 and said.startswith("accuracy on dev: ours ")
    assert (run / "run.json").read_bytes() == before


def test_from_python(english: Path, sst2: Path, tmp_path: Path) -> None:
    from zoo.finetune import FinetuneConfig, finetune

    config = FinetuneConfig(
        task="sst2", model=str(english), data=str(sst2), out=str(tmp_path / "one"), max_steps=2, batch_size=4
    )
    result = finetune(config)
    assert result.folder == tmp_path / "one" and 0 <= result.scores["dev"]["all"]["accuracy"] <= 100
    again = finetune(
        task="sst2", model=str(english), data=str(sst2), out=str(tmp_path / "two"), max_steps=2, batch_size=4
    )
    assert again.scores == result.scores
    with pytest.raises(UsageError, match="a configuration or options, not both"):
        finetune(config, lr=1.0)
    with pytest.raises(UsageError, match="names no task or no model"):
        finetune(FinetuneConfig())


def test_feature_extraction_trains_the_head_only(
    finetune: Command, english: Path, sst2: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    technique = ("--technique", "feature-extraction")
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK, *technique)
    assert code == 0, err
    found = record(out)["model"]
    assert 0 < found["trained"] < 5000 < found["parameters"]
    before, after = (zoo.load(folder, task="encoder").state_dict() for folder in (english, out / "best"))
    for name, value in before.items():
        if "pooler" not in name:
            np.testing.assert_array_equal(value.numpy(), after[name].numpy())


@pytest.mark.parametrize("technique", ["child-tuning-F", "child-tuning-D"])
def test_child_tuning(finetune: Command, english: Path, sst2: Path, tmp_path: Path, technique: str) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK, "--technique", technique)
    code, _, err = finetune(*words)
    assert code == 0, err


def test_label_smoothing_and_dropout(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ("--label-smoothing", "0.2", "--dropout", "0")
    code, _, err = finetune("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK, *more)
    assert code == 0, err
    assert all(np.isfinite(line["loss"]) for line in lines(out, "update"))


def test_best_by_loss(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK)
    code, _, err = finetune(*words, "--best", "loss")
    assert code == 0, err
    evaluations = lines(out, "evaluation")
    best = min(evaluations, key=lambda line: line["scores"]["loss"])
    assert record(out)["best_update"] == best["update"]
    code, _, err = finetune(*words[:-2], "--out", tmp_path / "other", "--best", "f1")
    assert code == 2 and "sst2 has no metric 'f1'" in err
    assert not (tmp_path / "other").exists()


def test_train_rows(finetune: Command, english: Path, sst2: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", out, *QUICK, "--train-rows", "6")
    code, _, err = finetune(*words)
    assert code == 0, err
    found = record(out)
    assert found["data"]["train"]["examples"] == 6
    assert found["notes"] == [
        "trained on 6 of 16 rows, drawn by seed 42",
        "the test split has no gold answers; `zoo predict` writes a submission for it",
    ]


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    finetune: Command, english: Path, sst2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of an update, behind a checkpoint; weights, scores and metrics are as without it."""
    from zoo.finetune.events import Updated
    from zoo.finetune.progress import ProgressReporter

    words = ("--task", "sst2", "--model", english, "--data", sst2, *QUICK, "--max-steps", "6")
    assert finetune(*words, "--out", tmp_path / "whole")[0] == 0
    usual = ProgressReporter.__call__

    def stop(self: ProgressReporter, event: object) -> None:
        if isinstance(event, Updated) and event.update == 5:
            raise KeyboardInterrupt
        usual(self, event)  # type: ignore[arg-type]

    out = tmp_path / "stopped"
    monkeypatch.setattr(ProgressReporter, "__call__", stop)
    code, _, err = finetune(*words, "--out", out)
    assert code == 130 and err.endswith("stopped\n")
    assert record(out)["status"] == "stopped"
    monkeypatch.setattr(ProgressReporter, "__call__", usual)
    code, _, err = finetune(*words, "--out", out, "--resume")
    assert code == 0, err
    whole = tmp_path / "whole"
    assert (out / "best/model.safetensors").read_bytes() == (whole / "best/model.safetensors").read_bytes()
    assert record(out)["results"] == record(whole)["results"]
    losses = [[(line["update"], line["loss"]) for line in lines(folder, "update")] for folder in (out, whole)]
    assert losses[0] == losses[1] and len(losses[0]) == 6

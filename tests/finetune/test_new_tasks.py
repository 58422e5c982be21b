"""Tasks of XTREME and of English papers from their files to scores, by small networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from tests.finetune.test_official_formats import record
from tests.places import DATA

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "2", "--batch-size", "4", "--max-length", "48")


@pytest.mark.parametrize("network", ["english", "funnel"])
def test_race(
    request: pytest.FixtureRequest,
    network: str,
    tmp_path: Path,
    finetune: Command,
    evaluate: Command,
    predict: Command,
) -> None:
    """Four rows of ids for a question, one softmax; every option is seen in training and in scoring."""
    out = tmp_path / "run"
    model = request.getfixturevalue(network)
    code, _, err = finetune("--task", "race", "--model", model, "--data", DATA / "RACE", "--out", out, *QUICK)
    assert code == 0, err
    assert zoo.load(out / "best").task == "multiple-choice"
    results = record(out)["results"]
    assert set(results["test"]["scores"]) == {"all", "middle", "high"}
    code, answer, err = evaluate(out, "--data", DATA / "RACE", "--json")
    assert code == 0, err
    found = json.loads(answer)
    assert found["scores"] == results["dev"]["scores"] and found["loss"] == pytest.approx(results["dev"]["loss"])
    file = tmp_path / "answers.tsv"
    assert predict(out, "--data", DATA / "RACE", "--out", file)[0] == 0
    assert [line.split("\t")[1] in "ABCD" for line in file.read_text("utf-8").splitlines()] == [True, True]


def test_snli(english: Path, tmp_path: Path, finetune: Command) -> None:
    out = tmp_path / "run"
    code, _, err = finetune("--task", "snli", "--model", english, "--data", DATA / "snli_1.0", "--out", out, *QUICK)
    assert code == 0, err
    found = record(out)
    assert found["data"]["train"]["rows"] == 6 and found["results"]["test"]["rows"] == 2


def test_udpos(english: Path, tmp_path: Path, finetune: Command) -> None:
    """Trained on all English treebanks, picked on English, scored in each language."""
    out = tmp_path / "run"
    words = ("--task", "udpos", "--model", english, "--data", DATA / "ud-treebanks-v2.5", "--out", out)
    code, _, err = finetune(*words, "--languages", "en,it,fa,vi", *QUICK)
    assert code == 0, err
    found = record(out)
    assert found["data"]["train"]["rows"] == 6 and len(found["data"]["train"]["files"]) == 2
    scores = found["results"]["test"]["scores"]
    assert list(scores) == ["en", "it", "fa", "vi", "average", "transfer gap"]
    assert list(scores["average"]) == ["f1", "accuracy"]


@pytest.mark.parametrize(("task", "folder"), [("mlqa", "MLQA_V1"), ("tydiqa-goldp", "tydiqa")])
def test_answers_in_many_languages(
    english: Path, task: str, folder: str, tmp_path: Path, finetune: Command
) -> None:
    out = tmp_path / "run"
    words = ("--task", task, "--model", english, "--data", DATA / folder, "--out", out)
    code, _, err = finetune(*words, "--max-steps", "1", "--batch-size", "4", "--max-length", "64")
    assert code == 0, err
    found = record(out)
    assert list(found["results"]["dev"]["scores"]) == ["en", "average"]
    assert {"en", "average", "transfer gap"} <= set(found["results"]["test"]["scores"])


@pytest.mark.parametrize(("task", "folder"), [("cnndm", "cnn_dailymail"), ("gigaword", "org_data")])
def test_summaries(writer: Path, task: str, folder: str, tmp_path: Path, finetune: Command) -> None:
    out = tmp_path / "run"
    words = ("--task", task, "--model", writer, "--data", DATA / folder, "--out", out, *QUICK)
    code, said, err = finetune(*words, "--target-length", "12", "--generate", "num_beams=2")
    assert code == 0, err
    headline = "rougeLsum" if task == "cnndm" else "rougeL"
    assert said.startswith(f"{headline} on test: ours ")
    assert set(record(out)["results"]["test"]["scores"]["all"]) == {headline, "rouge1", "rouge2"}


def test_a_split_of_very_many_files_has_one_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.finetune import data

    files = sorted((DATA / "RACE/train").rglob("*.txt"))
    assert list(data.sums_of(files)) == [str(file) for file in files]
    monkeypatch.setattr(data, "MOST_FILES", 1)
    found = data.sums_of(files)
    assert list(found) == [f"{DATA / 'RACE/train'}, 2 files"] and len(*found.values()) == 64
    assert data.sums_of(files[::-1]) != found
    shutil.copytree(DATA / "RACE/train", tmp_path / "moved")
    moved = data.sums_of([tmp_path / "moved" / file.relative_to(DATA / "RACE/train") for file in files])
    assert [*moved.values()] == [*found.values()]


def test_a_model_of_mnli_is_scored_on_the_diagnostic_set(
    english: Path, tmp_path: Path, finetune: Command, evaluate: Command, predict: Command
) -> None:
    out = tmp_path / "run"
    code, _, err = finetune("--task", "mnli", "--model", english, "--data", DATA / "glue", "--out", out, *QUICK)
    assert code == 0, err
    words = (out, "--task", "ax", "--data", DATA / "glue")
    code, answer, err = evaluate(*words, "--split", "test-labelled", "--json")
    assert code == 0, err
    found = json.loads(answer)
    assert found["metric"] == "matthews" and set(found["scores"]["all"]) == {"matthews", "accuracy"}
    assert found["examples"] == 4
    file = tmp_path / "AX.tsv"
    assert predict(*words, "--out", file)[0] == 0
    assert len(file.read_text("utf-8").splitlines()) == 12 and file.read_text("utf-8").startswith(
        "index\tprediction"
    )

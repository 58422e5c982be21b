"""Runs on data in official formats, of every kind of task; with real weights where a package has them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.places import DATA
from zoo import tasks
from zoo.errors import InputError
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.data import Sources, read_data

Command = Callable[..., tuple[int, str, str]]
ONCE = ("--eval-every", "1000")  # at the end: each evaluation writes the weights and the optimiser


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text("utf-8"))


def test_minilm_learns_sst2(minilm_snapshot: Path, tmp_path: Path, finetune: Command, evaluate: Command) -> None:
    """Real weights on 48 sentences: well above chance after twelve updates."""
    data, out = DATA / "glue/SST-2", tmp_path / "run"
    words = ("--task", "sst2", "--model", "all-MiniLM-L6-v2", "--data", data, "--out", out, "--epochs", "4")
    code, _, err = finetune(*words, "--batch-size", "16", "--lr", "5e-4", "--max-length", "24", *ONCE)
    assert code == 0, err
    found = record(out)
    assert found["results"]["dev"]["value"] > 65
    assert found["model"]["parameters"] == 22_713_216 + 2 * 384 + 2
    code, out_text, _ = evaluate(out, "--data", data, "--json")
    assert json.loads(out_text)["value"] == found["results"]["dev"]["value"]


def test_named_entities(
    chinese: Path, tmp_path: Path, finetune: Command, evaluate: Command, predict: Command
) -> None:
    data, out = DATA / "peoples_daily_ner", tmp_path / "run"
    words = ("--task", "peoples-daily", "--model", chinese, "--data", data, "--out", out, "--max-steps", "4")
    code, said, err = finetune(*words, "--batch-size", "8", "--lr", "1e-3", "--max-length", "64")
    assert code == 0, err
    assert said.startswith("f1-lenient on test: ours ")
    found = record(out)
    assert set(found["results"]) == {"dev", "test"}
    assert set(found["results"]["test"]["scores"]["all"]) >= {"f1-lenient", "f1-strict", "accuracy"}
    task = json.loads((out / "best" / "task.json").read_text("utf-8"))["task"]
    assert task["scheme"] == "IOB2" and task["labels"][0] == "O"
    code, answer, err = evaluate(out, "--data", data, "--split", "test", "--json")
    assert code == 0, err
    assert json.loads(answer)["scores"] == found["results"]["test"]["scores"]
    file = tmp_path / "tags.txt"
    assert predict(out, "--data", data, "--out", file)[0] == 0
    gold = (data / "example.test").read_text("utf-8").strip().split("\n")
    tagged = file.read_text("utf-8").strip().split("\n")
    assert [line.split(" ")[0] for line in tagged] == [line.split(" ")[0] for line in gold]


def test_questions(english: Path, tmp_path: Path, finetune: Command, predict: Command, evaluate: Command) -> None:
    data, out = DATA / "squad", tmp_path / "run"
    words = ("--task", "squad2", "--model", english, "--data", data, "--out", out, "--max-steps", "3")
    code, _, err = finetune(*words, "--batch-size", "8", "--max-length", "64", "--doc-stride", "16")
    assert code == 0, err
    found = record(out)
    assert {"all", "HasAns", "NoAns", "best threshold"} <= set(found["results"]["dev"]["scores"])
    task = json.loads((out / "best" / "task.json").read_text("utf-8"))["task"]
    best = found["results"]["dev"]["scores"]["best threshold"]
    assert task["stride"] == 16 and task["threshold"] == best["f1 threshold"]
    file = out / "best" / "task.json"
    content = json.loads(file.read_text("utf-8"))
    content["task"]["threshold"] = -1e9  # nothing is answered: what is saved is what is used
    file.write_text(json.dumps(content), "utf-8")
    code, answer, err = evaluate(out, "--data", data, "--json")
    assert code == 0, err
    scores = json.loads(answer)["scores"]
    assert (scores["HasAns"]["f1"], scores["NoAns"]["f1"]) == (0, 100)
    file = tmp_path / "predictions.json"
    assert predict(out, "--data", data, "--split", "dev", "--out", file)[0] == 0
    ids = {
        q["id"] for p in json.loads((data / "dev-v2.0.json").read_text())["data"][0]["paragraphs"] for q in p["qas"]
    }
    answers = json.loads(file.read_text("utf-8"))
    assert set(answers) == ids and set(answers.values()) == {""}


def test_generation(writer: Path, tmp_path: Path, finetune: Command, predict: Command) -> None:
    data, out = DATA / "dureader_qg", tmp_path / "run"
    words = ("--task", "dureader-qg", "--model", writer, "--data", data, "--out", out, "--max-steps", "2")
    code, _, err = finetune(
        *words, "--batch-size", "8", "--max-length", "48", "--target-length", "4", "--generate", "num_beams=2"
    )
    assert code == 0, err
    found = record(out)
    assert any("targets that were cut" in note for note in found["notes"])
    assert set(found["results"]["dev"]["scores"]["all"]) == {"bleu-1", "bleu-2", "bleu-3", "bleu-4", "rouge-l"}
    file = tmp_path / "questions.txt"
    code, _, err = predict(out, "--data", data, "--split", "dev", "--out", file)
    assert code == 0, err
    assert len(file.read_text("utf-8").splitlines()) == 10


def test_languages(english: Path, tmp_path: Path, finetune: Command) -> None:
    """Selection looks at English only; the test rows are every language, their mean and the gap."""
    data, out = DATA / "xnli/xtreme", tmp_path / "run"
    words = ("--task", "xnli-xtreme", "--model", english, "--data", data, "--out", out, "--max-steps", "2")
    code, _, err = finetune(*words, "--languages", "en,zh", "--batch-size", "8", "--max-length", "32")
    assert code == 0, err
    found = record(out)["results"]
    assert set(found["dev"]["scores"]) == {"en", "average"}
    assert set(found["test"]["scores"]) == {"en", "zh", "average", "transfer gap"}
    rows = found["test"]["scores"]
    assert rows["average"]["accuracy"] == pytest.approx((rows["en"]["accuracy"] + rows["zh"]["accuracy"]) / 2)
    assert ">transfer gap</td>" in (out / "report.html").read_text("utf-8")


def test_languages_without_a_test_file(tmp_path: Path) -> None:
    """Those that are there are scored, the others named; of those that somebody asked for none may be missing."""
    folder = tmp_path / "xnli"
    folder.mkdir()
    for name in ("train-en", "dev-en", "test-en"):
        shutil.copy(DATA / f"xnli/xtreme/{name}.tsv", folder)
    task = tasks.find("xnli-xtreme")
    data = read_data(task, Sources(folder), FinetuneConfig(task="xnli-xtreme"))
    assert {example.language for example in data.splits["test"]} == {"en"}
    assert any("no file for ar, bg" in note for note in data.notes)
    with pytest.raises(InputError, match=r"test-zh\.tsv"):
        read_data(task, Sources(folder), FinetuneConfig(task="xnli-xtreme", languages="en,zh"))


def test_own_files(chinese: Path, tmp_path: Path, finetune: Command, predict: Command) -> None:
    data = tmp_path / "reviews"
    data.mkdir()
    rows = "".join(f"{'很好' if n % 2 else '很差'}的电影 {n},{'好' if n % 2 else '差'}\n" for n in range(40))
    (data / "train.csv").write_text("text,label\n" + rows, "utf-8")
    out = tmp_path / "run"
    words = ("--task", "classification", "--model", chinese, "--data", data, "--out", out, "--max-steps", "3")
    code, _, err = finetune(*words, "--batch-size", "8", "--max-length", "24")
    assert code == 0, err
    found = record(out)
    assert any("no development set" in note for note in found["notes"])
    assert found["data"]["train"]["examples"] == 38 and found["data"]["dev"]["examples"] == 2
    assert found["task"]["labels"] == ["好", "差"] or found["task"]["labels"] == ["差", "好"]
    (tmp_path / "new.csv").write_text("text\n很好\n很差\n", "utf-8")
    code, _, err = predict(out, "--data", tmp_path / "new.csv", "--out", tmp_path / "answers.tsv")
    assert code == 0, err
    answers = (tmp_path / "answers.tsv").read_text("utf-8").splitlines()
    assert answers[0] == "text\tlabel\tscore" and {line.split("\t")[1] for line in answers[1:]} <= {"好", "差"}


def test_retrieval_without_training(english: Path, tmp_path: Path, finetune: Command) -> None:
    data, out = DATA / "tatoeba", tmp_path / "run"
    words = ("--task", "tatoeba", "--model", english, "--data", data, "--out", out, "--languages", "de")
    code, _, err = finetune(*words, "--network", "layer=1")
    assert code == 0, err
    found = record(out)
    assert set(found["results"]["test"]["scores"]["de"]) == {"en->x", "x->en"}
    assert found["best_update"] == 0
    code, _, err = finetune(*words[:-4], "--out", tmp_path / "two", "--languages", "de", "--network", "layer=9")
    assert code == 2 and "layer=9 does not exist" in err

"""Runs on slices of real data, of every kind of task; with real weights where a package has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
ONCE = ("--eval-every", "1000")  # at the end: each evaluation writes the weights and the optimiser


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text("utf-8"))


def head(source: Path, target: Path, count: int, end: str = "\n") -> None:
    """The first lines, or sentences, of a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = source.read_text("utf-8").split(end)[:count]
    target.write_text(end.join(parts) + end, "utf-8")


def test_minilm_learns_sst2(
    shared: Path, minilm_snapshot: Path, tmp_path: Path, finetune: Command, evaluate: Command
) -> None:
    """Real weights on 96 real sentences: well above chance after twelve updates (80 to 85 % with two seeds)."""
    data = tmp_path / "SST-2"
    for split, count in (("train", 97), ("dev", 61)):
        head(shared / "data/glue/SST-2" / f"{split}.tsv", data / f"{split}.tsv", count)
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", "all-MiniLM-L6-v2", "--data", data, "--out", out, "--epochs", "2")
    code, _, err = finetune(*words, "--batch-size", "16", "--lr", "5e-4", "--max-length", "24", *ONCE)
    assert code == 0, err
    found = record(out)
    assert found["results"]["dev"]["value"] > 65
    assert found["model"]["parameters"] == 22_713_216 + 2 * 384 + 2
    code, out_text, _ = evaluate(out, "--data", data, "--json")
    assert json.loads(out_text)["value"] == found["results"]["dev"]["value"]


def test_named_entities(
    shared: Path, chinese: Path, tmp_path: Path, finetune: Command, evaluate: Command, predict: Command
) -> None:
    source, data = shared / "data/peoples_daily_ner", tmp_path / "peoples_daily_ner"
    head(source / "example.train.head1000", data / "example.train", 40, "\n\n")
    head(source / "example.dev", data / "example.dev", 10, "\n\n")
    head(source / "example.test", data / "example.test", 10, "\n\n")
    out = tmp_path / "run"
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


def squad(source: Path, target: Path, paragraphs: int) -> None:
    whole = json.loads(source.read_text("utf-8"))
    kept = [{"title": "t", "paragraphs": whole["data"][0]["paragraphs"][:paragraphs]}]
    target.write_text(json.dumps({"version": "v2.0", "data": kept}), "utf-8")


def test_questions(
    shared: Path, english: Path, tmp_path: Path, finetune: Command, predict: Command, evaluate: Command
) -> None:
    data = tmp_path / "squad"
    data.mkdir()
    squad(shared / "data/squad/train-v2.0.head10.json", data / "train-v2.0.json", 3)
    squad(shared / "data/squad/dev-v2.0.head5.json", data / "dev-v2.0.json", 2)
    out = tmp_path / "run"
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


def test_generation(shared: Path, writer: Path, tmp_path: Path, finetune: Command, predict: Command) -> None:
    data = tmp_path / "dureader_qg"
    rows = (shared / "data/dureader_qg/dev.tsv").read_text("utf-8").splitlines(keepends=True)
    data.mkdir()
    (data / "train.tsv").write_text("".join(rows[:17]), "utf-8")
    (data / "dev.tsv").write_text("".join([rows[0], *rows[17:21]]), "utf-8")
    out = tmp_path / "run"
    words = ("--task", "dureader-qg", "--model", writer, "--data", data, "--out", out, "--max-steps", "2")
    code, _, err = finetune(
        *words, "--batch-size", "8", "--max-length", "48", "--target-length", "8", "--generate", "num_beams=2"
    )
    assert code == 0, err
    found = record(out)
    assert any("targets that were cut" in note for note in found["notes"])
    assert set(found["results"]["dev"]["scores"]["all"]) == {"bleu-1", "bleu-2", "bleu-3", "bleu-4", "rouge-l"}
    file = tmp_path / "questions.txt"
    code, _, err = predict(out, "--data", data, "--split", "dev", "--out", file)
    assert code == 0, err
    assert len(file.read_text("utf-8").splitlines()) == 4


def test_languages(shared: Path, english: Path, tmp_path: Path, finetune: Command) -> None:
    """Selection looks at English only; the test rows are every language, their mean and the gap."""
    data = tmp_path / "xnli"
    data.mkdir()
    for split in ("dev", "test"):
        for language in ("en", "zh"):
            head(shared / f"data/xnli/xtreme/{split}-{language}.tsv", data / f"{split}-{language}.tsv", 12)
    head(shared / "data/xnli/xtreme/dev-en.tsv", data / "train-en.tsv", 40)
    out = tmp_path / "run"
    words = ("--task", "xnli-xtreme", "--model", english, "--data", data, "--out", out, "--max-steps", "2")
    code, _, err = finetune(*words, "--languages", "en,zh", "--batch-size", "8", "--max-length", "32")
    assert code == 0, err
    found = record(out)["results"]
    assert set(found["dev"]["scores"]) == {"en", "average"}
    assert set(found["test"]["scores"]) == {"en", "zh", "average", "transfer gap"}
    rows = found["test"]["scores"]
    assert rows["average"]["accuracy"] == pytest.approx((rows["en"]["accuracy"] + rows["zh"]["accuracy"]) / 2)
    assert (out / "rows.png").is_file()


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
    assert len(answers) == 2 and set(answers) <= {"好", "差"}


def test_retrieval_without_training(shared: Path, english: Path, tmp_path: Path, finetune: Command) -> None:
    data = tmp_path / "tatoeba"
    for side in ("deu", "eng"):
        name = f"tatoeba.deu-eng.{side}"
        head(shared / "data/tatoeba" / name, data / name, 20)
    out = tmp_path / "run"
    words = ("--task", "tatoeba", "--model", english, "--data", data, "--out", out, "--languages", "de")
    code, _, err = finetune(*words, "--network", "layer=1")
    assert code == 0, err
    found = record(out)
    assert set(found["results"]["test"]["scores"]["de"]) == {"en->x", "x->en"}
    assert found["best_update"] == 0
    code, _, err = finetune(*words[:-4], "--out", tmp_path / "two", "--languages", "de", "--network", "layer=9")
    assert code == 2 and "layer=9 does not exist" in err

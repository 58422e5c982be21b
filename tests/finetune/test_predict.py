"""`zoo predict` on texts, plain text and tables; evaluate and predict that remember the run; exports and seeds."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.finetune.conftest import _captured
from tests.tiny_models import network
from zoo.finetune.run import finetune
from zoo.finetune.trained_model import TrainedModel

Command = Callable[..., tuple[int, str, str]]
ROWS = [{"text": f"{'good' if n % 2 else 'bad'} film {n}", "label": "pos" if n % 2 else "neg"} for n in range(24)]
TAGS = [{"words": ["anna", "is", "in", "york"], "tags": ["B-PER", "O", "O", "B-LOC"]}] * 4
ASKED = {"question": "who is it", "context": "it is anna", "answers": [{"text": "anna", "answer_start": 6}]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs of two updates, one for each kind of task."""
    work = tmp_path_factory.mktemp("runs")
    model = network(work / "model", "letters")
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        rows: dict[str, Any] = {
            "classification": (ROWS, ROWS[:6]),
            "pairs": ([{**row, "pair": "a film"} for row in ROWS], None),
            "regression": ([{"text": row["text"], "score": n / 3} for n, row in enumerate(ROWS)], None),
            "tagging": (TAGS, TAGS),
            "qa": ([ASKED] * 4, [ASKED] * 2),
            "seeds": (ROWS, ROWS[:6]),
        }
        if kind not in made:
            train, dev = rows[kind]
            task = kind if kind in ("regression", "tagging", "qa") else "classification"
            options = {"max_steps": 2, "batch_size": 4, "eval_every": 2, "max_length": 32}
            options |= {"seeds": 2} if kind == "seeds" else {}
            finetune(task=task, model=str(model), out=str(work / kind), train=train, dev=dev, **options)
            made[kind] = work / kind
        return made[kind]

    return run


def test_texts_on_the_command_line(runs: Callable[..., Path], predict: Command) -> None:
    code, said, err = predict(runs("classification"), "a good film", "what a bore")
    assert code == 0, err
    lines = said.splitlines()
    assert lines[0].split() == ["text", "label", "score"] and len(lines) == 3
    assert lines[1].startswith("a good film") and lines[1].split()[-2] in ("pos", "neg")
    code, said, err = predict(runs("classification"), "a good film", "--json")
    (row,) = json.loads(said)
    assert row["text"] == "a good film" and 0.5 <= row["score"] <= 1, err


@pytest.mark.parametrize(
    ("kind", "words", "names"),
    [
        ("regression", ("a good film",), ["text", "score"]),
        ("pairs", ("a good film", "--context", "a film"), ["text", "pair", "label", "score"]),
        ("qa", ("who is it", "--context", "it is anna"), ["text", "context", "answer", "start", "score"]),
        ("tagging", ("Anna is in York.",), ["text", "entities"]),
    ],
)
def test_each_kind_answers_texts(
    kind: str, words: tuple[str, ...], names: list[str], runs: Callable[..., Path], predict: Command
) -> None:
    code, said, err = predict(runs(kind), *words, "--json")
    assert code == 0, err
    (row,) = json.loads(said)
    assert list(row) == names
    for entity in row.get("entities", ()):
        assert entity["text"] == words[0][entity["start"] : entity["end"]]
    code, said, err = predict(runs(kind), *words)
    assert code == 0 and said, err


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_table_keeps_its_columns(runs: Callable[..., Path], predict: Command, tmp_path: Path) -> None:
    new, out = tmp_path / "new.csv", tmp_path / "answers.csv"
    new.write_text('no,Review\n7,"good, really"\n8,bad\n', "utf-8")
    code, said, err = predict(runs("classification"), "--data", new, "--out", out)
    assert code == 0 and said == f"2 answers: {out}\n", err
    assert "the column 'Review' is read as the text" in err
    rows = table(out)
    assert [list(row) for row in rows] == [["no", "Review", "label", "score"]] * 2
    assert rows[0]["Review"] == "good, really" and rows[1]["no"] == "8"
    code, _, err = predict(runs("classification"), "--data", new, "--out", out)
    assert code == 2 and "--overwrite" in err
    code, said, _ = predict(runs("classification"), new)  # a file for a text, and no --out
    assert code == 0 and "good, really" in said


def test_gold_labels_are_kept_and_not_read(runs: Callable[..., Path], predict: Command, tmp_path: Path) -> None:
    new, out = tmp_path / "new.jsonl", tmp_path / "answers.jsonl"
    new.write_text('{"text": "good", "label": "never seen"}\n{"text": "bad", "label": null}\n', "utf-8")
    code, _, err = predict(runs("classification"), "--data", new, "--out", out)
    assert code == 0, err
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [list(row) for row in rows] == [["text", "label", "predicted_label", "predicted_score"]] * 2
    assert rows[0]["label"] == "never seen" and rows[0]["predicted_label"] in ("pos", "neg")


def test_plain_text_has_no_header(runs: Callable[..., Path], predict: Command, tmp_path: Path) -> None:
    new, out = tmp_path / "new.txt", tmp_path / "answers.csv"
    new.write_text("text\n\nthe second, after an empty line\n", "utf-8")
    code, _, err = predict(runs("classification"), "--data", new, "--out", out)
    assert code == 0, err
    assert [row["text"] for row in table(out)] == ["text", "the second, after an empty line"]
    new.write_text("one\n" * 60, "utf-8")
    code, _, err = predict(runs("classification"), "--data", new)
    assert code == 2 and "60 rows" in err and "--out FILE" in err
    new.write_text("one and two.\n" * 60, "utf-8")
    code, said, err = predict(runs("tagging"), "--data", new, "--json")
    assert code == 0, (said, err)
    assert len(json.loads(said)) == 60


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("classification", ("a", "--context", "b"), "reads one text"),
        ("pairs", ("a",), "reads pairs of texts"),
        ("qa", ("who",), "reads a question and its context"),
        ("classification", (" ",), "text 1: it is empty"),
        ("classification", ("a", "--data", "x.csv"), "two things to answer"),
        ("classification", ("--data", "x.csv", "--context", "b"), "belongs to a TEXT"),
        ("classification", ("--data", "nowhere.csv"), "nowhere.csv"),
        ("classification", (), "has no split 'test'"),
    ],
)
def test_what_makes_no_sense_is_said_before_weights_are_read(
    kind: str,
    words: tuple[str, ...],
    said: str,
    runs: Callable[..., Path],
    predict: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = runs(kind)
    monkeypatch.setattr("zoo.loading.load", lambda *a, **k: pytest.fail("weights were read"))
    code, _, err = predict(run, *words)
    assert code in (1, 2) and said in err


def test_columns_that_are_not_there(runs: Callable[..., Path], predict: Command, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"a": "x", "b": "y"}\n', "utf-8")
    code, _, err = predict(runs("classification"), "--data", tmp_path / "new.jsonl")
    assert code == 1 and "'text'" in err and "a, b" in err


def test_the_held_out_part_is_remembered(
    runs: Callable[..., Path], evaluate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs("regression")
    record = json.loads((run / "run.json").read_text("utf-8"))
    code, said, err = evaluate(run, "--json")
    assert code == 0 and "held out" in err
    assert json.loads(said)["value"] == pytest.approx(record["results"]["dev"]["value"], nan_ok=True)
    assert json.loads(said)["examples"] == record["data"]["dev"]["examples"] == 1
    file = run / "data" / "train.jsonl"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b'{"text": "more", "score": 1}\n')
        code, _, err = evaluate(run)
        assert code == 0 and "train.jsonl' has changed since the run read it" in err
    finally:
        file.write_bytes(before)


def test_a_run_of_several_seeds_is_a_model(
    runs: Callable[..., Path], evaluate: Command, predict: Command, tmp_path: Path
) -> None:
    run = runs("seeds")
    best = json.loads((run / "run.json").read_text("utf-8"))["seeds"]["best"]
    assert TrainedModel(str(run)).folder == run / best
    assert zoo.load(run).config.labels == ("neg", "pos")
    code, said, err = evaluate(run)
    assert code == 0 and "6 examples" in said and "the best of its seeds on the development set" in err
    code, said, _ = predict(run, "a good film")
    assert code == 0 and "a good film" in said


def test_an_export_is_evaluated_and_answers(
    runs: Callable[..., Path], evaluate: Command, predict: Command, tmp_path: Path
) -> None:
    from zoo.export.__main__ import main

    run, out = runs("classification"), tmp_path / "export"
    code, _, err = _captured(main, (run, "--out", out, "--to", "onnx"))
    assert code == 0, err
    (tmp_path / "dev.csv").write_text("text,label\na good film,pos\na bad film,neg\n", "utf-8")
    found = []
    for place in (run, out):
        code, said, err = evaluate(place, "--data", tmp_path / "dev.csv", "--json")
        assert code == 0, err
        found.append(json.loads(said))
    assert found[0]["scores"] == found[1]["scores"] and found[1]["loss"] is None
    rows = [json.loads(predict(place, "a good film", "--json")[1])[0] for place in (run, out)]
    assert rows[0]["label"] == rows[1]["label"] and rows[0]["score"] == pytest.approx(rows[1]["score"], abs=1e-4)


def test_any_classifier_is_scored_on_a_task(
    runs: Callable[..., Path], evaluate: Command, predict: Command, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    zoo.load(runs("classification"), labels=("negative", "positive")).save(model)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\na good film\t1\na bad film\t0\n", "utf-8")
    code, said, err = evaluate(model, "--task", "sst2", "--data", tmp_path / "dev.tsv")
    assert code == 0 and "2 examples" in said, err
    code, _, err = evaluate(model, "--task", "squad2", "--data", tmp_path / "dev.tsv")
    assert code == 2 and "needs the head qa" in err

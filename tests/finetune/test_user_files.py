"""A user's own files through the commands: what is said, what is held out, what evaluate and predict remember."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import network

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "2", "--batch-size", "4", "--eval-every", "2", "--max-length", "32")
TAGGED = "anna\tI-PER\nis\tO\n\nbob\tI-PER\nyork\tI-LOC\nyork\tB-LOC\n\n" * 3
REVIEWS = [(f"{'good' if n % 2 else 'bad'} film {n}", "pos" if n % 2 else "neg") for n in range(40)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one layer, with a vocabulary of letters."""
    return network(tmp_path_factory.mktemp("tiny") / "model", "letters")


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def table(file: Path, rows: list[tuple[str, str]], header: str = "text,label\n") -> Path:
    file.write_text(header + "".join(f"{a},{b}\n" for a, b in rows), "utf-8")
    return file


def test_one_file_of_your_own(
    finetune: Command, evaluate: Command, predict: Command, tiny: Path, tmp_path: Path
) -> None:
    """Without a header row; a part is held out by the seed; evaluate and predict know the files again."""
    data, run = table(tmp_path / "all.csv", REVIEWS, ""), tmp_path / "run"
    words = ("--task", "classification", "--model", tiny, "--data", data, "--out", run, *QUICK)
    code, _, err = finetune(*words)
    assert code == 2 and "--columns text=1,label=2" in err and not run.exists()
    code, _, err = finetune(*words, "--columns", "text=1,label=2")
    assert code == 0, err
    assert (
        "note: labels: 2 (neg, pos); columns: text = 1, label = 2; separator: comma; splits: train = all.csv, "
        "dev = one in 20 rows of train, drawn by the seed." in err
    )
    found = record(run)
    assert {name: split["examples"] for name, split in found["data"].items()} == {"train": 38, "dev": 2}
    assert any("2 of the 40 training rows, drawn by seed 42, are it" in note for note in found["notes"])
    assert "test" not in found["results"]
    code, said, err = evaluate(run, "--split", "train")
    assert code == 0 and "40 examples" in said, err
    new = table(tmp_path / "new.csv", [("a good one", ""), ("a bad one", "-1")], "")
    code, said, err = predict(run, "--data", new, "--out", tmp_path / "answers.txt")
    assert code == 0 and said.startswith("2 answers"), err
    code, _, err = evaluate(run, "--data", new, "--split", "test")
    assert code == 1 and "has no gold answers for the split 'test'" in err


def test_evaluate_reads_the_folder_that_is_named(
    finetune: Command, evaluate: Command, tiny: Path, tmp_path: Path
) -> None:
    first, second, run = tmp_path / "first", tmp_path / "second", tmp_path / "run"
    for folder, rows in ((first, REVIEWS), (second, REVIEWS[:6])):
        folder.mkdir()
        table(folder / "train.csv", rows)
        table(folder / "dev.csv", rows[:4])
        table(folder / "test.csv", [*rows[:3], ("unknown", "-1")])
    words = ("--task", "classification", "--model", tiny, "--data", first, "--out", run)
    code, _, err = finetune(*words, *QUICK)
    assert code == 0, err
    assert any("1 of 4 rows of test have no gold answer" in note for note in record(run)["notes"])
    assert record(run)["results"]["test"]["rows"] == 3
    code, said, err = evaluate(run, "--data", second, "--split", "train")
    assert code == 0 and "6 examples" in said, err
    code, said, err = evaluate(run, "--data", second, "--split", "test")
    assert code == 0 and "3 examples" in said and "1 of 4 rows have no gold answer" in err
    code, _, err = evaluate(run, "--data", second, "--split", "other")
    assert code == 1 and "no file for the split 'other'" in err


def test_one_file_for_a_named_data_set(finetune: Command, evaluate: Command, tiny: Path, tmp_path: Path) -> None:
    """It is the training data, and nothing else: no score on rows that were trained on."""
    file, run = tmp_path / "reviews.tsv", tmp_path / "run"
    file.write_text("sentence\tlabel\n" + "".join(f"film {n}\t{n % 2}\n" for n in range(40)), "utf-8")
    words = ("--task", "sst2", "--model", tiny, "--data", file, "--out", run)
    code, _, err = finetune(*words, *QUICK)
    assert code == 0, err
    assert "note: labels: 2 (negative, positive); splits: train = 38 rows of reviews.tsv, dev = 2 rows." in err
    assert "2 of the 40 training rows, drawn by seed 42, are it" in err
    found = record(run)
    assert {name: split["examples"] for name, split in found["data"].items()} == {"train": 38, "dev": 2}
    assert list(found["results"]) == ["dev"]
    code, said, err = evaluate(run, "--data", file)
    assert code == 0 and "40 examples" in said, err


def test_the_held_out_part_is_drawn_by_the_seed(tmp_path: Path) -> None:
    from zoo.finetune.config import FinetuneConfig
    from zoo.finetune.data import Sources, read_data
    from zoo.finetune.setup import task_of

    file = table(tmp_path / "all.csv", [(f"text {n}", str(n % 2)) for n in range(200)])
    held = []
    for seed in (1, 1, 2):
        config = FinetuneConfig(task="classification", model="x", data=str(file), seed=seed)
        splits = read_data(task_of(config), Sources(file), config).splits
        dev, train = ({e.id for e in splits[name]} for name in ("dev", "train"))
        assert len(dev) == 10 and not dev & train and len(dev | train) == 200
        held.append(dev)
    assert held[0] == held[1] != held[2]


def test_nothing_trained_scores_the_file(tmp_path: Path) -> None:
    from zoo.finetune.config import FinetuneConfig
    from zoo.finetune.data import Sources, read_data
    from zoo.finetune.setup import task_of

    file = tmp_path / "reviews.tsv"
    file.write_text("sentence\tlabel\na\t1\nb\t0\n", "utf-8")
    config = FinetuneConfig(task="sst2", model="x", data=str(file), epochs=0)
    assert {name: len(rows) for name, rows in read_data(task_of(config), Sources(file), config).splits.items()} == {
        "dev": 2
    }


def test_a_suite_wants_a_folder(finetune: Command, tiny: Path, sst2: Path, tmp_path: Path) -> None:
    words = ("--task", "glue", "--model", tiny, "--data", sst2 / "dev.tsv", "--out", tmp_path / "run")
    code, _, err = finetune(*words)
    assert code == 2 and "is a file" in err and "Give a folder" in err


def test_tags_of_iob1_and_plain_lines(
    finetune: Command, evaluate: Command, predict: Command, tiny: Path, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    (data / "train.txt").write_text("# a comment\n" + TAGGED, "utf-8")
    (data / "dev.txt").write_text(TAGGED, "utf-8")
    words = ("--task", "tagging", "--model", tiny, "--data", data, "--out", run)
    code, _, err = finetune(*words, *QUICK)
    assert code == 0, err
    assert (
        "note: labels: 5 (O, B-LOC, I-LOC, B-PER, I-PER); scheme: IOB1, learned as IOB2; words: words; columns: "
        "words = 1, tags = 2 of 2; separator: tab; comments: 1 lines; splits: train = train.txt, dev = dev.txt."
        in err
    )
    code, said, err = evaluate(run)
    assert code == 0 and "6 examples" in said, err
    new, out = tmp_path / "new.txt", tmp_path / "answers.jsonl"
    new.write_text("Anna is in York.\nbob is\n", "utf-8")
    code, said, err = predict(run, "--data", new, "--out", out)
    assert code == 0 and said.startswith("2 answers"), err
    assert "plain text, each line cut into words" in err
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == ["Anna is in York.", "bob is"] and list(rows[0]) == ["text", "entities"]


def test_regression_with_a_test_set_of_minus_ones(finetune: Command, tiny: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    for split in ("train", "dev"):
        table(data / f"{split}.csv", [(f"text {n}", f"{n / 4}") for n in range(12)], "text,score\n")
    table(data / "test.csv", [("a", "-1"), ("b", "-1.0")], "text,score\n")
    code, _, err = finetune("--task", "regression", "--model", tiny, "--data", data, "--out", run, *QUICK)
    assert code == 0, err
    assert list(record(run)["results"]) == ["dev"] and "the test split has no gold answers" in err

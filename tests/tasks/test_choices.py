"""Questions with options: RACE's files, the rows of all options, and what is scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.places import DATA
from zoo import tasks
from zoo.errors import InputError
from zoo.tokenization import Tokenizer

RACE = DATA / "RACE"


def test_a_question_has_a_row_of_ids_for_each_option(tokenizers: dict[str, Tokenizer]) -> None:
    """The article, then the question with the option in its blank, or behind it."""
    task = tasks.find("race")
    examples: Any = list(task.read(RACE, "dev"))
    assert [(e.id, e.label, e.part) for e in examples] == [
        ("high4-0", "A", "high"), ("high4-1", "C", "high"), ("middle3-0", "B", "middle"),
    ]  # fmt: skip
    tokenizer = tokenizers["en"]
    features = task.features(examples, tokenizer)
    batch = features.batch(np.array([1, 2]))
    assert len(features) == 3 and batch["labels"].tolist() == [2, 1]
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 4, features.lengths[[1, 2]].max())
    expected = tokenizer([examples[1].article], ["Few people in Arn owned a car."])["input_ids"][0]
    assert batch["input_ids"][0, 2][: len(expected)].tolist() == list(expected)
    assert batch["attention_mask"][0, 2].sum() == len(expected)
    behind = tokenizer([examples[2].article], ["When does Lea swim? at night"])["input_ids"][0]
    assert batch["input_ids"][1, 2][: len(behind)].tolist() == list(behind)


def test_rows_of_several_runs_are_joined(tokenizers: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.tasks import base

    task = tasks.find("race")
    examples = list(task.read(RACE, "dev"))
    whole = task.features(examples, tokenizers["en"]).batch([0, 1, 2])
    monkeypatch.setattr(base, "CHUNK_EXAMPLES", 2)
    parts = task.features(examples, tokenizers["en"]).batch([0, 1, 2])
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_the_question_is_cut_before_the_article_is(tokenizers: dict[str, Tokenizer]) -> None:
    task: Any = tasks.find("race")
    [example] = task.read(RACE / "test/middle/5.txt", "test")
    long = type(example)("1", "bread " * 900, "why " * 300, ("a", "b", "c", "d"), "A")
    batch = task.features([long], tokenizers["en"]).batch([0])
    assert batch["input_ids"].shape == (1, 4, 512)
    second = batch["input_ids"][0, 0] == tokenizers["en"](["why"])["input_ids"][0][1]
    assert second.sum() == task.pair_length == 128


def test_middle_and_high_are_scored_alone_too() -> None:
    task = tasks.find("race")
    examples = list(task.read(RACE, "dev"))
    scores = task.score(["A", "A", "B"], examples)
    assert scores.rows == {
        "all": {"accuracy": pytest.approx(200 / 3)}, "middle": {"accuracy": 100.0}, "high": {"accuracy": 50.0},
    }  # fmt: skip
    assert scores.value == pytest.approx(200 / 3)  # of all questions, not of the two parts
    assert list(task.lines(["A", "D", "B"], examples, "dev")) == ["high4-0\tA", "high4-1\tD", "middle3-0\tB"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": [["a", "b"]]}, "question 1: 'options' must be a list of 4 texts"),
        ({"answers": ["E"]}, "question 1: the answer 'E' is none of A, B, C, D"),
        ({"answers": []}, "must be lists of one length"),
        ({"questions": "why?"}, "no lists 'questions' and 'options'"),
        ({"article": " "}, "'article' must be text"),
    ],
)
def test_damaged_files(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    whole = {
        "article": "x",
        "questions": ["y?"],
        "options": [["a", "b", "c", "d"]],
        "answers": ["A"],
        "id": "high1.txt",
    }
    file = tmp_path / "1.txt"
    file.write_text(json.dumps({**whole, **change}), "utf-8")
    with pytest.raises(InputError, match=said):
        list(tasks.find("race").read(file, "train"))
    file.write_text(json.dumps([whole]), "utf-8")
    with pytest.raises(InputError, match="no lists 'questions' and 'options'"):
        list(tasks.find("race").read(file, "train"))

"""Prediction files in the form that each benchmark's server takes, and what is saved beside a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.tasks import Features, Ragged
from zoo.tasks.base import published
from zoo.tasks.classification import TextExample
from zoo.tasks.features import join
from zoo.tasks.qa import Answer, QAExample
from zoo.tasks.tagging import TaggedExample
from zoo.tasks.text2text import Text2TextExample

TEXT = [TextExample("0", "a", "b"), TextExample("1", "c", "d")]
WORDS = [TaggedExample("7", tuple("在北京")), TaggedExample("8", ("他",))]
TAGS = [["O", "B-LOC", "I-LOC"], ["O"]]
SPANS = [["O", "B-address", "I-address"], ["O"]]
ASKED = [QAExample("q1", "?", "x y"), QAExample("q2", "?", "x y")]
CASES: list[tuple[str, str, Any, Any, str, str]] = [
    ("sst2", "test", ["negative", "positive"], TEXT, "SST-2.tsv", "index\tprediction\n0\t0\n1\t1\n"),
    ("stsb", "test", [5.2, 1.23456], TEXT, "STS-B.tsv", "index\tprediction\n0\t5.000\n1\t1.235\n"),
    ("rte", "test", ["entailment", "not_entailment"], TEXT, "RTE.tsv",
     "index\tprediction\n0\tentailment\n1\tnot_entailment\n"),
    ("mnli", "test-mismatched", ["neutral"] * 2, TEXT, "MNLI-mm.tsv",
     "index\tprediction\n0\tneutral\n1\tneutral\n"),
    ("ax", "test", ["neutral"] * 2, TEXT, "AX.tsv", "index\tprediction\n0\tneutral\n1\tneutral\n"),
    ("tnews", "test", ["news_story", "news_game"], TEXT, "tnews11_predict.json",
     '{"id": 0, "label": "100"}\n{"id": 1, "label": "116"}\n'),
    ("cluewsc", "test", ["true", "false"], TEXT, "cluewsc11_predict.json",
     '{"id": 0, "label": "true"}\n{"id": 1, "label": "false"}\n'),
    ("xnli", "test", ["neutral", "entailment"], TEXT, "xnli-test.tsv", "neutral\nentailment\n"),
    ("peoples-daily", "test", TAGS, WORDS, "peoples-daily-test.txt", "在 O\n北 B-LOC\n京 I-LOC\n\n他 O\n\n"),
    ("panx", "test", TAGS, WORDS, "panx-test.txt", "O\nB-LOC\nI-LOC\n\nO\n\n"),
    ("cluener", "test", SPANS, WORDS, "cluener_predict.json",
     '{"id": 7, "text": "在北京", "label": {"address": {"北京": [[1, 2]]}}}\n'
     '{"id": 8, "text": "他", "label": {}}\n'),
    ("squad2", "dev", [Answer("x", -1.0), Answer("y", 1.0)], ASKED, "predictions.json",
     '{\n "q1": "x",\n "q2": ""\n}\n'),
    ("cmrc2018", "test", [Answer("北", 9.0), Answer("y", 1.0)], ASKED, "cmrc2018_predict.json",
     '{\n "q1": "北",\n "q2": "y"\n}\n'),
    ("dureader-qg", "test", ["什么 好"], [Text2TextExample("1", "x")], "dureader-qg-test.jsonl",
     '{"id": "1", "tgt": "什么 好"}\n'),
    ("multi30k-en-de", "test", ["Ein\nHaus"], [Text2TextExample("1", "x")], "multi30k-en-de-test.txt",
     "Ein Haus\n"),
    ("tatoeba", "test", [(3, 4)], [tasks.Example("1", language="de")], "tatoeba-test.tsv",
     "language\tline\tnearest to English\tnearest English\nde\t1\t3\t4\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "split", "predictions", "examples", "file", "content"), CASES)
def test_submission(
    name: str, split: str, predictions: Any, examples: Any, file: str, content: str, tmp_path: Path
) -> None:
    path = tasks.find(name).write_predictions(tmp_path / "out", predictions, examples, split)
    assert (path.name, path.read_text("utf-8")) == (file, content)
    assert [p.name for p in path.parent.iterdir()] == [file]


def test_a_submission_is_whole_or_not_there(tmp_path: Path) -> None:
    def lines() -> Any:
        yield "one"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        published(tmp_path / "file", lines())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_is_made_again_of_its_description(name: str) -> None:
    task = tasks.find(name)
    assert tasks.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_descriptions_that_are_none() -> None:
    with pytest.raises(UsageError, match="no family of tasks 'Other'"):
        tasks.from_dict({"family": "Other"})
    with pytest.raises(UsageError, match="not complete"):
        tasks.from_dict({"family": "Tagging"})


def test_what_cannot_be_scored() -> None:
    task = tasks.find("sst2")
    with pytest.raises(InputError, match="1 predictions for 2 examples"):
        task.score(["negative"], TEXT)
    with pytest.raises(InputError, match="Example 0 of sst2 has no label"):
        task.score(["negative"] * 2, TEXT)
    with pytest.raises(InputError, match="no example of sst2"):
        task.features([], SimpleNamespace(max_length=None))  # type: ignore[arg-type]


def test_average_and_gap_come_from_the_rows() -> None:
    examples = [
        TextExample(str(n), "a", "b", "neutral", language=code)
        for n, code in enumerate(["en"] * 4 + ["de"] * 2 + ["sw"] * 10)
    ]
    right = [True] * 4 + [True, False] + [True] * 2 + [False] * 8
    scores = tasks.find("xnli").score(["neutral" if r else "entailment" for r in right], examples)
    assert {row: values["accuracy"] for row, values in scores.rows.items()} == pytest.approx(
        {"en": 100, "de": 50, "sw": 20, "average": 170 / 3, "transfer gap": 65}
    )
    assert scores.value == pytest.approx(170 / 3)  # not the share of all examples, 8 of 16


def test_batches_are_padded() -> None:
    rows = [[5, 6, 7], [8]]
    features = Features(
        {"input_ids": Ragged.of(rows), "token_type_ids": Ragged.of(rows), "labels": Ragged.of(rows)},
        np.arange(2),
        pad_id=1,
    )
    batch = features.batch([1, 0], width=4)
    assert batch["input_ids"].tolist() == [[8, 1, 1, 1], [5, 6, 7, 1]]
    assert batch["token_type_ids"].tolist() == [[8, 0, 0, 0], [5, 6, 7, 0]]
    assert batch["labels"].tolist() == [[8, -100, -100, -100], [5, 6, 7, -100]]
    assert batch["attention_mask"].tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]
    assert features.batch([1], width=6)["input_ids"].shape == (1, 6)
    twice = join([features, features])
    assert len(twice) == 4 and twice.sample.tolist() == [0, 1, 2, 3]
    assert twice.batch([3])["input_ids"].tolist() == [[8]]
    decoder = Features({**features.columns, "decoder_input_ids": Ragged.of([[2], [3]])}, np.arange(2))
    decoder.columns["labels"] = Ragged.of([[4], [5]])
    assert decoder.batch([0, 1])["labels"].tolist() == [[4], [5]]

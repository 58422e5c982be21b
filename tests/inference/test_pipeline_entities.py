"""Named entities of a pipeline: as `zoo.predict` finds them, by words, by scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.convert.conftest import snapshot
from tests.inference.conftest import Answer
from tests.inference.test_pipeline_answers import predicted
from zoo import metrics, tasks
from zoo.errors import UsageError
from zoo.inference.pipelines.ner import WORD_SPLITTERS, tagging_of
from zoo.tasks.tagging import TaggedExample

__all__ = ["snapshot"]  # a fixture
Folders = Callable[[str], Path]

# --- named entities ---

NAMES = [
    "Angela",
    "Merkel",
    "met",
    "Emmanuel",
    "Macron",
    "in",
    "Paris",
    ",",
    "and",
    "then",
    "flew",
    "to",
    "New",
    "York",
    ";",
]


def test_entities_are_those_of_predict(folders: Folders, answering: Answer, tmp_path: Path) -> None:
    rows = [tuple(NAMES[:n]) for n in range(1, 15)] + [tuple(NAMES * 12)]
    examples = [TaggedExample(str(n), words) for n, words in enumerate(rows)]
    task, theirs = predicted(folders("ner"), examples, tmp_path / "out")
    answers = answering("ner", split="spaces")([" ".join(words) for words in rows])
    for words, tags, answer in zip(rows, theirs, answers, strict=True):
        text = " ".join(words)
        expected = [(kind, " ".join(words[first : last + 1])) for first, last, kind in metrics.spans(tags)]
        assert [(e["entity_group"], e["word"]) for e in answer] == expected
        assert all(text[e["start"] : e["end"]] == e["word"] and 0 < e["score"] <= 1 for e in answer)
    assert answers[-1][-1]["start"] > 0.9 * len(" ".join(rows[-1]))  # behind several rows
    assert task.scheme == "IOB2" and any(answers)


@pytest.mark.parametrize(
    ("text", "split", "words"),
    [
        ("U.S. (Paris), don't!", "words", "U.S . ( Paris ) , don't !"),
        ("我在北京 2008年", "words", "我 在 北 京 2008 年"),
        ("我在 2008", "characters", "我 在 2 0 0 8"),
        ("a, b", "spaces", "a, b"),
        ("नई दिल्ली।", "words", "नई दिल्ली ।"),
    ],
)
def test_words(text: str, split: str, words: str) -> None:
    assert [text[a:b] for a, b in WORD_SPLITTERS[split](text)] == words.split()


def test_words_are_those_of_training(answering: Answer) -> None:
    pipe = answering("ner")
    pipe.task = replace(tasks.find("peoples-daily"), stride=32)
    assert pipe.preprocess("2008", **pipe.options).words == ("2", "0", "0", "8")
    assert pipe.preprocess("2008", **pipe.options | {"split": "words"}).words == ("2008",)


def test_a_split_that_does_not_exist(answering: Answer) -> None:
    with pytest.raises(UsageError, match="split='letters'"):
        answering("ner")("a", split="letters")


@pytest.mark.parametrize(
    ("labels", "tags", "entities"),
    [
        (["O", "B-X", "I-X"], "B-X I-X O I-X", ["0-1 X", "3-3 X"]),
        (["O", "B-X", "I-X", "E-X", "S-X"], "B-X I-X E-X S-X", ["0-2 X", "3-3 X"]),
        (["O", "B-X", "M-X", "E-X", "S-X"], "B-X M-X E-X S-X", ["0-2 X", "3-3 X"]),
        (["NOUN", "VERB"], "NOUN NOUN VERB NOUN", ["0-0 NOUN", "1-1 NOUN", "2-2 VERB", "3-3 NOUN"]),
    ],
)
def test_schemes_of_a_model_without_task_json(
    labels: list[str], tags: str, entities: list[str], folders: Folders
) -> None:
    pipe: Any = zoo.pipeline("ner", zoo.load(folders("ner"), task="tagging", labels=labels), engine="eager")
    assert tagging_of(pipe.deployed).labels == tuple(labels)
    example = pipe.preprocess("a b c d", split="words")
    found = pipe._entities(example, tags.split(), np.full(4, 0.5))
    said = [f"{e['start'] // 2}-{e['end'] // 2} {e['entity_group']}" for e in found]
    assert said == entities

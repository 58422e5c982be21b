"""Extracted answers: the tokens that overlap an answer are its label, and what is lost has its true reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import vocabularies
from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.tasks.qa import GoldAnswer, QAExample
from zoo.tokenization import Tokenizer, load_tokenizer


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(vocabularies.letters(tmp_path_factory.mktemp("small")), "wordpiece")


def learned(small: Tokenizer, context: str, text: str, name: str = "squad2", length: int = 384) -> tuple[Any, ...]:
    """Task, example, features and what a perfect network answers."""
    task: Any = tasks.find(name)
    example = QAExample("1", "wo?", context, (GoldAnswer(text, context.index(text)),))
    features = task.features([example], small, length)
    [answer] = task.predictions(outputs_of(task, features), features, [example])
    return task, example, features, answer


@pytest.mark.parametrize("edge", [" ", "\n", "\u3000", "\u200b", "\t", "\u00a0", "\x07", "\ufeff"])
@pytest.mark.parametrize("where", ["before", "behind", "both"])
def test_an_answer_whose_edge_has_no_token_is_trained_on(small: Tokenizer, edge: str, where: str) -> None:
    text = (edge if where != "behind" else "") + "in 1990" + (edge if where != "before" else "")
    _, example, features, answer = learned(small, f"it was{text}or so", text)
    [(first, last)] = features.columns["labels"]
    spans = features.notes["spans"][0]
    context = example.context
    assert (context[spans[first][0]], context[spans[last][1] - 1]) == ("i", "0")
    assert answer.text.strip() == "in 1990"
    # Spaces are no part of an answer for the metric; what is not a space cannot be given back, and is counted so.
    whole = not edge.strip()
    assert dict(features.lost) == (
        {} if whole else {"answers that begin or end with a character that has no token": 1}
    )


@pytest.mark.parametrize("text", ["cafe\u0301", "क\u0940", "e\u0301\u0323", "o\u0308"])
def test_a_letter_keeps_its_marks(small: Tokenizer, text: str) -> None:
    """A tokenizer that lower-cases drops combining marks; the answer's text has them nevertheless."""
    task, example, features, answer = learned(small, f"wo {text} ist", text)
    assert features.columns["labels"][0, 0] > 0 and not features.lost
    assert answer.text == text
    assert task.score([answer], [example]).value == 100


def test_a_mark_that_has_a_token_of_its_own_is_not_taken_along(small: Tokenizer) -> None:
    from zoo.tasks.answers import with_marks
    from zoo.tasks.features import Ragged

    spans = Ragged.of([np.array([[-1, -1], [0, 1], [1, 2], [3, 4]]), np.array([[-1, -1], [0, 1]])])
    made = with_marks(spans, np.array([0, 0]), ["e\u0301\u0323e\u0301"])
    assert made[0].tolist() == [[-1, -1], [0, 1], [1, 3], [3, 5]]
    assert made[1].tolist() == [[-1, -1], [0, 1]]  # the mark's token is in the other row


def test_the_reasons_are_true(small: Tokenizer) -> None:
    def reasons(context: str, text: str, **more: Any) -> dict[str, int]:
        return dict(learned(small, context, text, **more)[2].lost)

    assert reasons("a \u0301\u200b b", "\u200b") == {"answers of which no character has a token": 1}
    assert reasons("abc " * 40, "abc " * 30, length=24) == {"answers that no row holds whole": 1}
    assert reasons("漢字 漢字", "漢") == {}
    task: Any = replace(tasks.find("squad2"), max_answer=2)
    example = QAExample("1", "wo?", "a b c d", (GoldAnswer("a b c", 0),))
    assert dict(task.features([example], small).lost) == {"answers of more than 2 tokens": 1}
    example = QAExample("1", "wo?", "a b c d", (GoldAnswer("x", -1),))
    assert dict(task.features([example], small).lost) == {"answers that are not in the context": 1}
    unknown = QAExample("1", "wo?", "ไทยดี ok", (GoldAnswer("ดี", 3),))  # one [UNK] for the whole word
    features = task.features([unknown], small)
    assert dict(features.lost) == {"answers that begin or end inside of a token": 1}
    assert features.columns["labels"][0, 0] > 0


def test_a_row_without_all_tokens_of_the_answer_has_none(small: Tokenizer) -> None:
    """Of the rows of a long context only those with the whole run are told where the answer is."""
    context = " ".join("abcdefghijklmnopqrstuvwxyz")
    _, _, features, answer = learned(small, context, " g h i ", length=16)
    labels, spans = features.columns["labels"], features.notes["spans"]
    assert len(features) > 3 and answer.text == "g h i"
    for row, (first, last) in enumerate(labels.tolist()):
        held = "".join(context[a:b] for a, b in spans[row].tolist() if a >= 0)
        assert (first > 0) == ("ghi" in held)
        if first:
            assert context[spans[row][first][0] : spans[row][last][1]] == "g h i"


def test_the_first_answer_that_the_context_has_is_learned(small: Tokenizer) -> None:
    task: Any = tasks.find("cmrc2018")
    example = QAExample("1", "?", "小明在北京", (GoldAnswer("上海", -1), GoldAnswer("北京", 3)))
    features = task.features([example], small)
    assert features.columns["labels"][0, 0] > 0 and not features.lost


def test_an_empty_answer_beside_others(tmp_path: Path) -> None:
    answers = [{"text": "", "answer_start": -1}, {"text": "北京", "answer_start": -1}]
    question = {"id": "a", "question": "在哪", "answers": answers}
    document = {"data": [{"paragraphs": [{"context": "小明在北京", "qas": [question]}]}]}
    (tmp_path / "dev.json").write_text(json.dumps(document), "utf-8")
    [example] = tasks.find("cmrc2018").read(tmp_path / "dev.json", "dev")
    assert example.answers == (GoldAnswer("", -1), GoldAnswer("北京", 3))  # type: ignore[attr-defined]

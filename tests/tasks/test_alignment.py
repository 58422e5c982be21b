"""Words and answers found back in tokens, whatever the text: all that is lost is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.tasks.qa import GoldAnswer, QAExample
from zoo.tasks.tagging import TaggedExample
from zoo.tokenization import Tokenizer

PIECES = [
    "北",
    "京",
    "2014",
    "㎏",
    "ﬁ",
    "é",
    "e\u0301",
    " ",
    "\u3000",
    "\u200b",
    "\x07",
    "▁",
    "##a",
    "🙂",
    "Ⅷ",
    "cat",
    ".",
]
WORDS = st.one_of(st.sampled_from(PIECES), st.text(min_size=1, max_size=4)).filter(
    lambda word: not any("\ud800" <= char <= "\udfff" for char in word)
)
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
MANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.mark.parametrize("language", ["en", "zh", "xx"])
@MANY
@given(st.lists(st.tuples(WORDS, st.sampled_from(TAGS)), min_size=1, max_size=60), st.sampled_from([12, 24, 128]))
def test_tags_of_any_words(
    language: str, tokenizers: dict[str, Tokenizer], pairs: list[tuple[str, str]], max_length: int
) -> None:
    words, tags = (tuple(side) for side in zip(*pairs, strict=True))
    for stride in (None, 4):
        task: Any = replace(tasks.find("peoples-daily"), stride=stride)
        examples = [TaggedExample("1", words, tags), TaggedExample("2", ("cat",), ("B-PER",))]
        features = task.features(examples, tokenizers[language], max_length)
        found = task.predictions(outputs_of(task, features), features, examples)
        assert sum(a != b for a, b in zip(found[0], tags, strict=True)) == features.lost["words"]
        assert found[1] == ["B-PER"]
        spoken = features.notes["words"].values  # type: ignore[union-attr]
        assert (spoken >= 0).sum() == (features.columns["labels"].values >= 0).sum()  # type: ignore[union-attr]
        if stride is not None:  # only words of which no tokenizer makes anything
            silent = [w for w in words if not len(tokenizers[language].tokenize(w))]
            assert features.lost["words"] <= len(silent)


@pytest.mark.parametrize("language", ["en", "zh", "xx"])
@MANY
@given(st.lists(WORDS, min_size=1, max_size=60), st.data(), st.sampled_from([16, 32, 128]))
def test_answers_in_any_context(
    language: str, tokenizers: dict[str, Tokenizer], words: list[str], data: st.DataObject, max_length: int
) -> None:
    context = "".join(words)
    start = data.draw(st.integers(0, len(context) - 1))
    stop = data.draw(st.integers(start + 1, len(context)))
    assume(context[start:stop].strip())  # an answer of spaces is none
    task: Any = replace(tasks.find("squad2"), max_answer=1000)
    examples = [QAExample("1", "cat?", context, (GoldAnswer(context[start:stop], start),))]
    features = task.features(examples, tokenizers[language], max_length)
    [answer] = task.predictions(outputs_of(task, features), features, examples)
    if not features.lost:
        assert task.score([answer], examples).value == pytest.approx(100)
    else:
        assert features.lost.total() == 1


def test_a_context_without_tokens(tokenizers: dict[str, Tokenizer]) -> None:
    task: Any = tasks.find("squad2")
    examples = [QAExample("1", "cat?", "\x07", ()), QAExample("2", "", "a cat", (GoldAnswer("cat", 2),))]
    features = task.features(examples, tokenizers["en"])
    answers = task.predictions(outputs_of(task, features), features, examples)
    assert [task.final(a) for a in answers] == ["", "cat"]


def test_a_long_question_is_cut(tokenizers: dict[str, Tokenizer]) -> None:
    task: Any = tasks.find("squad2")
    question = "why " * 200
    features = task.features([QAExample("1", question, "a cat", ())], tokenizers["en"])
    assert features.lengths.tolist() == [64 + 2 + 3]


def test_answers_of_the_beam_head(tokenizers: dict[str, Tokenizer]) -> None:
    task: Any = tasks.find("squad2")
    examples = [
        QAExample("1", "where?", "a cat in Paris", (GoldAnswer("Paris", 9),)),
        QAExample("2", "?", "a cat", ()),
    ]
    features = task.features(examples, tokenizers["en"])
    place = int(features.columns["labels"][0, 0])
    beams = {
        "start_index": [np.array([place, 2]), np.array([place, 4])],  # of the second row beyond its end
        "start_scores": [np.array([0.6, 0.4]), np.array([0.9, 0.1])],
        "end_index": [np.array([[place, 0], [place, 2]]), np.array([[place, 0], [4, 5]])],
        "end_scores": [np.array([[0.5, 0.5], [0.6, 0.4]]), np.array([[0.5, 0.5], [0.8, 0.2]])],
        "logits": [np.array(-3.0), np.array(2.0)],
    }
    first, second = task.predictions(beams, features, examples)
    assert (first.text, first.no_answer) == ("Paris", -3.0)
    assert first.nbest == (("Paris", pytest.approx(np.log(0.3))),)
    assert second.no_answer == 2.0
    assert [task.final(a) for a in (first, second)] == ["Paris", ""]

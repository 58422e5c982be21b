"""Text in, the n best texts out, whatever stands beside a text; and pipelines of one's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import zoo
from tests.convert.conftest import Make, snapshot
from zoo.errors import InputError, UsageError
from zoo.inference.pipelines.base import Pipeline

__all__ = ["snapshot"]  # a fixture
TEXTS = ["a dog", "the weather is fine today and tomorrow", "I", "one two three four"]
SETTINGS = {"num_beams": 3, "num_return_sequences": 2, "max_length": 8}


@pytest.fixture(scope="module")
def palm(snapshot: Make) -> Pipeline:
    return zoo.pipeline("text2text", snapshot("palm-zh-base"), **SETTINGS)


@pytest.fixture(scope="module")
def veco(snapshot: Make) -> Pipeline:
    return zoo.pipeline(
        "text2text", snapshot("veco-large-nlg"), source_language="en", target_language="de", **SETTINGS
    )


def close(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> bool:
    same = [a["text"] for a in one] == [b["text"] for b in two]
    return same and np.allclose([a["score"] for a in one], [b["score"] for b in two], atol=1e-4)


@pytest.mark.parametrize("name", ["palm", "veco"])
def test_n_best_of_each_text(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name)
    answers = pipe(TEXTS)
    assert [len(answer) for answer in answers] == [2] * len(TEXTS)
    for text, answer in zip(TEXTS, answers, strict=True):
        assert answer[0]["score"] >= answer[1]["score"]
        assert close(pipe(text), answer)  # alone as in a batch
    lazy = pipe(iter(TEXTS))
    assert isinstance(lazy, Iterator)
    assert all(close(a, b) for a, b in zip(lazy, answers, strict=True))


@pytest.mark.parametrize("engine", ["eager", "paddle"])
def test_eight_threads(engine: str, snapshot: Make) -> None:
    pipe = zoo.pipeline("text2text", snapshot("palm-zh-base"), engine=engine, precision="fp32", **SETTINGS)
    alone = [pipe(text) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(pipe, TEXTS * 4))
    assert all(close(a, b) for a, b in zip(answers, alone * 4, strict=True))


def test_a_call_overrules_the_options(palm: Pipeline) -> None:
    assert len(palm("a dog", num_return_sequences=1)) == 1
    with pytest.raises(UsageError, match="num_beams=0"):
        palm("a dog", num_beams=0)


@pytest.mark.parametrize("bad", ["", "  \n", None, 3, "a\ud800"])
def test_what_is_no_text_is_named(palm: Pipeline, bad: Any) -> None:
    with pytest.raises(InputError, match="Item 1"):
        palm(["a dog", bad])


def test_a_language_that_the_dictionary_lacks(veco: Pipeline) -> None:
    with pytest.raises(InputError, match="no token for the language 'xx'"):
        veco("a dog", target_language="xx")
    with pytest.raises(InputError, match="no token for the language 'xx'"):
        veco("a dog", source_language="xx")


@pytest.mark.parametrize("name", ["palm", "veco"])
def test_a_text_that_is_too_long_is_cut_and_said(
    name: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = request.getfixturevalue(name)
    with caplog.at_level(logging.WARNING, "zoo"):
        assert len(pipe("a dog " * 500)) == 2
    assert "cut" in caplog.text


def test_another_head_has_no_text_to_give(snapshot: Make) -> None:
    with pytest.raises(UsageError, match="generation"):
        zoo.pipeline("text2text", snapshot("FacebookAI/xlm-roberta-base"))
    with pytest.raises(UsageError, match="no pipeline 'poetry'"):
        zoo.pipeline("poetry", "xlm-roberta-base")

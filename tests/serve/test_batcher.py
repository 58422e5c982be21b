"""Requests that come together are answered together, within the limits, and one that fails fails alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="zoo.serve needs fastapi")

from zoo.errors import InputError
from zoo.serve.batcher import Batcher
from zoo.serve.limits import Limits
from zoo.serve.metrics import Metrics
from zoo.serve.model import Answer, Question
from zoo.serve.refusals import Refusal


class Model:
    """Answers with the items; the first batch waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, questions: Sequence[Question]) -> list[Answer | Refusal]:
        self.batches.append([question.items[0] for question in questions])
        self.begun.set()
        assert self.go.wait(10)
        if any("bug" in question.items for question in questions):
            raise ZeroDivisionError
        if any("wrong" in question.items for question in questions):
            raise InputError("Item 0 is wrong.")
        return [Answer(list(question.items), 1) for question in questions]


Ask = Callable[..., tuple[Model, list[Any]]]


def answered(questions: Sequence[Question], **limits: Any) -> tuple[Model, list[Any]]:
    """The model, and what each question got, when all but the first come while that one is answered."""
    model = Model()
    batcher = Batcher(model, Limits(**limits), Metrics())

    async def ask() -> list[Any]:
        first = batcher.submit(questions[0])
        await asyncio.to_thread(model.begun.wait, 10)
        others = [batcher.submit(question) for question in questions[1:]]
        model.go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    found = asyncio.run(ask())
    batcher.close()
    return model, found


def question(text: str, **options: Any) -> Question:
    return Question("embeddings", [text], options)


def test_what_comes_meanwhile_is_one_batch() -> None:
    model, found = answered([question(text) for text in "abcde"])
    assert model.batches == [["a"], ["b", "c", "d", "e"]]
    assert [answer.values for answer in found] == [[text] for text in "abcde"]


@pytest.mark.parametrize(
    ("limits", "batches"),
    [
        ({"max_batch_requests": 1}, [["a"], ["b"], ["c"], ["d"]]),
        ({"max_batch_requests": 2}, [["a"], ["b", "c"], ["d"]]),
        ({"max_batch_tokens": 4}, [["a"], ["b", "c"], ["d"]]),
    ],
)
def test_a_batch_has_limits(limits: dict[str, int], batches: list[list[str]]) -> None:
    assert answered([question(text) for text in "abcd"], **limits)[0].batches == batches


def test_one_question_may_be_larger_than_a_batch() -> None:
    assert answered([question("a"), question("b" * 100)], max_batch_tokens=4)[0].batches[1] == ["b" * 100]


def test_questions_with_other_options_wait_in_their_order() -> None:
    asked = [question("a"), question("b"), question("C", dimensions=2), question("d"), question("E", dimensions=2)]
    assert answered(asked)[0].batches == [["a"], ["b", "d"], ["C", "E"]]


def test_one_that_fails_fails_alone() -> None:
    _, found = answered([question(text) for text in ("a", "b", "bug", "wrong", "c")])
    assert [getattr(answer, "values", None) for answer in found] == [["a"], ["b"], None, None, ["c"]]
    assert [error.kind.status for error in found[2:4]] == [424, 422] and "Item 0 is wrong" in found[3].message


def test_a_client_that_has_gone_costs_nothing() -> None:
    model = Model()
    batcher = Batcher(model, Limits(), Metrics())

    async def ask() -> None:
        first = batcher.submit(question("a"))
        await asyncio.to_thread(model.begun.wait, 10)
        batcher.submit(question("gone")).cancel()
        last = batcher.submit(question("b"))
        model.go.set()
        await asyncio.gather(first, last)

    asyncio.run(ask())
    batcher.close()
    assert model.batches == [["a"], ["b"]]


def test_closing_answers_what_waits() -> None:
    model = Model()
    batcher = Batcher(model, Limits(wait_ms=1000), Metrics())

    async def ask() -> list[Answer]:
        asked = [batcher.submit(question(text)) for text in "abc"]
        closing = threading.Thread(target=batcher.close)
        closing.start()
        model.go.set()
        found = await asyncio.gather(*asked)
        closing.join()
        with pytest.raises(Refusal, match="stopping"):
            batcher.submit(question("late"))
        return found

    assert [answer.values for answer in asyncio.run(ask())] == [["a"], ["b"], ["c"]]

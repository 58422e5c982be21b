"""The example of a pipeline behind HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.inference.conftest import Answer
from tests.inference.test_pipelines import TEXTS, same

pytest.importorskip("fastapi", reason="the example of a server needs fastapi")
pytest.importorskip("httpx", reason="fastapi's test client needs httpx")


@pytest.fixture
def client(answering: Answer) -> Any:
    from fastapi.testclient import TestClient

    from examples.server import app_of

    return TestClient(app_of(answering("pairs")))


def test_a_batch(client: Any, answering: Answer) -> None:
    items = ["a good film", ["a good film", "the worst film"], {"text": "a", "text_pair": "b"}]
    reply = client.post("/predict", json={"inputs": items, "options": {"top_k": 2}})
    assert reply.status_code == 200
    pipe = answering("pairs", top_k=2)
    assert same(reply.json()["answers"], pipe([items[0], tuple(items[1]), items[2]]))
    assert client.post("/predict", json={"inputs": []}).json() == {"answers": []}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"inputs": ["a", ""]}', "Item 1 is empty"),
        ('{"inputs": [null]}', "Item 0 is None"),
        ('{"inputs": ["\\ud800"]}', "surrogate"),
        ('{"inputs": ["a"], "options": {"top_k": 0}}', "top_k=0"),
        ('{"inputs": ["a"], "options": {"colour": "red"}}', "no option"),
        ('{"inputs": "a"}', "list"),
        ("{", "JSON"),
    ],
)
def test_what_is_wrong_is_said(client: Any, body: str, said: str) -> None:
    reply = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422 and said in reply.text


def test_errors_in_place_of_answers(client: Any) -> None:
    reply = client.post("/predict", json={"inputs": ["a", None], "options": {"on_error": "return"}})
    first, second = reply.json()["answers"]
    assert first["label"] and second["error"].startswith("Item 1 is None")


def test_health(client: Any) -> None:
    assert client.get("/health").json()["status"] == "ok"


def test_requests_at_once(client: Any, answering: Answer) -> None:
    alone = answering("pairs")(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda text: client.post("/predict", json={"inputs": [text]}).json(), TEXTS))
    assert same([reply["answers"][0] for reply in replies], alone)

"""What gets no answer: its status, in the form of each protocol, and that nothing else suffers from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serve.conftest import Serve

OPENAI = "/v1/embeddings"
EMBED: dict[str, Any] = {"inputs": "a"}


def openai(**fields: Any) -> dict[str, Any]:
    return {"input": "a", "model": "embedder", **fields}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/embed", {}, 422, "'inputs' is missing"),
        ("/embed", {"inputs": 1}, 422, "'inputs' is a number; give a text"),
        ("/embed", {"inputs": ["a", None]}, 422, "item 1 is null"),
        ("/embed", {"inputs": ["a", ""]}, 400, "item 1 is empty"),
        ("/embed", {"inputs": []}, 400, "an empty list"),
        ("/embed", {"inputs": [[]]}, 400, "item 0 is an empty list"),
        ("/embed", {"inputs": [1, "a"]}, 422, "holds a text between token ids"),
        ("/embed", {"inputs": [True]}, 422, "token ids"),
        ("/embed", {"inputs": [10**30]}, 422, "token id"),
        ("/embed", {"inputs": [[-1]]}, 422, "token id -1"),
        ("/embed", {"inputs": "\ud800"}, 422, "surrogate"),
        ("/embed", {"inputs": "a" * 200_001}, 422, "200,000 characters"),
        ("/embed", {"inputs": "a", "colour": 1}, 422, "'colour' is unknown"),
        ("/embed", {"inputs": "a", "normalize": "yes"}, 422, "'normalize'"),
        ("/embed", {"inputs": "a", "dimensions": 0}, 422, "'dimensions'"),
        ("/embed", {"inputs": "a", "dimensions": 33}, 422, "more than the 32"),
        ("/embed", {"inputs": "a", "prompt_name": "no"}, 422, "no prompt"),
        ("/embed", {"inputs": "a", "truncation_direction": "up"}, 422, "'truncation_direction'"),
        ("/embed", ["a"], 422, "The body"),
        ("/embed_sparse", EMBED, 424, "dense vectors only"),
        ("/rerank", {"query": "a", "texts": ["b"]}, 424, "it answers /v1/embeddings, /embed"),
        ("/rerank", {"query": "a", "texts": []}, 400, "'texts' is an empty list"),
        ("/rerank", {"query": "", "texts": ["a"]}, 400, "'query' is empty"),
        ("/predict", {"inputs": "a"}, 424, "cannot do this"),
        ("/predict", {"inputs": ["a", "b", "c"]}, 422, "several are a list of lists"),
        ("/predict", {"inputs": [["a", "b", "c"]]}, 422, "item 0 has 3 texts"),
        ("/similarity", {"inputs": {"source_sentence": "a"}}, 422, "inputs.sentences"),
        ("/pipeline", {"inputs": ["a", 1]}, 422, "Item 1"),
        ("/pipeline", {"inputs": ["a"], "options": {"colour": 1}}, 422, "no option 'colour'"),
        ("/pipeline", {"inputs": ["a"], "options": {"max_length": 1}}, 422, "max_length=1"),
        ("/pipeline", {"inputs": ["a"], "options": {"num_beams": 10**6}}, 422, "'num_beams' may be at most 16"),
    ],
)
def test_in_the_form_of_text_embeddings_inference(
    serve: Serve, path: str, body: Any, status: int, said: str
) -> None:
    headers = {"Content-Type": "application/json"}
    reply = serve("embedder").post(path, content=json.dumps(body), headers=headers)
    found = reply.json()
    assert reply.status_code == status and said in found["error"] and list(found) == ["error", "error_type"]
    assert found["error_type"] == {400: "Empty", 422: "Validation", 424: "Backend"}[status]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (openai(model="other"), 404, "model_not_found", "model"),
        (openai(input=""), 400, None, "input"),
        (openai(input=[]), 400, None, "input"),
        (openai(dimensions=99), 400, None, "dimensions"),
        (openai(encoding_format="hex"), 400, None, "encoding_format"),
        (openai(colour=1), 400, None, "colour"),
        ({"input": "a"}, 400, None, "model"),
    ],
)
def test_in_openais_form(serve: Serve, body: Any, status: int, code: str | None, param: str) -> None:
    reply = serve("embedder").post(OPENAI, json=body)
    error = reply.json()["error"]
    assert reply.status_code == status and sorted(error) == ["code", "message", "param", "type"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_a_model_without_vectors(serve: Serve) -> None:
    client = serve("classifier")
    error = client.post(OPENAI, json=openai(model="classifier"))
    assert error.status_code == 424 and error.json()["error"]["type"] == "server_error"
    assert (
        client.post("/similarity", json={"inputs": {"source_sentence": "a", "sentences": ["b"]}}).status_code == 424
    )


@pytest.mark.parametrize("path", ["/embed", OPENAI])
@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", (422, 400)), (b"\xff", (422, 400)), (b"[" * 100_000, (422, 400)), (b"", (422, 400))],
)
def test_no_json(serve: Serve, path: str, content: bytes, status: tuple[int, int]) -> None:
    reply = serve("embedder").post(path, content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == status[path == OPENAI] and "body" in reply.text


def test_limits_of_a_request(serve: Serve) -> None:
    client = serve("embedder", max_client_batch_size=2, payload_limit=100)
    assert client.post("/embed", json={"inputs": ["a", "b"]}).status_code == 200
    many = client.post("/embed", json={"inputs": ["a", "b", "c"]})
    assert many.status_code == 413 and many.json()["error_type"] == "Validation"
    assert client.post("/embed", json={"inputs": "a" * 100}).status_code == 413
    assert client.post("/v1/embeddings", json=openai(input="a" * 100)).json()["error"]["param"] is None
    parts = (b"a" * 60 for _ in range(3))  # without a length
    assert client.post("/embed", content=parts, headers={"Content-Type": "application/json"}).status_code == 413


def test_other_routes_methods_and_types(serve: Serve) -> None:
    client = serve("embedder")
    assert client.post("/nothing", json={}).json()["error_type"] == "NotFound"
    assert client.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert client.get("/embed").status_code == 405
    assert (
        client.post("/embed", content='{"inputs": "a"}', headers={"Content-Type": "text/plain"}).status_code == 415
    )


def test_a_key(serve: Serve) -> None:
    client = serve("embedder", key="secret")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
        reply = client.post("/embed", json=EMBED, headers=headers)
        assert reply.status_code == 401 and reply.headers["www-authenticate"] == "Bearer"
        assert client.post(OPENAI, json=openai(), headers=headers).json()["error"]["code"] == "invalid_api_key"
    assert client.post("/embed", json=EMBED, headers={"Authorization": "Bearer secret"}).status_code == 200
    assert client.get("/health").status_code == client.get("/metrics").status_code == 200
    assert client.get("/info").status_code == 401


def test_too_many_requests(serve: Serve) -> None:
    client = serve("embedder", max_concurrent_requests=3)
    client.application.gate.held = 3
    for path, body in (("/embed", EMBED), (OPENAI, openai())):
        reply = client.post(path, json=body)
        assert reply.status_code == 429 and reply.headers["retry-after"] == "1"
    assert client.get("/health").status_code == 200
    client.application.gate.held = 0
    assert client.post("/embed", json=EMBED).status_code == 200


def test_stopping(serve: Serve) -> None:
    """Health says so, and what comes in on an open connection is answered and closes it."""
    client = serve("embedder")
    client.application.gate.stopping = True
    assert client.get("/health").json() == {"error": "The server is stopping.", "error_type": "Unhealthy"}
    reply = client.post("/embed", json=EMBED)
    assert reply.status_code == 200 and reply.headers["connection"] == "close"
    client.application.close()
    assert client.post("/embed", json=EMBED).status_code == 503

"""The routes of OpenAI and of text-embeddings-inference: their fields, and the numbers of the pipelines."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.serve.conftest import Serve

TEXTS = ["a good film", "the worst film from Paris", "another film"]
LONG = "a good film from Paris " * 40  # longer than a row of 128 tokens


@pytest.fixture(scope="module")
def vectors(folders: dict[str, Path]) -> np.ndarray:
    """[3, D] of TEXTS."""
    pipe: Any = zoo.pipeline("embeddings", folders["embedder"], engine="eager", precision="fp32")
    return pipe.encode(TEXTS, normalize_embeddings=True)


def near(found: Any, expected: Any) -> bool:
    return np.shape(found) == np.shape(expected) and np.allclose(found, expected, atol=1e-6)


def ids_of(client: Any, text: str) -> list[int]:
    tokenizer = client.application.batcher._compute.__self__.deployed.tokenizer
    return tokenizer([text], padding=False, return_tensors="np", truncation=False)["input_ids"][0].tolist()


# OpenAI


def test_openai(serve: Serve, vectors: np.ndarray) -> None:
    client = serve("embedder")
    reply = client.post("/v1/embeddings", json={"input": TEXTS, "model": "embedder", "user": "me"}).json()
    assert reply["object"] == "list" and reply["model"] == "embedder"
    assert [(row["object"], row["index"]) for row in reply["data"]] == [("embedding", n) for n in range(3)]
    assert near([row["embedding"] for row in reply["data"]], vectors)
    tokens = sum(len(ids_of(client, text)) for text in TEXTS)
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_openai_base64_is_little_endian_float32(serve: Serve, vectors: np.ndarray) -> None:
    body = {"input": TEXTS[0], "model": "embedder", "encoding_format": "base64"}
    row = serve("embedder").post("/v1/embeddings", json=body).json()["data"][0]
    assert near(np.frombuffer(base64.b64decode(row["embedding"]), "<f4"), vectors[0])


def test_fewer_dimensions_have_length_one(serve: Serve, vectors: np.ndarray) -> None:
    client, cut = serve("embedder"), vectors[:, :5] / np.linalg.norm(vectors[:, :5], axis=1, keepdims=True)
    body = {"input": TEXTS, "model": "embedder", "dimensions": 5}
    assert near([row["embedding"] for row in client.post("/v1/embeddings", json=body).json()["data"]], cut)
    assert near(client.post("/embed", json={"inputs": TEXTS, "dimensions": 5}).json(), cut)


@pytest.mark.parametrize("bare", [False, True])
def test_token_ids_are_the_models_own(serve: Serve, vectors: np.ndarray, bare: bool) -> None:
    """With the special tokens around them, or without."""
    client = serve("embedder")
    rows = [ids_of(client, text)[1:-1] if bare else ids_of(client, text) for text in TEXTS]
    many = client.post("/v1/embeddings", json={"input": rows, "model": "embedder"}).json()
    assert near([row["embedding"] for row in many["data"]], vectors)
    one = client.post("/v1/embeddings", json={"input": rows[0], "model": "embedder"}).json()
    assert near(one["data"][0]["embedding"], vectors[0])
    assert near(client.post("/embed", json={"inputs": [rows[0], TEXTS[1]]}).json(), vectors[:2])


def test_models(serve: Serve) -> None:
    assert [row["id"] for row in serve("embedder").get("/v1/models").json()["data"]] == ["embedder"]


# text-embeddings-inference


def test_embed(serve: Serve, vectors: np.ndarray) -> None:
    client = serve("embedder")
    assert near(client.post("/embed", json={"inputs": TEXTS}).json(), vectors)
    assert near(client.post("/embed", json={"inputs": TEXTS[0]}).json(), vectors[:1])
    raw = client.post("/embed", json={"inputs": TEXTS, "normalize": False, "dimensions": 5}).json()
    assert near(raw, vectors[:, :5]), "the model's own vectors have length one, their beginnings have not"


def test_too_long_texts_are_cut_where_it_is_said(serve: Serve) -> None:
    client = serve("embedder")
    whole = ids_of(client, LONG)
    assert len(whole) > 128
    for direction, kept in (("right", whole[1:127]), ("Left", whole[-127:-1])):
        body = {"inputs": LONG, "truncate": True, "truncation_direction": direction}
        reply = client.post("/embed", json=body)
        assert reply.headers["x-compute-tokens"] == "128"
        assert near(reply.json(), client.post("/embed", json={"inputs": kept}).json())
    refused = client.post("/embed", json={"inputs": ["a", LONG], "truncate": False})
    assert refused.status_code == 422 and f"{len(whole)} tokens" in refused.json()["error"]
    assert client.post("/embed", json={"inputs": "a", "truncate": False}).status_code == 200


def test_similarity(serve: Serve, vectors: np.ndarray) -> None:
    body = {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}}
    assert near(serve("embedder").post("/similarity", json=body).json(), vectors[1:] @ vectors[0])


def test_rerank(serve: Serve, folders: dict[str, Path]) -> None:
    client = serve("reranker")
    rerank = zoo.pipeline("rerank", folders["reranker"], engine="eager", precision="fp32")
    for raw, function in ((False, "sigmoid"), (True, "none")):
        expected = rerank(("a film", TEXTS), function_to_apply=function)
        body = {"query": "a film", "texts": TEXTS, "raw_scores": raw}
        found = client.post("/rerank", json=body).json()
        assert [row["index"] for row in found] == [row["corpus_id"] for row in expected]
        assert near([row["score"] for row in found], [row["score"] for row in expected])
    with_texts = client.post("/rerank", json={"query": "a film", "texts": TEXTS, "return_text": True}).json()
    assert [row["text"] for row in with_texts] == [TEXTS[row["index"]] for row in with_texts]
    refused = client.post("/rerank", json={"query": "a", "texts": [LONG], "truncate": False})
    assert refused.status_code == 422


def test_predict(serve: Serve, folders: dict[str, Path]) -> None:
    client = serve("classifier")
    classify = zoo.pipeline("classification", folders["classifier"], engine="eager", precision="fp32", top_k=None)
    texts, pair = ["badofi", "gelu"], ("badofi", "gelu")

    def predict(inputs: Any, **options: Any) -> Any:
        return client.post("/predict", json={"inputs": inputs, **options}).json()

    def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
        labels = [row["label"] for row in found] == [row["label"] for row in expected]
        return labels and near([row["score"] for row in found], [row["score"] for row in expected])

    assert same(predict(texts[0]), classify(texts[0])) and same(predict(texts[:1]), classify(texts[0]))
    assert same(predict(texts), classify(pair)), "a flat list of two is a pair"
    several = predict([[texts[0]], texts])
    assert same(several[0], classify(texts[0])) and same(several[1], classify(pair))
    assert same(predict(texts[0], raw_scores=True), classify(texts[0], function_to_apply="none"))


def test_pipeline_takes_what_the_pipeline_takes(serve: Serve, folders: dict[str, Path]) -> None:
    client = serve("classifier")
    classify = zoo.pipeline("classification", folders["classifier"], engine="eager", precision="fp32")
    body = {"inputs": ["badofi", ["badofi", "gelu"]], "options": {"top_k": 2}}
    answers = client.post("/pipeline", json=body).json()["answers"]
    assert [row[0]["label"] for row in answers] == [
        classify(item)["label"] for item in ("badofi", ("badofi", "gelu"))
    ]


# What there is besides


@pytest.mark.parametrize(
    ("kind", "model_type"), [("embedder", "embedding"), ("reranker", "reranker"), ("classifier", "classifier")]
)
def test_info(serve: Serve, kind: str, model_type: str) -> None:
    found = serve(kind, max_client_batch_size=7).get("/info").json()
    assert found["model_id"] == kind and list(found["model_type"]) == [model_type]
    assert (
        found["max_client_batch_size"] == 7 and found["model_dtype"] == "fp32" and found["max_input_length"] >= 40
    )


def test_metrics_are_prometheus_text(serve: Serve) -> None:
    client = serve("embedder")
    client.post("/embed", json={"inputs": TEXTS})
    client.post("/embed", json={"inputs": []})
    client.get("/nothing")
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in reply.text.splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
    assert found['zoo_requests_total{route="/embed",status="200"}'] == 1
    assert found['zoo_requests_total{route="/embed",status="400"}'] == 1
    assert found['zoo_requests_total{route="other",status="404"}'] == 1
    assert found["zoo_batch_requests_count"] == 1 and found["zoo_tokens_total"] > 9
    assert found["zoo_request_seconds_count"] == found['zoo_request_seconds_bucket{le="+Inf"}'] == 3

"""Tiny models behind the application, asked without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.map import small
from tests.tiny_models import network, reviewer_folder

pytest.importorskip("fastapi", reason="zoo.serve needs fastapi")
pytest.importorskip("httpx", reason="fastapi's test client needs httpx")

Serve = Callable[..., Any]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of sentences, one of two classes, and one that scores pairs."""
    root = tmp_path_factory.mktemp("serve")
    reranker = zoo.load(network(root / "words" / "base", "english"), task="classification", labels=1)
    for tensor in reranker.head.parameters():
        if tensor.ndim == 2:
            tensor.set_value(tensor * 20)
    reranker.save(root / "reranker")
    return {
        "embedder": small.embedder(root),
        "classifier": reviewer_folder(root / "classifier", root / "data", rows=20),
        "reranker": root / "reranker",
    }


@pytest.fixture(scope="session")
def models(folders: dict[str, Path]) -> Callable[..., Any]:
    """A served model of a kind, by the reference engine."""
    from zoo.inference.deployed import deploy
    from zoo.serve.model import ServedModel

    made: dict[str, Any] = {}

    def model(kind: str, **given: Any) -> Any:
        if kind not in made:
            made[kind] = deploy(folders[kind], None, "eager", "fp32")
        return ServedModel(made[kind], name=given.pop("name", kind), **given)

    return model


@pytest.fixture
def serve(models: Callable[..., Any]) -> Iterator[Serve]:
    """A client of a kind of model: `serve("embedder", max_client_batch_size=3)`."""
    from fastapi.testclient import TestClient

    from zoo.serve.app import Application
    from zoo.serve.limits import Limits

    made: list[Application] = []

    def client(kind: str, key: str = "", **limits: Any) -> TestClient:
        application = Application(models(kind), Limits(**limits), key)
        made.append(application)
        found = TestClient(application.gate, raise_server_exceptions=False)
        found.application = application  # type: ignore[attr-defined]
        return found

    yield client
    for application in made:
        application.close()

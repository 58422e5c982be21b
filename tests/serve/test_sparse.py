"""Weights of words over HTTP, of a model that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.convert.conftest import TINY
from zoo import registry

pytestmark = pytest.mark.torch
TEXTS = ["A model reads a model.", "今天的天气很好。", "☃ snow a model"]


def test_sparse_vectors_are_those_of_the_pipeline(
    serve: Callable[..., Any], folders: dict[str, Path], tmp_path: Path
) -> None:
    from conversion import random_snapshot

    folders["m3"] = random_snapshot.write(registry.info("BAAI/bge-m3"), tmp_path / "m3", config=TINY)
    client = serve("m3")
    assert "/embed_sparse" in client.get("/info").json()["routes"]
    found = client.post("/embed_sparse", json={"inputs": TEXTS})
    assert found.status_code == 200
    pipe = zoo.pipeline("embeddings", folders["m3"], engine="eager", precision="fp32", outputs="sparse")
    for row, expected in zip(found.json(), pipe(TEXTS), strict=True):
        weights = {cell["index"]: cell["value"] for cell in row}
        assert weights == pytest.approx({int(token): weight for token, weight in expected.sparse.items()}, rel=1e-5)
    assert len(client.post("/embed", json={"inputs": TEXTS[0]}).json()) == 1

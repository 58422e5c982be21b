"""Vectors of a pipeline: compared, searched among, as codes and in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.convert.conftest import snapshot
from tests.inference.conftest import Answer
from tests.inference.test_pipelines import TEXTS
from zoo.errors import InputError, UsageError
from zoo.search import quantize_embeddings

__all__ = ["snapshot"]  # a fixture
Folders = Callable[[str], Path]

# --- vectors ---


def test_vectors(answering: Answer, folders: Folders) -> None:
    pipe, model = answering("embeddings"), zoo.load(folders("embeddings"))
    vectors = pipe(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, model(**model.tokenizer(text)).embeddings[0].numpy(), atol=1e-5)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_similarity_and_search(answering: Answer) -> None:
    pipe: Any = answering("embeddings")
    assert pipe.similarity("a good film", "a good film") == pytest.approx(1, abs=1e-5)
    corpus = ["a good film", "an umbrella", "number five"]
    table = pipe.similarity(corpus, np.stack(pipe(corpus)))
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-5)
    np.testing.assert_allclose(pipe.similarity(pipe(corpus[0]), corpus), table[:1], atol=1e-5)
    with pytest.raises(InputError, match="different numbers"):
        pipe.similarity([np.ones(3), np.ones(4)], corpus)
    with pytest.raises(InputError, match="Item 0"):
        pipe.similarity(5, corpus)
    best = pipe.search("an umbrella", corpus, top_k=2)
    assert best[0]["corpus_id"] == 1 and len(best) == 2
    assert best[0]["score"] >= best[1]["score"]
    several = pipe.search(["an umbrella", "number five"], pipe(corpus))
    assert [hits[0]["corpus_id"] for hits in several] == [1, 2] and len(several[0]) == 3
    with pytest.raises(InputError, match="Item 1"):
        pipe.search("a", ["b", None])
    with pytest.raises(InputError, match="no text"):
        pipe.search("a", [])
    with pytest.raises(UsageError, match="top_k=0"):
        pipe.search("a", corpus, top_k=0)


def test_vectors_as_codes_and_in_files(answering: Answer, tmp_path: Path) -> None:
    pipe: Any = answering("embeddings")
    corpus = ["a good film", "an umbrella", "number five"]
    vectors = pipe.encode(corpus)
    for precision in ("binary", "ubinary", "int8"):
        wanted = quantize_embeddings(vectors, precision)
        np.testing.assert_array_equal(pipe.encode(corpus, precision=precision), wanted)
    assert (
        pipe.encode(corpus[0], precision="ubinary").tolist() == quantize_embeddings(vectors, "ubinary")[0].tolist()
    )
    with pytest.raises(UsageError, match="'int4'"):
        pipe.encode(corpus, precision="int4")
    np.save(tmp_path / "vectors.npy", vectors)
    wanted = pipe.search(corpus, vectors)
    for given in (tmp_path / "vectors.npy", [tmp_path / "vectors.npy"], pipe(corpus), iter(vectors)):
        assert pipe.search(corpus, given) == wanted


def test_any_encoder_gives_vectors(folders: Folders) -> None:
    pipe = zoo.pipeline("feature-extraction", folders("classification"), engine="eager")
    assert np.linalg.norm(pipe("a film")) == pytest.approx(1, abs=1e-5)

"""Rerankers: the order of texts, scores raw or between 0 and 1, and what is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.tiny_models import network
from zoo.errors import InputError, UsageError
from zoo.inference.pipelines.rerank import Rerank

QUERY = "a good film"
TEXTS = ["the worst film from Paris", "a good film", "another film", "the film from Paris is another good film"]


@pytest.fixture(scope="module")
def rerank(tmp_path_factory: pytest.TempPathFactory) -> Rerank:
    folder = tmp_path_factory.mktemp("rerank")
    model = zoo.load(network(folder / "base", "english"), task="classification", labels=1)
    for tensor in model.head.parameters():
        if tensor.ndim == 2:
            tensor.set_value(tensor * 20)
    model.save(folder / "reranker")
    return zoo.pipeline("rerank", folder / "reranker", engine="eager")  # type: ignore[return-value]


def scores_by_hand(rerank: Rerank, query: str, texts: list[str]) -> list[float]:
    classify = zoo.pipeline("classification", rerank.deployed)
    return [row["score"] for row in classify([(query, text) for text in texts], function_to_apply="none")]


def test_best_first_with_the_scores_of_a_cross_encoder(rerank: Rerank) -> None:
    expected = scores_by_hand(rerank, QUERY, TEXTS)
    raw = rerank(QUERY, TEXTS, function_to_apply="none")
    assert [row["corpus_id"] for row in raw] == np.argsort(-np.array(expected), kind="stable").tolist()
    assert {row["corpus_id"]: row["score"] for row in raw} == pytest.approx(dict(enumerate(expected)), abs=1e-6)
    usual = rerank(QUERY, TEXTS, top_k=2)
    assert len(usual) == 2 and usual[0]["corpus_id"] == raw[0]["corpus_id"]
    assert usual[0]["score"] == pytest.approx(1 / (1 + np.exp(-raw[0]["score"])))


def test_several_queries(rerank: Rerank) -> None:
    items = [(QUERY, TEXTS), {"query": "Paris", "texts": TEXTS[:1]}]
    found = rerank(items)
    assert [len(rows) for rows in found] == [4, 1]
    assert [row["corpus_id"] for row in found[0]] == [row["corpus_id"] for row in rerank(QUERY, TEXTS)]
    assert found[1][0]["score"] == pytest.approx(rerank("Paris", TEXTS[:1])[0]["score"])
    assert list(rerank(iter(items))) == found


def test_texts_are_cut_and_queries_at_three_quarters(rerank: Rerank) -> None:
    """A query of 20 words has 12 of 16 tokens; the text gets what is left of the row."""
    item = rerank.preprocess((" ".join(["film"] * 20), [" ".join(["Paris", "good"] * 9), "good"]))
    features = rerank.encode([item], **{**rerank.options, "max_length": 16})
    film, paris, good = rerank.tokenizer.convert_tokens_to_ids(["film", "paris", "good"])
    start, end = rerank.tokenizer.cls_token_id, rerank.tokenizer.sep_token_id
    rows = [row[0].tolist() for row in ([features.columns["input_ids"][n]] for n in range(2))]
    assert rows == [[start, *[film] * 12, end, word, end] for word in (paris, good)]
    with pytest.raises(UsageError, match="max_length=8 leaves no room"):
        rerank(item.query, item.texts, max_length=8)


@pytest.mark.parametrize(
    ("query", "texts", "said"),
    [
        (QUERY, [], "Give a list of one text or more"),
        (QUERY, "a text", "Give a list of one text or more"),
        (QUERY, ["a", 3], "text 1"),
        ("", ["a"], "query"),
    ],
)
def test_what_cannot_be_ranked(query: str, texts: object, said: str, rerank: Rerank) -> None:
    with pytest.raises(InputError, match=said):
        rerank(query, texts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a tuple of the two"):
        rerank("a text alone")


def test_a_model_with_classes_is_no_reranker(rerank: Rerank, folders: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="one score"):
        zoo.pipeline("rerank", folders("classification"), engine="eager")

"""Dense, sparse and ColBERT embeddings of a pipeline: FlagEmbedding's numbers, by every engine; scores, mixes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from tests.convert.conftest import TINY
from zoo import registry
from zoo.errors import InputError, UsageError
from zoo.inference.engines import ENGINES, missing
from zoo.inference.pipelines import hybrid
from zoo.inference.pipelines.embeddings import Embeddings
from zoo.inference.pipelines.hybrid import KINDS, HybridEmbedding

pytestmark = pytest.mark.torch
TEXTS = ["A model reads a model.", "She paid 19 for it, she said.", "今天的天气很好。", "a", "☃ snow a model"]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conversion import random_snapshot

    return random_snapshot.write(registry.info("BAAI/bge-m3"), tmp_path_factory.mktemp("m3") / "m", config=TINY)


@pytest.fixture(scope="module")
def embed(upstream: Path) -> Embeddings:
    return zoo.pipeline("embeddings", upstream, engine="eager", precision="fp32")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def expected(upstream: Path, embed: Embeddings) -> list[dict[str, Any]]:
    """What FlagEmbedding makes of each text alone."""
    from transformers import XLMRobertaModel

    from conversion import flag_embedding

    peer = flag_embedding.M3(XLMRobertaModel.from_pretrained(upstream), upstream).eval()
    rows = []
    for text in TEXTS:
        ids = embed.tokenizer(text, return_tensors="np")["input_ids"]
        with torch.no_grad():
            out = peer(torch.tensor(ids))
        weights = out["token_weights"][0].tolist()
        sparse = flag_embedding.lexical_weights(ids[0].tolist(), weights, {0, 1, 2, 3})
        rows.append({"dense": out["embeddings"][0], "sparse": sparse, "colbert": out["token_vectors"][0, 1:]})
    return rows


def same(found: list[HybridEmbedding], expected: list[dict[str, Any]], atol: float = 1e-5) -> None:
    assert len(found) == len(expected)
    for one, row in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.dense, row["dense"], atol=atol)
        np.testing.assert_allclose(one.colbert, row["colbert"], atol=atol)
        assert one.sparse is not None and {str(token) for token in one.sparse} == row["sparse"].keys()
        assert dict(one.sparse) == pytest.approx({int(t): w for t, w in row["sparse"].items()}, abs=atol)


def test_the_three_outputs_of_texts(embed: Embeddings, expected: list[dict[str, Any]]) -> None:
    same(embed(TEXTS, outputs=KINDS), expected)
    assert any(3 in embed.tokenizer(text, return_tensors="np")["input_ids"] for text in TEXTS)
    assert not any(token in (0, 1, 2, 3) for row in embed(TEXTS, outputs=KINDS) for token in row.sparse)
    one = embed(TEXTS[1], outputs=("colbert", "sparse"))
    assert one.dense is None and one.colbert.dtype == np.float32
    np.testing.assert_allclose(one.colbert, expected[1]["colbert"], atol=1e-5)
    assert isinstance(embed(TEXTS[1]), np.ndarray)  # dense alone is what it always was
    np.testing.assert_allclose(embed(TEXTS[1]), expected[1]["dense"], atol=1e-5)
    cut = embed(TEXTS[0], outputs=KINDS, truncate_dim=5, normalize_embeddings=True)
    assert cut.dense.shape == (5,) and np.linalg.norm(cut.dense) == pytest.approx(1)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "eager" and not missing(name)])
def test_every_engine_gives_them(
    engine: str, upstream: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    from zoo.export.run import ENGINE_OF_FORMAT
    from zoo.export.run import export as deploy

    to = next(name for name, runs in ENGINE_OF_FORMAT.items() if runs == engine)
    report = deploy(upstream, tmp_path / "out", to=to)
    assert report.outputs == ("embeddings", "token_weights", "token_vectors")
    assert max(one.largest for one in report.differences.values()) < 1e-4
    pipe = zoo.pipeline("embeddings", tmp_path / "out", precision="fp32", outputs=KINDS)
    same(pipe(TEXTS), expected, atol=1e-4)


def test_a_window_of_vectors_of_tokens_is_small(embed: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.inference.pipelines import embeddings

    monkeypatch.setattr(embeddings, "COLBERT_CHARACTERS", 20)
    read: list[str] = []
    answers = embed((read.append(text) or text for text in TEXTS * 9), outputs=("colbert",))
    next(answers)
    assert len(read) == 1
    assert sum(1 for _ in answers) == 9 * len(TEXTS) - 1


def test_scores_are_those_of_compute_score(embed: Embeddings, expected: list[dict[str, Any]]) -> None:
    from conversion import flag_embedding

    weights = (0.4, 0.2, 0.4)
    found = embed.scores(TEXTS[:2], TEXTS, weights)
    for n, query in enumerate(expected[:2]):
        for m, passage in enumerate(expected):
            wanted = flag_embedding.mixed(
                float(query["dense"] @ passage["dense"]),
                flag_embedding.lexical_score(query["sparse"], passage["sparse"]),
                flag_embedding.colbert_score(query["colbert"], passage["colbert"]),
                weights,
            )
            assert {name: table[n, m] for name, table in found.items()} == pytest.approx(wanted, abs=1e-5)
    kept = embed(TEXTS, outputs=KINDS)
    for name, table in embed.scores(TEXTS[:2], kept, weights).items():
        np.testing.assert_allclose(table, found[name], atol=1e-6)
    assert set(embed.scores("a", "b", outputs=("dense", "sparse"))) == {"dense", "sparse", "sparse+dense"}
    equal = embed.scores(TEXTS[0], TEXTS[1])
    assert equal["sparse+dense"] == pytest.approx((equal["sparse"] + equal["dense"]) / 2)


def test_hand_made_scores() -> None:
    query, text = (
        HybridEmbedding(np.array([1.0, 0.0]), {5: 0.5, 7: 2.0}, np.array([[1.0, 0.0], [0.0, 1.0]])),
        HybridEmbedding(np.array([0.6, 0.8]), {7: 0.25, 9: 1.0}, np.array([[0.6, 0.8]])),
    )
    found = hybrid.scores([query], [text], (2, 1, 1))
    assert {name: float(table[0, 0]) for name, table in found.items()} == pytest.approx(
        {"dense": 0.6, "sparse": 0.5, "colbert": 0.7, "sparse+dense": 1.7 / 3, "colbert+sparse+dense": 2.4 / 4}
    )
    assert hybrid.lexical(np.array([4, 8, 4, 0]), np.array([0.1, 0.0, 0.3, 0.9]), {0}) == {4: 0.3}


def test_what_does_not_work_is_said(embed: Embeddings, answering: Any) -> None:
    for given in (("dens",), (), 5, "sparse+dense"):
        with pytest.raises(UsageError, match="outputs"):
            embed(TEXTS, outputs=given)
    for weights in ((1, 1), (1, 1, -1), (1, float("nan"), 1), "abc", (0, 0, 0)):
        with pytest.raises(UsageError, match="weights"):
            embed.scores(TEXTS[0], TEXTS, weights)
    with pytest.raises(InputError, match="no text"):
        embed.scores([], TEXTS)
    with pytest.raises(InputError, match="in common"):
        embed.scores(embed(TEXTS, outputs=("sparse",)), embed(TEXTS, outputs=("colbert",)))
    with pytest.raises(UsageError, match=r"colbert_linear\.pt") as caught:
        answering("embeddings")("a good film", outputs=KINDS)
    assert "no sparse and no colbert" in caught.value.message


def test_answers_in_a_file(embed: Embeddings, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n".join(TEXTS[:2]) + "\n")
    assert embed.map_file(tmp_path / "in.txt", tmp_path / "out.jsonl", outputs=("sparse", "dense")) == 2
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert all(row.keys() == {"dense", "sparse"} for row in rows)
    assert all(token.isdecimal() for token in rows[0]["sparse"])

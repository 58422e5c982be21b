"""Metrics of rankings, of pairs and of mined translations, beside pytrec_eval, scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
from sklearn.metrics import average_precision_score, ndcg_score

from zoo import metrics
from zoo.errors import InputError
from zoo.metrics.pairs import compared
from zoo.metrics.ranking import CUTS

TREC_NAMES = {"ndcg": "ndcg_cut", "map": "map_cut", "recall": "recall", "precision": "P"}


def judged(
    seed: int, queries: int = 20, documents: int = 150, levels: int = 4
) -> tuple[np.ndarray, list[str], dict]:
    """Scores with many ties, ids in no order, and graded judgements."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, (queries, documents)).astype(np.float32) / 8
    ids = [f"d{n}" for n in rng.permutation(documents)]
    gains = {}
    for n in range(queries):
        chosen = rng.choice(documents, rng.integers(1, 15), replace=False)
        gains[f"q{n}"] = {ids[d]: int(rng.integers(1, levels)) for d in chosen}
    return scores, ids, gains


@pytest.mark.parametrize("seed", range(5))
def test_rankings_are_scored_as_trec_eval_scores_them(seed: int) -> None:
    scores, ids, relevant = judged(seed, levels=2 if seed < 2 else 4)
    ranked = metrics.rank(scores, np.eye(len(ids), dtype=np.float32), ids, "dot")
    gains = [
        np.array([each.get(ids[n], 0) for n in row]) for row, each in zip(ranked, relevant.values(), strict=True)
    ]
    ours = metrics.ranking_scores(gains, [list(each.values()) for each in relevant.values()])
    run = {name: dict(zip(ids, map(float, row), strict=True)) for name, row in zip(relevant, scores, strict=True)}
    measures = {f"{name}.{','.join(map(str, CUTS))}" for name in TREC_NAMES.values()}
    theirs = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(run)
    for name, trec in TREC_NAMES.items():
        for k in CUTS:
            want = 100 * np.mean([row[f"{trec}_{k}"] for row in theirs.values()])
            assert ours[f"{name}@{k}"] == pytest.approx(want, abs=1e-9), (name, k)


def test_a_cut_ranking_is_the_head_of_the_whole_one() -> None:
    scores, ids, _ = judged(7)
    documents = np.eye(len(ids), dtype=np.float32)
    whole, head = (metrics.rank(scores, documents, ids, "dot", depth) for depth in (len(ids), 10))
    assert head.tolist() == whole[:, :10].tolist()


def test_mrr_is_one_over_the_first_relevant_rank() -> None:
    found = metrics.ranking_scores([np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])], [[1, 1], [1]])
    assert found["mrr@3"] == pytest.approx(100 / 6) and found["mrr@1"] == 0.0


def test_queries_without_a_relevant_document_are_refused() -> None:
    with pytest.raises(InputError, match="relevant document"):
        metrics.ranking_scores([np.array([1.0])], [[]])


def test_reranking() -> None:
    rng = np.random.default_rng(3)
    scores = [rng.normal(size=12) for _ in range(8)]
    relevant = [rng.integers(0, 2, 12) for _ in range(8)]
    found = metrics.reranking_scores([*scores, scores[0]], [*relevant, np.zeros(12)])
    precisions = [average_precision_score(y, s) for y, s in zip(relevant, scores, strict=True)]
    gains = [ndcg_score([y], [s], k=10) for y, s in zip(relevant, scores, strict=True)]
    assert found["map"] == pytest.approx(100 * sum(precisions) / 9)
    assert found["ndcg@10"] == pytest.approx(100 * sum(gains) / 9)


def by_hand(scores: np.ndarray, gold: np.ndarray) -> tuple[float, float, float, float]:
    """Best accuracy and F1 with their thresholds, by the loops that sentence-transformers runs."""
    rows = sorted(zip(scores.tolist(), gold.tolist(), strict=True), key=lambda row: row[0], reverse=True)
    positives, negatives, best, cut = 0, int((gold == 0).sum()), 0.0, -1.0
    hits, best_f1, f1_cut = 0, 0.0, 0.0
    for n in range(len(rows) - 1):
        middle = (rows[n][0] + rows[n + 1][0]) / 2
        positives, negatives = (positives + 1, negatives) if rows[n][1] == 1 else (positives, negatives - 1)
        if (positives + negatives) / len(rows) > best:
            best, cut = (positives + negatives) / len(rows), middle
        hits += rows[n][1] == 1
        if hits:
            precision, recall = hits / (n + 1), hits / int(gold.sum())
            if 2 * precision * recall / (precision + recall) > best_f1:
                best_f1, f1_cut = 2 * precision * recall / (precision + recall), middle
    return 100 * best, cut, 100 * best_f1, f1_cut


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_scored_as_sentence_transformers_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 60, 4)).round(1)
    gold = rng.integers(0, 2, 60)
    found = metrics.pair_scores(a, b, gold, "dot")
    for name in ("cosine", "dot"):
        scores = compared(a, b, name)
        accuracy, cut, f1, f1_cut = by_hand(scores, gold)
        assert found[f"{name}-accuracy"] == pytest.approx(accuracy)
        assert found[f"{name}-accuracy-threshold"] == pytest.approx(cut)
        assert found[f"{name}-f1"] == pytest.approx(f1)
        assert found[f"{name}-f1-threshold"] == pytest.approx(f1_cut)
        assert found[f"{name}-ap"] == pytest.approx(100 * average_precision_score(gold, scores))
    assert found["similarity-ap"] == found["dot-ap"]
    assert found["max-ap"] == max(found[f"{m}-ap"] for m in ("cosine", "dot", "euclidean", "manhattan"))


def test_translations_are_scored_as_weighted_averages() -> None:
    found = metrics.bitext_scores(np.array([0, 0, 2, 1]), np.arange(4))
    assert found == pytest.approx(
        {"f1": 100 * (2 / 3 + 1) / 4, "precision": 37.5, "recall": 50.0, "accuracy": 50.0}
    )


def test_pairs_are_mined_each_sentence_once() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(30, 16))
    b = np.concatenate([a[:20] + 0.05 * rng.normal(size=(20, 16)), rng.normal(size=(15, 16))])
    mined = metrics.mined_pairs(a, b)
    assert len({n for n, _, _ in mined}) == len({m for _, m, _ in mined}) == len(mined)
    assert {(n, m) for n, m, _ in mined[:20]} == {(n, n) for n in range(20)}
    assert [score for *_, score in mined] == sorted((score for *_, score in mined), reverse=True)
    named = [((str(n), str(m)), score) for n, m, score in mined]
    gold = {(str(n), str(n)) for n in range(20)}
    scores = metrics.mining_scores(named, gold, metrics.best_margin(named, gold))
    assert scores == {"f1": 100.0, "precision": 100.0, "recall": 100.0}

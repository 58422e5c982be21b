"""Computes metrics of ranked documents, as trec_eval and mteb define them. In percent.

Of documents with the same score the one with the larger id (as text) comes first, as in trec_eval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from zoo.errors import InputError
from zoo.metrics.extra import extra
from zoo.search.semantic import nearest

CUTS = (1, 3, 5, 10, 20, 100, 1000)
DEEPEST = max(CUTS)


def rank(
    queries: np.ndarray, documents: np.ndarray, ids: Sequence[str], similarity: str, depth: int = DEEPEST
) -> np.ndarray:
    """Gives for each query the numbers of the best documents, best first.

    Args:
        queries: [N, D].
        documents: [M, D].
        ids: [M], of the documents.
        similarity: of `zoo.search.compare.SIMILARITIES`.
        depth: how many are wanted.

    Returns:
        int64 [N, min(depth, M)].
    """
    order = np.argsort(np.asarray(ids, dtype=object), kind="stable")[::-1]  # the lower row wins: the larger id
    return order[nearest(queries, documents[order], depth, similarity).rows]


def ranking_scores(gains: Sequence[np.ndarray], relevant: Sequence[Sequence[float]]) -> dict[str, float]:
    """Computes NDCG, MAP, recall, precision and MRR at `CUTS`, means over queries.

    Gains are linear, as trec_eval's; MAP and recall divide by all relevant documents of the query, precision by k
    even where fewer documents were ranked.

    Args:
        gains: of each query, the relevance of the ranked documents, best first; 0 means not relevant.
        relevant: of each query, the relevance of its relevant documents in any order.

    Returns:
        "ndcg@10" -> percent, and so on.

    Raises:
        InputError: there is no query, or one without a relevant document.
    """
    if not relevant or not all(len(each) for each in relevant):
        raise InputError("Each query needs a relevant document, and there must be a query.")
    sums = dict.fromkeys(
        (f"{name}@{k}" for name in ("ndcg", "map", "recall", "precision", "mrr") for k in CUTS), 0.0
    )
    for row, of_query in zip(gains, relevant, strict=True):
        for name, value in _of_query(np.asarray(row, np.float64), np.asarray(of_query, np.float64)):
            sums[name] += value
    return {name: 100 * value / len(relevant) for name, value in sums.items()}


def _of_query(gains: np.ndarray, relevant: np.ndarray) -> Iterator[tuple[str, float]]:
    hit = gains > 0
    ranks = np.arange(1, gains.size + 1)
    found = np.cumsum(hit)
    discounted = np.cumsum(gains / np.log2(ranks + 1))
    best = np.sort(relevant)[::-1][:DEEPEST]
    ideal = np.cumsum(best / np.log2(np.arange(2, best.size + 2)))
    precisions = np.cumsum(np.where(hit, found / ranks, 0.0))
    first = int(np.argmax(hit)) + 1 if hit.any() else 0
    for k in CUTS:
        last = min(k, gains.size) - 1
        yield f"ndcg@{k}", _at(discounted, last) / ideal[min(k, ideal.size) - 1]
        yield f"map@{k}", _at(precisions, last) / relevant.size
        yield f"recall@{k}", _at(found, last) / relevant.size
        yield f"precision@{k}", _at(found, last) / k
        yield f"mrr@{k}", 1 / first if 0 < first <= k else 0.0


def _at(sums: np.ndarray, last: int) -> float:
    return float(sums[last]) if last >= 0 else 0.0


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Computes the average precision; equal scores are one step (scikit-learn's).

    Args:
        scores: [N], the more alike the larger.
        relevant: [N], 1 or 0.

    Returns:
        Percent; 0 where nothing is relevant.
    """
    with extra():
        from sklearn.metrics import average_precision_score

    return 100 * float(average_precision_score(relevant, scores)) if np.any(np.asarray(relevant) == 1) else 0.0


def reranking_scores(scores: Sequence[np.ndarray], relevant: Sequence[np.ndarray]) -> dict[str, float]:
    """Computes MAP, MRR@10 and NDCG@10 of candidates that each query brings along, as sentence-transformers does.

    A query of which no candidate is relevant counts 0. Equal scores keep the order of the candidates.

    Args:
        scores: of each query, of its candidates.
        relevant: of each query, 1 or 0 for each candidate.
    """
    made: Mapping[str, list[float]] = {"map": [], "mrr@10": [], "ndcg@10": []}
    for row, wanted in zip(scores, relevant, strict=True):
        gains = (np.asarray(wanted) == 1)[np.argsort(-row, kind="stable")].astype(np.float64)
        found = dict(_of_query(gains, gains[gains > 0])) if gains.any() else {}
        made["map"].append(average_precision(row, wanted))
        for name in ("mrr@10", "ndcg@10"):
            made[name].append(100 * found.get(name, 0.0))
    return {name: float(np.mean(values)) for name, values in made.items()}

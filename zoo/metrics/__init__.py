"""Computes metrics of gold and predicted answers, by plain functions. All in percent.

Libraries do the counting where a well-kept one exists; they are in the extra `finetune`, and imported when a metric
is computed.
"""

from zoo.metrics.entities import (
    LOOSE_SCHEMES,
    STRICT_SCHEMES,
    as_iob2,
    entities_score,
    spans,
    tags_accuracy,
    tags_of,
    tags_score,
    texts_score,
)
from zoo.metrics.generated import character_scores, generated_scores, rouge_scores, sacrebleu_scores
from zoo.metrics.mining import best_margin, mined_pairs, mining_scores
from zoo.metrics.pairs import correlations, pair_scores
from zoo.metrics.ranking import average_precision, rank, ranking_scores, reranking_scores
from zoo.metrics.retrieval import bitext_scores, nearest, retrieval_accuracy
from zoo.metrics.squad import answer_score, answer_scores, best_threshold, mean_percent
from zoo.metrics.text import TEXT_METRICS, accuracy, f1, macro_f1, matthews, pearson, spearman

__all__ = [
    "LOOSE_SCHEMES",
    "STRICT_SCHEMES",
    "TEXT_METRICS",
    "accuracy",
    "answer_score",
    "answer_scores",
    "as_iob2",
    "average_precision",
    "best_margin",
    "best_threshold",
    "bitext_scores",
    "character_scores",
    "correlations",
    "entities_score",
    "f1",
    "generated_scores",
    "macro_f1",
    "matthews",
    "mean_percent",
    "mined_pairs",
    "mining_scores",
    "nearest",
    "pair_scores",
    "pearson",
    "rank",
    "ranking_scores",
    "reranking_scores",
    "retrieval_accuracy",
    "rouge_scores",
    "sacrebleu_scores",
    "spans",
    "spearman",
    "tags_accuracy",
    "tags_of",
    "tags_score",
    "texts_score",
]

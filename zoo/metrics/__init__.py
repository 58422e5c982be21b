"""Metrics: plain functions of gold and predicted answers. All in percent.

Libraries do the counting where a well-kept one exists; they are in the extra `finetune` and imported
when a metric is computed.
"""

from zoo.metrics.entities import SCHEMES, entities_score, spans, tags_accuracy, tags_score
from zoo.metrics.text import TEXT, accuracy, f1, macro_f1, matthews, pearson, spearman

__all__ = [
    "SCHEMES",
    "TEXT",
    "accuracy",
    "entities_score",
    "f1",
    "macro_f1",
    "matthews",
    "pearson",
    "spans",
    "spearman",
    "tags_accuracy",
    "tags_score",
]

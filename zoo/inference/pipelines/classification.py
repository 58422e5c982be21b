"""Which class a text or a pair belongs to, or which number it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.inference.pipelines.base import Outputs, Pipeline, softmax
from zoo.inference.pipelines.items import whole
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features

MANY = "multi_label_classification"


class TextClassification(Pipeline):
    """{"label": ..., "score": ...}, the score a probability (of regression the number itself).

    Options: top_k, the number of classes to return, best first: 1 gives a dict, more a list, None all of them;
    max_length, tokens of a row, longer texts are cut.
    """

    heads = ("classification",)
    pairs = True
    defaults: Mapping[str, Any] = {"max_length": None, "top_k": 1}

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], **options: Any
    ) -> Sequence[Any]:
        logits = by_example(outputs["logits"], features)  # [N, C]
        labels, top_k = self.config.labels, options["top_k"]
        count = len(labels) if top_k is None else whole("top_k", top_k)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :count].tolist()
        scores = self._scores(logits)
        found = [
            [{"label": labels[c], "score": float(row[c])} for c in best]
            for row, best in zip(scores, order, strict=True)
        ]
        return [row[0] for row in found] if top_k == 1 else found

    def _scores(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of [N, C] logits; numbers where one class means regression."""
        if self.config.problem_type == MANY:
            return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))  # sigmoid
        return logits if logits.shape[1] == 1 or self.config.problem_type == "regression" else softmax(logits)


def by_example(rows: Sequence[np.ndarray], features: Features) -> np.ndarray:
    """Arrays of rows, one for each example, in the examples' order: [N, ...]."""
    return np.stack(rows)[np.argsort(features.sample, kind="stable")]

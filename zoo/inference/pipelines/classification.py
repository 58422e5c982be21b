"""Which class a text or a pair belongs to, or which number it gets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo import tasks
from zoo.errors import UsageError
from zoo.files import quote
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.items import whole
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features
from zoo.tasks.readable import sigmoid, softmax

log = logging.getLogger("zoo")

SCORE_FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": softmax,
    "sigmoid": sigmoid,
    "none": lambda logits: logits,
}
OF_TYPE = {"regression": "none", "multi_label_classification": "sigmoid"}  # a problem_type's function
TORCH_FUNCTIONS = {"Identity": "none", "Sigmoid": "sigmoid", "Softmax": "softmax"}  # of torch.nn


class TextClassification(Pipeline):
    """{"label": ..., "score": ...}, the score a probability (of regression the number itself).

    Options: top_k, the number of classes to return, best first: 1 gives a dict, more a list, None all of them;
    function_to_apply, what makes a score of a logit: "softmax", "sigmoid" or "none", None for what the model says
    (see `function_of`); max_length, tokens of a row, longer texts are cut.
    """

    heads = ("classification",)
    pairs = True
    defaults: Mapping[str, Any] = {"max_length": None, "top_k": 1, "function_to_apply": None}

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        self.function = function_of(deployed)

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], /, **options: Any
    ) -> Sequence[Any]:
        logits = by_example(outputs["logits"], features)  # [N, C]
        labels, top_k = self.config.labels, options["top_k"]
        count = len(labels) if top_k is None else whole("top_k", top_k)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :count].tolist()
        scores = self._function(options["function_to_apply"])(logits)
        found = [
            [{"label": labels[c], "score": float(row[c])} for c in best]
            for row, best in zip(scores, order, strict=True)
        ]
        return [row[0] for row in found] if top_k == 1 else found

    def _function(self, asked: Any) -> Callable[[np.ndarray], np.ndarray]:
        name = self.function if asked is None else asked
        if not isinstance(name, str) or name.lower() not in SCORE_FUNCTIONS:
            raise UsageError(
                f"function_to_apply={asked!r} does not exist.", f"One of {', '.join(SCORE_FUNCTIONS)}."
            )
        return SCORE_FUNCTIONS[name.lower()]


def function_of(deployed: Deployed) -> str:
    """Names what makes scores of a network's logits, a key of SCORE_FUNCTIONS.

    As in transformers regression has none, several labels at once and a single label have the sigmoid, all others
    the softmax; a config.json may name another, as for the CrossEncoder of sentence-transformers.
    """
    config, saved = deployed.config, deployed.settings.get("task")
    if (
        saved
        and config.problem_type in (None, "regression")
        and getattr(tasks.from_dict(saved), "regression", False)
    ):
        return "none"
    if named := _named(config.source):
        return named
    return OF_TYPE.get(config.problem_type or "", "sigmoid" if len(config.labels) == 1 else "softmax")


def _named(config: Mapping[str, Any]) -> str:
    """The function that a cross-encoder's config.json names as a class of torch; "" where none is known."""
    about = config.get("sentence_transformers")
    path = about.get("activation_fn") if isinstance(about, Mapping) else None
    path = path or config.get("sbert_ce_default_activation_function")
    if not path:
        return ""
    if (found := TORCH_FUNCTIONS.get(str(path).rpartition(".")[2])) is None:
        log.warning("config.json has the activation %s, which is not known: the usual one is taken.", quote(path))
    return found or ""


def by_example(rows: Sequence[np.ndarray], features: Features) -> np.ndarray:
    """Arrays of rows, one for each example, in the examples' order: [N, ...]."""
    return np.stack(rows)[np.argsort(features.sample, kind="stable")]

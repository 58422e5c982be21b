"""Classes that nobody trained: which of some labels follows from a text, judged by a model of inference (NLI)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline, softmax
from zoo.inference.pipelines.classification import by_example
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features


class ZeroShot(Pipeline):
    """{"sequence", "labels", "scores"}: the labels with their probabilities, best first (Yin et al. 2019).

    Options: candidate_labels, a list of texts or one text with commas; hypothesis_template, with {} for the label;
    multi_label: judge each label alone, entailment against contradiction, instead of all against each other;
    max_length, tokens of a row.

    Raises:
        UsageError: the model has no label for entailment.
    """

    heads = ("classification",)
    defaults: Mapping[str, Any] = {
        "max_length": None,
        "candidate_labels": None,
        "hypothesis_template": "This example is {}.",
        "multi_label": False,
    }

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        labels = self.config.labels
        lowered = [label.lower() for label in labels]
        self.entailed = next((n for n, label in enumerate(lowered) if label.startswith("entail")), -1)
        against = [n for n, label in enumerate(lowered) if label.startswith(("contra", "not_entail"))]
        if self.entailed < 0 or len(against) != 1:
            raise UsageError(
                f"Zero-shot needs a model with the labels entailment and contradiction; this one has "
                f"{', '.join(labels)}.",
                "Give one that was finetuned on XNLI or MNLI.",
            )
        self.against = against[0]

    def encode(self, examples: Sequence[TextExample], **options: Any) -> Features:
        labels, template = labels_of(options["candidate_labels"]), options["hypothesis_template"]
        if not isinstance(template, str) or "{}" not in template:
            raise UsageError(f"hypothesis_template={template!r} has no {{}} for the label.")
        pairs = [replace(e, pair=template.replace("{}", label)) for e in examples for label in labels]
        features = self.texts(pairs, self.row_length(options["max_length"]))
        return replace(features, sample=features.sample // len(labels))

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], **options: Any
    ) -> Sequence[Any]:
        labels = labels_of(options["candidate_labels"])
        logits = by_example(outputs["logits"], features).reshape(len(examples), len(labels), -1)  # [N, L, C]
        if options["multi_label"]:
            scores = softmax(logits[..., [self.against, self.entailed]])[..., 1]
        else:
            scores = softmax(logits[..., self.entailed])
        found = []
        for example, row in zip(examples, scores, strict=True):
            order = np.argsort(-row, kind="stable").tolist()
            ranked = {"labels": [labels[n] for n in order], "scores": [float(row[n]) for n in order]}
            found.append({"sequence": example.text, **ranked})
        return found


def labels_of(given: Any) -> list[str]:
    """The candidate labels.

    Raises:
        UsageError: none, or no texts.
    """
    labels = given.split(",") if isinstance(given, str) else given
    if not isinstance(labels, list | tuple) or not labels or not all(isinstance(v, str) for v in labels):
        raise UsageError(f"candidate_labels={given!r} does not work.", 'For example ["sport", "politics"].')
    labels = [label.strip() for label in labels]
    if not all(labels) or len(set(labels)) < len(labels):
        raise UsageError(f"candidate_labels={given!r} has an empty label, or one twice.")
    return labels

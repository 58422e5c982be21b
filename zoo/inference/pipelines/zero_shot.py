"""Classes that nobody trained: which of some labels follows from a text, judged by a model of inference (NLI)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline, features_of
from zoo.inference.pipelines.classification import by_example
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features
from zoo.tasks.readable import softmax

CONTRADICTION_LABEL = re.compile("contra|no[tn]?[ _-]?entail")  # how the label of contradiction begins


class ZeroShot(Pipeline):
    """{"sequence", "labels", "scores"}: the labels with their probabilities, best first (Yin et al. 2019).

    Options: candidate_labels, a list of texts or one text with commas; hypothesis_template, with {} for the label;
    multi_label: judge each label alone, entailment against contradiction, instead of all against each other (a
    single label always is); max_length, tokens of a row, of which a long text is cut and never the hypothesis.

    Which class is which is found by its name, in whatever order the model has them; of two, the one that is not
    entailment stands against it. Of equal scores the later label comes first, as in transformers.

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
        others = [n for n in range(len(labels)) if n != self.entailed]
        against = others if len(others) == 1 else [n for n in others if CONTRADICTION_LABEL.match(lowered[n])]
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
            raise UsageError(f"hypothesis_template={quote(template)} has no {{}} for the label.")
        length = self.row_length(options["max_length"])
        texts = [example.text for example in examples for _ in labels]
        hypotheses = [template.replace("{}", label) for label in labels] * len(examples)
        try:
            rows = self.tokenizer(texts, hypotheses, max_length=length, truncation="only_first", padding=False)
        except InputError:  # the texts were checked before
            longest = max(hypotheses, key=len)
            raise UsageError(
                f"max_length={length} leaves no room for a text beside {quote(longest)}.",
                "Shorten the label or hypothesis_template, or give a larger max_length.",
            ) from None
        return replace(features_of(rows, self.tokenizer), sample=np.repeat(np.arange(len(examples)), len(labels)))

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[TextExample], /, **options: Any
    ) -> Sequence[Any]:
        labels = labels_of(options["candidate_labels"])
        logits = by_example(outputs["logits"], features).reshape(len(examples), len(labels), -1)  # [N, L, C]
        if options["multi_label"] or len(labels) == 1:
            scores = softmax(logits[..., [self.against, self.entailed]])[..., 1]
        else:
            scores = softmax(logits[..., self.entailed])
        found = []
        for example, row in zip(examples, scores, strict=True):
            order = np.argsort(row, kind="stable")[::-1].tolist()
            ranked = {"labels": [labels[n] for n in order], "scores": [float(row[n]) for n in order]}
            found.append({"sequence": example.text, **ranked})
        return found


def labels_of(given: Any) -> list[str]:
    """The candidate labels.

    Raises:
        UsageError: none, or no texts.
    """
    labels = [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given
    if not isinstance(labels, list | tuple) or not labels or not all(isinstance(v, str) for v in labels):
        raise UsageError(f"candidate_labels={quote(given)} does not work.", 'For example ["sport", "politics"].')
    if not all(label.strip() for label in labels) or len(set(labels)) < len(labels):
        raise UsageError(f"candidate_labels={quote(given)} has an empty label, or one twice.")
    return list(labels)

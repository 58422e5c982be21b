"""Named entities, with their place in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo import metrics, tasks
from zoo.errors import UsageError
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.items import text_of
from zoo.tasks.features import Features
from zoo.tasks.readable import mean_score, tag_scores
from zoo.tasks.schemes import OUTSIDE_TAG, scheme_of
from zoo.tasks.tagging import TaggedExample, Tagging
from zoo.tasks.words import WORD_SPLITTERS, Span

SHARED_PIECES = 32  # pieces that two rows of a long text share, when the task does not say


@dataclass(frozen=True)
class Sentence(TaggedExample):
    """A text, and where its words begin and end."""

    text: str = ""
    places: tuple[Span, ...] = ()


class Ner(Pipeline):
    """The entities of a text, as a list of {"entity_group", "word", "start", "end", "score"}.

    `start` and `end` are characters of the text, `word` what stands between them, `score` the mean probability of
    the tags of its words. Tags of the schemes IOB2, IOBES, BILOU and BMES are put together; of tags that mark no
    spans, such as parts of speech, each word is an entry. A text of any length is read, in rows that overlap.

    Options: split, what counts as a word: "words" (spaces and punctuation; each character of Chinese, Japanese,
    Thai, ...), "spaces", or "characters", for models that were trained on single characters; without it as the
    model's task.json says, else "words"; max_length, tokens of a row.
    """

    heads = ("tagging",)
    defaults: Mapping[str, Any] = {"max_length": None, "split": None}

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        self.task = tagging_of(deployed)

    def preprocess(self, item: Any, **options: Any) -> Sentence:
        text, split = text_of(item), options["split"] or self.task.unit
        if split not in WORD_SPLITTERS:
            raise UsageError(f"split={split!r} does not exist.", f"One of {', '.join(WORD_SPLITTERS)}.")
        places = tuple(WORD_SPLITTERS[split](text))
        return Sentence("", tuple(text[a:b] for a, b in places), None, text, places)

    def encode(self, examples: Sequence[Sentence], **options: Any) -> Features:
        length = self.row_length(options["max_length"], self.task.max_length)
        return self.task.encode(list(examples), self.tokenizer, length)

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Sentence], /, **options: Any
    ) -> Sequence[Any]:
        tags = self.task.predictions(outputs, features, examples)
        scores = tag_scores(outputs["logits"], features, examples)
        return [self._entities(*row) for row in zip(examples, tags, scores, strict=True)]

    def _entities(self, example: Sentence, tags: Sequence[str], scores: np.ndarray) -> list[dict[str, Any]]:
        if self.task.scheme:
            spans = metrics.spans(tags)
        else:
            spans = [(n, n, tag) for n, tag in enumerate(tags) if tag != OUTSIDE_TAG]
        found = []
        for first, last, kind in spans:
            start, end = example.places[first][0], example.places[last][1]
            score = mean_score(scores[first : last + 1])
            found.append(
                {"entity_group": kind, "word": example.text[start:end], "start": start, "end": end, "score": score}
            )
        return found


def tagging_of(deployed: Deployed) -> Tagging:
    """What the model was trained for; made of its labels where no task.json says it."""
    saved = deployed.settings.get("task")
    task = tasks.from_dict(saved) if saved else None
    if not isinstance(task, Tagging):
        labels = deployed.config.labels
        limit = deployed.tokenizer.max_length or 512
        task = Tagging(name="entities", labels=labels, scheme=scheme_of(labels), metrics=(), max_length=limit)
    return task if task.stride is not None else replace(task, stride=SHARED_PIECES)

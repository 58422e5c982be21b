"""Questions whose answer stands in a context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo import tasks
from zoo.errors import UsageError
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.items import both_of, text_of, whole
from zoo.tasks.features import Features
from zoo.tasks.qa import QA, Answer, QAExample
from zoo.tasks.readable import softmax


class QuestionAnswering(Pipeline):
    """{"answer", "start", "end", "score"} of an item {"question", "context"} or (question, context).

    `start` and `end` are characters of the context. The score is the answer's share of the probability of the best
    spans and, where that is an answer, of having none; no answer is "" with start and end 0. A context of any
    length is read, in rows that overlap.

    Options: top_k, the number of answers, best first: 1 gives a dict, more a list; threshold: how much likelier
    than the best span "no answer" must be (a difference of logits; of the head qa-beam a logit) to be the answer,
    None for what the model was tuned to, and to always answer when it was not trained on questions without an
    answer; max_length, stride and max_answer: tokens of a row, that two rows share, of the longest answer.
    """

    heads = ("qa", "qa-beam")
    defaults: Mapping[str, Any] = {
        "max_length": None,
        "top_k": 1,
        "threshold": None,
        "stride": None,
        "max_answer": None,
    }

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        self.task = qa_of(deployed)

    def preprocess(self, item: Any, **options: Any) -> QAExample:
        question, context = both_of(item, "question", "context")
        return QAExample("", text_of(question, "question"), text_of(context, "context"))

    def encode(self, examples: Sequence[QAExample], **options: Any) -> Features:
        task = self._task(options)
        return task.encode(list(examples), self.tokenizer, self.row_length(options["max_length"], task.max_length))

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[QAExample], /, **options: Any
    ) -> Sequence[Any]:
        task, top_k = self._task(options), options["top_k"]
        beam = "start_index" in outputs
        found = [self._best(task, a, beam)[:top_k] for a in task.predictions(outputs, features, examples)]
        return [answers[0] for answers in found] if top_k == 1 else found

    def _task(self, options: Mapping[str, Any]) -> QA:
        """The model's task, with the options that are its own."""
        changed = {
            name: options[name] for name in ("stride", "max_answer", "threshold") if options[name] is not None
        }
        for name in {"stride", "max_answer"} & changed.keys():
            whole(name, changed[name])
        if "threshold" in changed:
            if isinstance(changed["threshold"], bool) or not isinstance(changed["threshold"], int | float):
                raise UsageError(f"threshold={changed['threshold']!r} is not a number.")
            changed["unanswerable"] = True
        n_best = max(self.task.n_best, whole("top_k", options["top_k"]))
        return replace(self.task, n_best=n_best, **changed)

    @staticmethod
    def _best(task: QA, answer: Answer, beam: bool) -> list[dict[str, Any]]:
        """Answers, best first; the one that `task.final` gives is the first."""
        logits = np.array([score for _, score in answer.nbest])
        if beam:
            scores, none = np.exp(logits), float(1 / (1 + np.exp(-answer.no_answer)))
        else:
            rival = [logits[0] + answer.no_answer] if task.unanswerable and len(logits) else []
            scores = softmax(np.array([*logits, *rival])) if len(logits) else logits
            none = float(scores[-1]) if rival else 0.0
        spans = [
            {"answer": text, "start": start, "end": start + len(text), "score": float(score)}
            for (text, _), start, score in zip(answer.nbest, answer.starts, scores, strict=False)
        ]
        if spans and task.final(answer):
            return spans
        return [{"answer": "", "start": 0, "end": 0, "score": none}, *spans]


def qa_of(deployed: Deployed) -> QA:
    """What the model was trained for; SQuAD 1.1's rules where no task.json says it."""
    saved = deployed.settings.get("task")
    task = tasks.from_dict(saved) if saved else None
    return task if isinstance(task, QA) else QA(name="questions")

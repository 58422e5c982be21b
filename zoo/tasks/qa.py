"""Reads, encodes and scores questions that a span of a text answers. The data sets: zoo.tasks.comprehension."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.files import quote
from zoo.tasks.answers import GoldAnswer, cut, golds_of, lost, places, trained_on, with_marks
from zoo.tasks.base import Outputs, Task
from zoo.tasks.example import Example
from zoo.tasks.features import Column, Features, Ragged
from zoo.tasks.rows import Row, shown
from zoo.tasks.scores import ALL_ROW

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

NO_SPAN_SCORE = 1e9  # about what no_answer is when no span is allowed at all
MIN_PROBABILITY = 1e-30  # a probability whose logarithm is still a number
SPAN_OUTPUTS = ("start_logits", "end_logits")
BEAM_OUTPUTS = ("start_index", "start_scores", "end_index", "end_scores", "logits")


@dataclass(frozen=True)
class QAExample(Example):
    """A question about a context. `answers` is () for a question without one, None where nobody says it."""

    question: str
    context: str
    answers: tuple[GoldAnswer, ...] | None = None


class Answer(NamedTuple):
    """A predicted answer.

    Attributes:
        text: the best span, also where no answer is likelier.
        no_answer: logit of "no answer" minus that of the best span; of the head qa-beam the logit alone.
        nbest: the best spans with their logits (qa-beam: log probabilities), best first.
        starts: the character of the context where each of them begins.
    """

    text: str
    no_answer: float
    nbest: tuple[tuple[str, float], ...] = ()
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QA(Task[QAExample, Answer]):
    """A task whose answers are spans of the context, or nothing where the data set has unanswerable questions.

    The labels are the first and the last token that share a character with the answer. A context that is too long
    becomes several rows; a row without all of these tokens has the labels (0, 0), the first special token, which
    also means that there is no answer. The question is cut to `question_length`.

    Attributes:
        unanswerable: the data set has questions without an answer.
        language_rules: of the metric, "english", "chinese", or "mlqa": those of each text's language.
        named_in_ids: language -> its name, where an id begins with that ("finnish-12-0") and files are called so.
        stride: tokens that two rows of one context share; below 0 minus the step from one to the next, which BERT's
            own script calls so.
        question_length: tokens of a question.
        max_answer: tokens of the longest answer that is predicted.
        n_best: spans that are kept of each question.
        threshold: an answer is given while `no_answer` is not above this.
        question_column, context_column, answers_column: of files that have columns.
    """

    unanswerable: bool = False
    language_rules: str = "english"
    named_in_ids: Mapping[str, str] = field(default_factory=dict)
    stride: int = 128
    question_length: int = 64
    max_answer: int = 30
    n_best: int = 20
    threshold: float = 0.0
    question_column: str = "question"
    context_column: str = "context"
    answers_column: str = "answers"
    format: str = "squad"
    max_length: int = 384
    metrics: tuple[str, ...] = ("f1", "exact")

    head: ClassVar[str] = "qa"

    # --- reading ---

    def example(self, row: Row, split: str, language: str = "") -> QAExample:
        question, context = row.get(self.question_column), row.text(self.context_column)
        if not isinstance(question, str):  # a published file has an empty one
            raise row.error(f"{quote(self.question_column)} must be text and is {shown(question)}.")
        ident = str(row.values.get("id", row.line))
        language = self._language(row, ident, split, language)
        answers = golds_of(row, self.answers_column, context)
        if answers is None and not split.startswith("test"):
            raise row.error("no 'answers'.", "A list of {text, answer_start}; empty when there is no answer.")
        if answers == () and not self.unanswerable:
            if split.startswith("test"):  # a test set without gold answers
                return QAExample(ident, question, context, None, language=language)
            raise row.error(f"no answer, and {self.name} has no unanswerable questions.", "Is it SQuAD 2.0's file?")
        return QAExample(ident, question, context, answers, language=language)

    def code(self, language: str) -> str:
        return self.named_in_ids.get(language, language)

    def _language(self, row: Row, ident: str, split: str, language: str) -> str:
        """Gives the language that the id says, or that of the file.

        Raises:
            InputError: the id says none, or the metric depends on it and the file's name has none.
        """
        if self.named_in_ids:
            name = ident.partition("-")[0]
            found = next((code for code, known in self.named_in_ids.items() if name == known), "")
            if not found:
                raise row.error(f"the id {shown(ident)} does not begin with a language.", "Such as 'english-12-0'.")
            return found
        if self.language_rules == "mlqa" and not language:
            if split != "train":
                raise row.error(
                    "the metric goes by the language of the text, and the file's name has none.",
                    "A name as published: test-context-de-question-de.json.",
                )
            return self.train_languages[0]
        return language

    # --- to the network and back ---

    def encode(self, examples: list[QAExample], tokenizer: Tokenizer, max_length: int) -> Features:
        limit = min(self.question_length, max_length // 2)
        rows = tokenizer(
            cut([e.question.strip() for e in examples], tokenizer, limit),
            [e.context for e in examples],
            max_length=max_length,
            padding=False,
            truncation="only_second",
            stride=min(self.stride, max_length // 4),
            return_offsets=True,
            return_tensors="np",
        )
        ids = Ragged.of(rows["input_ids"])
        columns: dict[str, Column] = {"input_ids": ids}
        if "token_type_ids" in rows:
            columns["token_type_ids"] = Ragged.of(rows["token_type_ids"])
        sample, starts = rows["overflow_to_sample"], ids.starts
        inside = np.concatenate(rows["sequence_ids"]) == 1
        offsets = np.where(inside[:, None], np.concatenate(rows["offsets"]), -1).astype(np.int32)
        spans = with_marks(Ragged(offsets, starts), sample, [e.context for e in examples])
        features = Features(columns, sample, {"spans": spans}, tokenizer.pad_token_id or 0)
        if all(e.answers is not None for e in examples):
            golds = [trained_on(e.answers or ()) for e in examples]
            labels = columns["labels"] = places(spans, sample, golds)
            contexts = [e.context for e in examples]

            def same(n: int, gold: str, text: str) -> bool:
                return metrics.answer_scores(self.language_rules, examples[n].language)["exact"](gold, text) == 1

            features.lost = lost(spans, sample, labels, golds, contexts, self.max_answer, same)
        return features

    def predictions(self, outputs: Outputs, features: Features, examples: Sequence[QAExample]) -> list[Answer]:
        """Gives the best spans over all rows of each context.

        Args:
            outputs: of each row `start_logits` and `end_logits` [T]; or of the head qa-beam `start_index` [S],
                `start_scores` [S], `end_index` and `end_scores` [S, E], and `logits`, above 0 for no answer.
            features, examples: as everywhere.
        """
        spans = features.notes["spans"]
        assert isinstance(spans, Ragged)
        beam = "start_index" in outputs
        kept: list[list[tuple[float, int, int]]] = [[] for _ in examples]
        none = np.full(len(examples), np.inf)
        for row, n in enumerate(features.sample.tolist()):
            held = {name: np.asarray(outputs[name][row]) for name in (BEAM_OUTPUTS if beam else SPAN_OUTPUTS)}
            kept[n] += self._beams(held, spans[row]) if beam else self._spans(held, spans[row])
            none[n] = min(none[n], held["logits"] if beam else held["start_logits"][0] + held["end_logits"][0])
        answers = []
        for example, found, empty in zip(examples, kept, none.tolist(), strict=True):
            texts = self._texts(example, found)
            nbest = tuple((text, score) for text, (score, _) in texts.items())
            text, score = nbest[0] if nbest else ("", -NO_SPAN_SCORE)
            starts = tuple(start for _, start in texts.values())
            answers.append(Answer(text, empty if beam and texts else empty - score, nbest, starts))
        return answers

    def _spans(self, held: Mapping[str, np.ndarray], offsets: np.ndarray) -> list[tuple[float, int, int]]:
        """Gives the best spans of one row: logit, first character, one after the last."""
        start, end = (held[name][: len(offsets)] for name in SPAN_OUTPUTS)
        inside = np.flatnonzero(offsets[:, 0] >= 0)
        starts, ends = (inside[np.argsort(-side[inside], kind="stable")[: self.n_best]] for side in (start, end))
        a, b = np.meshgrid(starts, ends, indexing="ij")
        score = start[starts].astype(np.float64)[:, None] + end[ends]
        return self._best_of(a.reshape(-1), b.reshape(-1), score.reshape(-1), offsets)

    def _beams(self, held: Mapping[str, np.ndarray], offsets: np.ndarray) -> list[tuple[float, int, int]]:
        """Gives the same from the ends that were searched for each start; a score is a log probability."""
        starts = np.repeat(held["start_index"], held["end_index"].shape[-1])
        chances = np.repeat(held["start_scores"], held["end_index"].shape[-1]) * held["end_scores"].reshape(-1)
        score = np.log(np.maximum(chances.astype(np.float64), MIN_PROBABILITY))
        return self._best_of(starts, held["end_index"].reshape(-1), score, offsets)

    def _best_of(
        self, starts: np.ndarray, ends: np.ndarray, score: np.ndarray, offsets: np.ndarray
    ) -> list[tuple[float, int, int]]:
        """Gives the best of candidate spans, of those that lie in the context and are not too long."""
        length = ends - starts + 1
        allowed = np.flatnonzero((length >= 1) & (length <= self.max_answer) & (ends < len(offsets)))
        allowed = allowed[(offsets[starts[allowed], 0] >= 0) & (offsets[ends[allowed], 0] >= 0)]
        best = allowed[np.argsort(-score[allowed], kind="stable")[: self.n_best]]
        first, last = offsets[starts[best], 0], offsets[ends[best], 1]
        return list(zip(score[best].tolist(), first.tolist(), last.tolist(), strict=True))

    def _texts(self, example: QAExample, spans: list[tuple[float, int, int]]) -> dict[str, tuple[float, int]]:
        """Gives different texts with their scores and first characters, best first."""
        texts: dict[str, tuple[float, int]] = {}
        for score, first, last in sorted(spans, key=lambda s: -s[0]):
            held = example.context[first:last]
            text = held.strip()
            if text and len(texts) < self.n_best:
                texts.setdefault(text, (score, first + len(held) - len(held.lstrip())))
        return texts

    def final(self, answer: Answer) -> str:
        """Gives what is answered: the text, or nothing when `no_answer` is above the threshold."""
        return "" if self.unanswerable and answer.no_answer > self.threshold else answer.text

    # --- answers out ---

    def measure(self, predictions: Sequence[Answer], examples: Sequence[QAExample]) -> dict[str, dict[str, float]]:
        values = self._scores([self.final(p) for p in predictions], examples)
        rows = {ALL_ROW: {name: metrics.mean_percent(values[name]) for name in self.metrics}}
        if not self.unanswerable:
            return rows
        has = np.array([bool(e.answers) for e in examples])
        for row, mask in (("HasAns", has), ("NoAns", ~has)):
            if mask.any():
                rows[row] = {name: metrics.mean_percent(values[name][mask]) for name in self.metrics}
        rows["best threshold"] = {}
        for name in self.metrics:
            value, at = self._best(name, predictions, examples)
            rows["best threshold"] |= {name: value, f"{name} threshold": at}
        return rows

    def _scores(self, texts: Sequence[str], examples: Sequence[QAExample]) -> dict[str, np.ndarray]:
        for example in examples:
            if example.answers is None:
                raise InputError(
                    f"Question {example.id} of {self.name} has no gold answer: nothing to score.",
                    "Score a split with answers, such as dev.",
                )
        return {
            name: np.array(
                [
                    metrics.answer_score(
                        self.language_rules,
                        name,
                        self.unanswerable,
                        [g.text for g in e.answers or ()],
                        text,
                        e.language,
                    )
                    for e, text in zip(examples, texts, strict=True)
                ]
            )
            for name in self.metrics
        }

    def _best(self, name: str, predictions: Sequence[Answer], examples: Sequence[QAExample]) -> tuple[float, float]:
        values = self._scores([p.text for p in predictions], examples)[name]
        answerable = [bool(e.answers) for e in examples]
        belief, empty = [p.no_answer for p in predictions], [not p.text for p in predictions]
        return metrics.best_threshold(values.tolist(), belief, answerable, empty)

    def tuned(self, outputs: Outputs, features: Features, examples: Sequence[QAExample]) -> QA:
        """Gives the task with the threshold that gives the best headline metric on these examples."""
        if not self.unanswerable:
            return self
        answers = self.predictions(outputs, features, examples)
        return replace(self, threshold=self._best(self.metrics[0], answers, examples)[1])

    suffix: ClassVar[str] = ".json"

    def lines(self, predictions: Sequence[Answer], examples: Sequence[QAExample], split: str) -> Iterator[str]:
        texts = {e.id: self.final(p) for e, p in zip(examples, predictions, strict=True)}
        yield json.dumps(texts, ensure_ascii=False, indent=1)

"""Extracted answers: SQuAD 1.1 and 2.0, XQuAD, CMRC 2018."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from zoo import metrics
from zoo.errors import InputError
from zoo.tasks.base import ALL, Example, Outputs, Task
from zoo.tasks.features import Features, Ragged
from zoo.tasks.hub import Hub
from zoo.tasks.rows import Row, shown

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer

NEVER = 1e9  # about what no_answer is when no span is allowed at all
TINY = 1e-30  # a probability whose logarithm is still a number
PLAIN = ("start_logits", "end_logits")
BEAM = ("start_index", "start_scores", "end_index", "end_scores", "logits")


class Gold(NamedTuple):
    """A right answer and the character of the context where it starts; -1 when the context does not have it."""

    text: str
    start: int


@dataclass(frozen=True)
class QAExample(Example):
    """A question about a context. `answers` is () for a question without one, None where nobody says it."""

    question: str
    context: str
    answers: tuple[Gold, ...] | None = None


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
class QA(Task):
    """A span of the context, or nothing where the data set has unanswerable questions.

    A context that is too long becomes several rows; a row without the whole answer has the labels (0, 0), the
    first special token, which also means that there is no answer. The question is cut to `question_length`.

    Attributes:
        unanswerable: the data set has questions without an answer.
        language_rules: of the metric, "english" or "chinese".
        stride: tokens that two rows of one context share. (BERT's own script calls the step between rows so.)
        question_length: tokens of a question.
        max_answer: tokens of the longest answer that is predicted.
        n_best: spans that are kept of each question.
        threshold: an answer is given while `no_answer` is not above this.
        question_column, context_column, answers_column: of files that have columns.
    """

    unanswerable: bool = False
    language_rules: str = "english"
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
            raise row.error(f"'{self.question_column}' must be text and is {shown(question)}.")
        ident = str(row.values.get("id", row.line))
        answers = self._answers(row, context)
        if answers is None and not split.startswith("test"):
            raise row.error("no 'answers'.", "A list of {text, answer_start}; empty when there is no answer.")
        if answers == () and not self.unanswerable:
            raise row.error(f"no answer, and {self.name} has no unanswerable questions.", "Is it SQuAD 2.0's file?")
        return QAExample(ident, question, context, answers, language=language)

    def _answers(self, row: Row, context: str) -> tuple[Gold, ...] | None:
        values = row.values.get(self.answers_column)
        if row.values.get("is_impossible") is True:
            return ()
        if isinstance(values, dict) and all(isinstance(v, list) for v in values.values()):  # as on the Hub
            names = list(values)
            values = [dict(zip(names, each, strict=False)) for each in zip(*values.values(), strict=False)]
        if isinstance(values, str):  # a user's own table
            values = [{"text": values, "answer_start": -1}] if values.strip() else []
        if values is None:
            return None
        if not isinstance(values, list):
            raise row.error(f"'answers' must be a list and is {shown(values)}.")
        golds = []
        for value in values:
            value = {"text": value} if isinstance(value, str) else value
            text, start = (value.get("text"), value.get("answer_start", -1)) if isinstance(value, dict) else ("", 0)
            if not isinstance(text, str) or not text or type(start) is not int:
                raise row.error(f"an answer must be {{text, answer_start}} and is {shown(value)}.")
            golds.append(Gold(text, _nearest(context, text, start)))
        return tuple(golds)

    # --- to the network and back ---

    def encode(self, examples: list[QAExample], tokenizer: Tokenizer, max_length: int) -> Features:
        limit = min(self.question_length, max_length // 2)
        rows = tokenizer(
            _cut([e.question.strip() for e in examples], tokenizer, limit),
            [e.context for e in examples],
            max_length=max_length,
            padding=False,
            truncation="only_second",
            stride=min(self.stride, max_length // 4),
            return_offsets=True,
        )
        columns: dict[str, Any] = {
            name: Ragged.of(rows[name]) for name in ("input_ids", "token_type_ids") if name in rows
        }
        sample, starts = rows["overflow_to_sample"], columns["input_ids"].starts
        inside = np.concatenate(rows["sequence_ids"]) == 1
        offsets = np.where(inside[:, None], np.concatenate(rows["offsets"]), -1).astype(np.int32)
        spans = Ragged(offsets, starts)
        features = Features(columns, sample, {"spans": spans}, tokenizer.pad_token_id or 0)
        if all(e.answers is not None for e in examples):
            places = [_place(spans[n], examples[i].answers or ()) for n, i in enumerate(sample.tolist())]
            columns["labels"] = np.array(places, np.int64)
            features.lost = self._lost(features, examples)
        return features

    def _lost(self, features: Features, examples: Sequence[QAExample]) -> Counter[str]:
        """First answers that no span of tokens gives back, by reason."""
        spans, labels = features.notes["spans"], features.columns["labels"]
        assert isinstance(spans, Ragged) and isinstance(labels, np.ndarray)
        found: dict[int, list[tuple[int, int, int]]] = {}
        for row in np.flatnonzero(labels[:, 1]):
            found.setdefault(int(features.sample[row]), []).append((row, *labels[row]))
        lost: Counter[str] = Counter()
        for n, example in enumerate(examples):
            if not example.answers:
                continue
            gold = example.answers[0]
            if gold.start < 0:
                lost["answers that are not in the context"] += 1
            elif n not in found:
                lost["answers that no row holds whole"] += 1
            elif all(last - first + 1 > self.max_answer for _, first, last in found[n]):
                lost[f"answers of more than {self.max_answer} tokens"] += 1
            elif not any(
                self._same(gold.text, example.context[spans[row][first][0] : spans[row][last][1]])
                for row, first, last in found[n]
            ):
                lost["answers that end inside a token"] += 1
        return lost

    def _same(self, gold: str, text: str) -> bool:
        return metrics.ANSWERS[self.language_rules]["exact"](gold, text) == 1

    def predictions(self, outputs: Outputs, features: Features, examples: Sequence[QAExample]) -> list[Answer]:
        """Best spans over all rows of each context.

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
            held = {name: np.asarray(outputs[name][row]) for name in (BEAM if beam else PLAIN)}
            kept[n] += self._beams(held, spans[row]) if beam else self._spans(held, spans[row])
            none[n] = min(none[n], held["logits"] if beam else held["start_logits"][0] + held["end_logits"][0])
        answers = []
        for example, found, empty in zip(examples, kept, none.tolist(), strict=True):
            texts = self._texts(example, found)
            nbest = tuple((text, score) for text, (score, _) in texts.items())
            text, score = nbest[0] if nbest else ("", -NEVER)
            starts = tuple(start for _, start in texts.values())
            answers.append(Answer(text, empty if beam and texts else empty - score, nbest, starts))
        return answers

    def _spans(self, held: Mapping[str, np.ndarray], offsets: np.ndarray) -> list[tuple[float, int, int]]:
        """The best spans of one row: logit, first character, one after the last."""
        start, end = (held[name][: len(offsets)] for name in PLAIN)
        inside = np.flatnonzero(offsets[:, 0] >= 0)
        starts, ends = (inside[np.argsort(-side[inside], kind="stable")[: self.n_best]] for side in (start, end))
        a, b = np.meshgrid(starts, ends, indexing="ij")
        score = start[starts].astype(np.float64)[:, None] + end[ends]
        return self._best_of(a.reshape(-1), b.reshape(-1), score.reshape(-1), offsets)

    def _beams(self, held: Mapping[str, np.ndarray], offsets: np.ndarray) -> list[tuple[float, int, int]]:
        """The same from the ends that were searched for each start; a score is a log probability."""
        starts = np.repeat(held["start_index"], held["end_index"].shape[-1])
        chances = np.repeat(held["start_scores"], held["end_index"].shape[-1]) * held["end_scores"].reshape(-1)
        score = np.log(np.maximum(chances.astype(np.float64), TINY))
        return self._best_of(starts, held["end_index"].reshape(-1), score, offsets)

    def _best_of(
        self, starts: np.ndarray, ends: np.ndarray, score: np.ndarray, offsets: np.ndarray
    ) -> list[tuple[float, int, int]]:
        """The best of candidate spans, of those that lie in the context and are not too long."""
        length = ends - starts + 1
        allowed = np.flatnonzero((length >= 1) & (length <= self.max_answer) & (ends < len(offsets)))
        allowed = allowed[(offsets[starts[allowed], 0] >= 0) & (offsets[ends[allowed], 0] >= 0)]
        best = allowed[np.argsort(-score[allowed], kind="stable")[: self.n_best]]
        first, last = offsets[starts[best], 0], offsets[ends[best], 1]
        return list(zip(score[best].tolist(), first.tolist(), last.tolist(), strict=True))

    def _texts(self, example: QAExample, spans: list[tuple[float, int, int]]) -> dict[str, tuple[float, int]]:
        """Different texts with their scores and first characters, best first."""
        texts: dict[str, tuple[float, int]] = {}
        for score, first, last in sorted(spans, key=lambda s: -s[0]):
            held = example.context[first:last]
            text = held.strip()
            if text and len(texts) < self.n_best:
                texts.setdefault(text, (score, first + len(held) - len(held.lstrip())))
        return texts

    def final(self, answer: Answer) -> str:
        """What is answered: the text, or nothing when `no_answer` is above the threshold."""
        return "" if self.unanswerable and answer.no_answer > self.threshold else answer.text

    # --- answers out ---

    def measure(self, predictions: Sequence[Answer], examples: Sequence[QAExample]) -> dict[str, dict[str, float]]:
        values = self._scores([self.final(p) for p in predictions], examples)
        rows = {ALL: {name: metrics.mean_percent(values[name]) for name in self.metrics}}
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
                    metrics.best_over(score, [g.text for g in e.answers or ()], text)
                    for e, text in zip(examples, texts, strict=True)
                ]
            )
            for name, score in metrics.ANSWERS[self.language_rules].items()
        }

    def _best(self, name: str, predictions: Sequence[Answer], examples: Sequence[QAExample]) -> tuple[float, float]:
        values = self._scores([p.text for p in predictions], examples)[name]
        answerable = [bool(e.answers) for e in examples]
        belief, empty = [p.no_answer for p in predictions], [not p.text for p in predictions]
        return metrics.best_threshold(values.tolist(), belief, answerable, empty)

    def tuned(self, outputs: Outputs, features: Features, examples: Sequence[QAExample]) -> QA:
        """With the threshold that gives the best headline metric on these examples."""
        if not self.unanswerable:
            return self
        answers = self.predictions(outputs, features, examples)
        return replace(self, threshold=self._best(self.metrics[0], answers, examples)[1])

    suffix: ClassVar[str] = ".json"

    def lines(self, predictions: Sequence[Answer], examples: Sequence[QAExample], split: str) -> Iterator[str]:
        texts = {e.id: self.final(p) for e, p in zip(examples, predictions, strict=True)}
        yield json.dumps(texts, ensure_ascii=False, indent=1)


def _nearest(context: str, text: str, start: int) -> int:
    """Where the text is in the context: at `start`, else the place nearest to it; -1 when it is nowhere.

    DuReader-robust's files say -1 everywhere, and a few of CMRC 2018's say a wrong place.
    """
    if start >= 0 and context.startswith(text, start):
        return start
    before, after = context.rfind(text, 0, max(start, 0) + len(text)), context.find(text, max(start, 0))
    if before < 0 or after < 0:
        return max(before, after)
    return before if start - before <= after - start else after


def _cut(questions: list[str], tokenizer: Tokenizer, limit: int) -> list[str]:
    """Questions of at most `limit` tokens."""
    long = [n for n, question in enumerate(questions) if len(question) > limit // 2]
    if not long:
        return questions
    kept = list(questions)
    rows = tokenizer([questions[n] for n in long], return_offsets=True, truncation=False, padding=False)
    for n, spans, sequence in zip(long, rows["offsets"], rows["sequence_ids"], strict=True):
        offsets = spans[sequence == 0]
        if len(offsets) > limit:
            kept[n] = questions[n][: offsets[limit - 1, 1]]
    return kept


def _place(offsets: np.ndarray, answers: Sequence[Gold]) -> tuple[int, int]:
    """First and last token of the first answer in a row; (0, 0) when the row does not hold it whole."""
    if not answers or answers[0].start < 0:
        return 0, 0
    begin, end = answers[0].start, answers[0].start + len(answers[0].text)
    inside = np.flatnonzero(offsets[:, 0] >= 0)
    first, last = (offsets[inside, side] for side in (0, 1))
    held = np.flatnonzero((last > begin) & (first < end))  # tokens that share a character with the answer
    if not len(held) or first[held[0]] > begin or last[held[-1]] < end:
        return 0, 0
    return int(inside[held[0]]), int(inside[held[-1]])


SQUAD_FILES = {"train": "train-v1.1.json", "dev": "dev-v1.1.json"}
SQUAD2_FILES = {"train": "train-v2.0.json", "dev": "dev-v2.0.json"}
XQUAD = "ar de el en es hi ro ru th tr vi zh"

TASKS = (
    QA(
        name="squad",
        title="SQuAD 1.1",
        folder="squad",
        files=SQUAD_FILES,
        submission={"dev": "predictions.json"},
        hub=Hub("rajpurkar/squad"),
    ),
    QA(
        name="squad2",
        title="SQuAD 2.0",
        folder="squad",
        files=SQUAD2_FILES,
        unanswerable=True,
        submission={"dev": "predictions.json"},
        hub=Hub("rajpurkar/squad_v2"),
    ),
    QA(
        name="xquad",
        title="XQuAD",
        folder="xquad",
        files={"train": "train-v1.1.json", "dev": "xquad.{language}.json", "test": "xquad.{language}.json"},
        languages=tuple(XQUAD.split()),
        train_languages=("en",),
        hub=Hub("google/xquad", "xquad.{language}", splits={"test": "validation"}),
    ),
    QA(
        name="cmrc2018",
        title="CMRC 2018",
        folder="cmrc2018",
        files={"train": "cmrc2018_train.json", "dev": "cmrc2018_dev.json", "trial": "cmrc2018_trial.json"},
        language_rules="chinese",
        max_length=512,
        max_answer=50,
        submission={"test": "cmrc2018_predict.json"},
        hub=Hub("hfl/cmrc2018"),
    ),
)

"""Turns answers into what a person reads: label and score, entities, the answer with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo import metrics
from zoo.tasks.base import Outputs, Task
from zoo.tasks.choices import Choice
from zoo.tasks.classification import Classification
from zoo.tasks.example import Example
from zoo.tasks.features import Features, Ragged
from zoo.tasks.qa import QA, Answer
from zoo.tasks.reranking import Reranking
from zoo.tasks.schemes import OUTSIDE_TAG
from zoo.tasks.tagging import TaggedExample, Tagging
from zoo.tasks.text2text import Text2Text
from zoo.tasks.text_pairs import TextPairs
from zoo.tasks.words import WORD_SPLITTERS

DIGITS = 6  # decimals of a score
Fields = dict[str, Any]  # JSON


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Of each number, float64."""
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def readable(
    task: Task,
    answers: Sequence[Any],
    outputs: Outputs,
    features: Features,
    examples: Sequence[Example],
    texts: Sequence[str],
) -> list[Fields]:
    """Gives of each example the fields of its answer.

    Args:
        task: whose `predictions` gave the answers.
        answers: one for each example.
        outputs, features: as `predictions` had them.
        texts: the text of each example, for the places of entities; "" where it came as words.
    """
    return FORMS[type(task)](task, answers, outputs, features, examples, texts)


def _classes(task: Classification, answers: Sequence[Any], outputs: Outputs, *rest: Any) -> list[Fields]:
    if task.regression:
        return [{"score": round(float(answer), DIGITS)} for answer in answers]
    return [_likely("label", answer, row) for answer, row in zip(answers, outputs["logits"], strict=True)]


def _relevance(task: Reranking, answers: Sequence[Any], *rest: Any) -> list[Fields]:
    return [{"score": round(float(1 / (1 + np.exp(-float(answer)))), DIGITS)} for answer in answers]


def _places(task: TextPairs, answers: Sequence[Any], *rest: Any) -> list[Fields]:
    if task.score_column:
        return [{"cosine": round(float(answer), DIGITS)} for answer in answers]
    return [{"rank": rank} for rank, _ in answers]


def _choices(task: Choice, answers: Sequence[str], outputs: Outputs, *rest: Any) -> list[Fields]:
    return [_likely("answer", answer, row) for answer, row in zip(answers, outputs["logits"], strict=True)]


def _likely(name: str, answer: str, logits: np.ndarray) -> Fields:
    return {name: answer, "score": round(float(softmax(np.asarray(logits).reshape(-1)).max()), DIGITS)}


def _answers(task: QA, answers: Sequence[Answer], outputs: Outputs, *rest: Any) -> list[Fields]:
    found = []
    for answer in answers:
        text, best = task.final(answer), [score for _, score in answer.nbest] or [0.0]
        if "start_index" in outputs:  # log probabilities, and the logit of no answer
            none = 1 / (1 + np.exp(-answer.no_answer))
            score = float(np.exp(best[0])) if text else float(none)
        else:
            chances = softmax(np.array([*best, *([answer.no_answer + best[0]] if task.unanswerable else [])]))
            score = float(chances[0] if text else chances[-1])
        start = answer.starts[0] if text and answer.starts else None
        found.append({"answer": text, "start": start, "score": round(score, DIGITS)})
    return found


def _texts(task: Text2Text, answers: Sequence[str], *rest: Any) -> list[Fields]:
    return [{"output": answer} for answer in answers]


def _entities(
    task: Tagging,
    answers: Sequence[Sequence[str]],
    outputs: Outputs,
    features: Features,
    examples: Sequence[TaggedExample],
    texts: Sequence[str],
) -> list[Fields]:
    scores = tag_scores(outputs["logits"], features, examples)
    rows = zip(examples, answers, scores, texts, strict=True)
    return [{"entities": list(_spans(task, *row))} for row in rows]


def _spans(task: Tagging, example: TaggedExample, tags: Sequence[str], scores: np.ndarray, text: str) -> Any:
    spans = metrics.spans(tags) if task.scheme else [(n, n, t) for n, t in enumerate(tags) if t != OUTSIDE_TAG]
    places = list(WORD_SPLITTERS[task.unit](text))
    whole = [text[a:b] for a, b in places] == list(example.words)
    for first, last, kind in spans:
        joined = ("" if task.unit == "characters" else " ").join(example.words[first : last + 1])
        place: Fields = {"first_word": first, "last_word": last}
        if whole:
            place = {"start": places[first][0], "end": places[last][1]}
            joined = text[place["start"] : place["end"]]
        yield {"type": kind, "text": joined, **place, "score": round(mean_score(scores[first : last + 1]), DIGITS)}


def mean_score(scores: np.ndarray) -> float:
    """Gives the mean over the words that have pieces; 0 where none has."""
    return float(np.nanmean(scores)) if not np.isnan(scores).all() else 0.0


def tag_scores(
    logits: Sequence[np.ndarray], features: Features, examples: Sequence[TaggedExample]
) -> list[np.ndarray]:
    """Gives for each example the probability of each word's tag, NaN for a word without a piece."""
    owned = features.notes["words"]
    assert isinstance(owned, Ragged)
    found = [np.full(len(example.words), np.nan) for example in examples]
    for row, sample in enumerate(features.sample.tolist()):
        words = owned[row]
        at = np.flatnonzero(words >= 0)
        if len(at):
            found[sample][words[at]] = softmax(np.asarray(logits[row])[at]).max(axis=1)
    return found


FORMS: Mapping[type, Callable[..., list[Fields]]] = {
    Classification: _classes,
    Choice: _choices,
    Tagging: _entities,
    QA: _answers,
    Text2Text: _texts,
    Reranking: _relevance,
    TextPairs: _places,
}

"""The model behind a server: which routes its head can answer, and the answers to several requests at once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError, ZooError
from zoo.files import quote
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines import PIPELINES, kind_of, pipeline
from zoo.inference.pipelines.base import Pipeline
from zoo.inference.pipelines.embeddings import NAMES
from zoo.inference.pipelines.hybrid import SPARSE
from zoo.inference.pipelines.rerank import MAX_LENGTH, Ranking
from zoo.serve.refusals import BACKEND, INVALID, Refusal
from zoo.serve.vectors import TokenIds, Vectors
from zoo.tasks.classification import TextExample

log = logging.getLogger("zoo")

EMBEDDINGS, RERANK, CLASSIFICATION = "embeddings", "rerank", "classification"
SPARSE_ROUTE = "/embed_sparse"
ROUTES = {
    EMBEDDINGS: ("/v1/embeddings", "/embed", SPARSE_ROUTE, "/similarity"),
    RERANK: ("/rerank",),
    CLASSIFICATION: ("/predict",),
}
WARM_UP_TEXTS = ("a text", "another one")
BYTES_PER_TOKEN = 4  # of UTF-8, in most languages


@dataclass(frozen=True)
class Question:
    """What one request asks of the model.

    Attributes:
        task: the pipeline.
        items: for it.
        options: of the pipeline, for all items.
        cut: what becomes of a text that is too long: "right", "left" (its beginning is cut) or "no" (refused).
    """

    task: str
    items: Sequence[Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    cut: str = "right"

    @property
    def key(self) -> tuple[str, str]:
        """Gives what questions that are answered together have in common."""
        return self.task, json.dumps(self.options, sort_keys=True)

    @property
    def size(self) -> int:
        """Gives about how many tokens it has."""
        return _size(self.items)


@dataclass(frozen=True)
class Answer:
    """The answers to the items of a question, and the tokens that the model read for them, with special ones."""

    values: list[Any]
    tokens: int


class ServedModel:
    """A network with every pipeline that its head allows.

    Args:
        deployed: the network.
        task: the only pipeline to serve; "" for all of the head.
        name: what clients call it.
        batch_tokens: of a batch of the network, padding included.

    Raises:
        UsageError: no pipeline works with the model.
    """

    def __init__(self, deployed: Deployed, task: str = "", name: str = "", batch_tokens: int = 0) -> None:
        self.deployed, self.name = deployed, name or deployed.name
        self.pipes: dict[str, Pipeline] = {}
        tasks = (
            [kind_of(task)[0]] if task else [name for name in PIPELINES if deployed.task in kind_of(name)[1].heads]
        )
        for found in tasks:
            try:
                pipe = Vectors(deployed) if found == EMBEDDINGS else pipeline(found, deployed)
            except UsageError:  # as of a reranker with several classes
                if task:
                    raise
                continue
            pipe.tokens = batch_tokens or pipe.tokens
            self.pipes[found] = pipe
        if not self.pipes:
            head = f"the head {deployed.task}, of no pipeline" if deployed.task else "no head"
            raise UsageError(f"{quote(deployed.name, 200)} has {head}.", "Name a pipeline: --task embeddings.")
        self.width = self._warmed_up()

    @property
    def main(self) -> str:
        """Gives the pipeline that stands for the model: a reranker's is `rerank`, not `classification`."""
        return RERANK if RERANK in self.pipes else next(iter(self.pipes))

    @property
    def routes(self) -> list[str]:
        """Gives the routes that the model can answer."""
        found = [route for task, routes in ROUTES.items() if task in self.pipes for route in routes]
        return [*(route for route in found if self.sparse or route != SPARSE_ROUTE), "/pipeline"]

    @property
    def sparse(self) -> bool:
        """Tells whether there is a weight for every token too."""
        return NAMES[SPARSE] in getattr(self.deployed.engine, "outputs", ())

    @property
    def similarity(self) -> str:
        """Names how vectors are compared."""
        assert self.deployed.sentence is not None
        return self.deployed.sentence.similarity

    def need(self, task: str) -> Pipeline:
        """Gives a pipeline.

        Raises:
            Refusal: the model has another head.
        """
        if task not in self.pipes:
            raise Refusal(BACKEND, f"The model {self.name} cannot do this; it answers {', '.join(self.routes)}.")
        return self.pipes[task]

    def row_length(self, task: str) -> int:
        """Gives the most tokens of a row."""
        pipe = self.pipes[task]
        return pipe.row_length(pipe.options.get("max_length"), MAX_LENGTH if task == RERANK else None)

    def answer(self, questions: Sequence[Question]) -> list[Answer | Refusal]:
        """Gives the answers to questions of one task and with the same options.

        Raises:
            ZooError: an option does not work, or an item cannot be read that looked as if it could.
        """
        task = questions[0].task
        pipe = self.pipes[task]
        options = {**pipe.options, **pipe.known(questions[0].options)}
        read = [self._read(question, options) for question in questions]
        examples = [example for found in read if not isinstance(found, Refusal) for example in found]
        if not examples:
            return [found for found in read if isinstance(found, Refusal)]
        features = pipe.features(examples, options)
        answers = pipe.answers_of(features, examples, options)
        tokens = np.bincount(features.sample, features.lengths, len(examples)).astype(int)
        found: list[Answer | Refusal] = []
        start = 0
        for one in read:
            if isinstance(one, Refusal):
                found.append(one)
                continue
            stop = start + len(one)
            found.append(_checked(list(answers[start:stop]), int(tokens[start:stop].sum())))
            start = stop
        return found

    def _read(self, question: Question, options: dict[str, Any]) -> list[Any] | Refusal:
        pipe = self.pipes[question.task]
        found: list[Any] = []
        for n, item in enumerate(question.items):
            try:
                example = pipe.preprocess(item, **options)
            except InputError as error:
                message = error.message.removeprefix("Item 0").lstrip(": ")
                return Refusal.of(InputError(f"Item {n} {message}", error.hint))
            found.append(example)
        try:
            return found if question.cut == "right" else [self._whole(question, example) for example in found]
        except Refusal as refusal:
            return refusal

    def _whole(self, question: Question, example: Any) -> Any:
        """Gives an example that fits into a row without being cut at its end."""
        pipe, limit = self.pipes[question.task], self.row_length(question.task)
        longest = max(_lengths(pipe, example))
        if longest <= limit:
            return example
        if question.cut == "no":
            said = (
                f"A text has {longest} tokens, more than the {limit} of a row; shorten it, or send truncate: true."
            )
            raise Refusal(INVALID, said, "truncate")
        if not isinstance(pipe, Vectors):
            raise Refusal(INVALID, "truncation_direction left is for single texts.", "truncation_direction")
        return pipe.cut_left(example, limit)

    def _warmed_up(self) -> int:
        """Answers once, so that the first client need not wait; gives the width of the vectors, 0 without."""
        if EMBEDDINGS in self.pipes:
            first = self.pipes[EMBEDDINGS](list(WARM_UP_TEXTS), truncate_dim=1 << 30)[0]
            return len(first)
        if RERANK in self.pipes:
            self.pipes[RERANK]([(WARM_UP_TEXTS[0], WARM_UP_TEXTS)])
        elif CLASSIFICATION in self.pipes:
            self.pipes[CLASSIFICATION](list(WARM_UP_TEXTS))
        return 0


def _checked(values: list[Any], tokens: int) -> Answer | Refusal:
    for n, value in enumerate(values):
        if isinstance(value, ZooError):
            return Refusal.of(InputError(f"Item {n}: {value.message}", value.hint))
        if not _finite(value):
            return Refusal(BACKEND, f"The model's numbers for item {n} are not finite.")
    return Answer(values, tokens)


def _finite(value: Any) -> bool:
    if isinstance(value, float | np.ndarray | np.generic):
        return bool(np.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if is_dataclass(value):  # several kinds of vectors
        return all(map(_finite, vars(value).values()))
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True


def _lengths(pipe: Pipeline, example: Any) -> list[int]:
    """Gives the tokens of the rows of an example when nothing is cut."""
    if isinstance(example, TokenIds):
        return [len(example.ids) + sum(map(len, pipe.tokenizer.around))]
    second: list[str] | None
    if isinstance(example, Ranking):
        first, second = [example.query] * len(example.texts), list(example.texts)
    else:
        assert isinstance(example, TextExample)
        first, second = [example.text], None if example.pair is None else [example.pair]
    return [len(row) for row in pipe.tokenizer(first, second, truncation=False, padding=False)["input_ids"]]


def _size(item: Any) -> int:
    """Gives about how many tokens an item has."""
    if isinstance(item, str):
        return 2 + len(item.encode("utf-8", "replace")) // BYTES_PER_TOKEN
    if isinstance(item, TokenIds):
        return 2 + len(item.ids)
    if isinstance(item, Mapping):
        return sum(map(_size, item.values()))
    return sum(map(_size, item)) if isinstance(item, Sequence) else 1

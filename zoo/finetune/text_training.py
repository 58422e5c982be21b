"""What a run on pairs, triplets or rankings of texts trains on: its rows, and what is minimised."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.errors import NotYetError, UsageError
from zoo.files import quote
from zoo.finetune import teacher as teachers
from zoo.finetune.batches import Rows
from zoo.finetune.config import FinetuneConfig
from zoo.finetune.groups import Groups, by_sample, by_text, numbered
from zoo.finetune.judgement import Split
from zoo.finetune.losses import Objective, objective_of
from zoo.finetune.text_losses import objective, text_loss
from zoo.models.common.base import Model
from zoo.models.common.sentence_transformers.arrays import DOCUMENT_PROMPTS, QUERY_PROMPTS
from zoo.tasks import Task
from zoo.tasks.reranking import Reranking
from zoo.tasks.text_pairs import TextPairs

log = logging.getLogger("zoo")


def is_of_texts(task: Task) -> bool:
    """Whether a task is one of those that this module prepares."""
    return isinstance(task, TextPairs | Reranking)


def check(config: FinetuneConfig, task: Task, complete: bool) -> None:
    """Looks at the options before anything is computed.

    Args:
        complete: the files were read, so that the task says whether its pairs have scores.

    Raises:
        UsageError: a loss that does not go with the task, or an option that has no meaning for it.
    """
    if config.teacher and not is_of_texts(task):
        raise UsageError("--teacher is for --task pairs, triplets and rerank.", "Leave it out.")
    if not is_of_texts(task):
        return
    if config.label_smoothing:
        raise UsageError(f"--label_smoothing has no meaning for {task.name}.", "It goes with classes.")
    if complete and not config.teacher:
        text_loss(config.loss, learned_by(task))


def learned_by(task: Task, teacher: str | None = None) -> str:
    """What is learned, a key of OF_TASK. teacher: its head.

    Raises:
        UsageError: a teacher who says nothing of such rows.
    """
    if isinstance(task, Reranking):
        if teacher == "embedding":
            raise UsageError("--teacher gives vectors, and a reranker learns scores.", "Give a cross-encoder.")
        return "rerank of a teacher's scores" if teacher else "rerank"
    if teacher == "embedding":
        return "pairs of a teacher's vectors"
    scored = isinstance(task, TextPairs) and bool(task.score_column)
    if teacher and (scored or not getattr(task, "negatives", ())):
        raise UsageError(
            "--teacher gives scores, and a student of vectors learns how far a positive's is above a negative's.",
            "Give --task triplets with negatives, or a teacher of sentence embeddings.",
        )
    return "triplets of a teacher's scores" if teacher else "scored pairs" if scored else "pairs"


def with_prompts(task: TextPairs, model: Any) -> TextPairs:
    """Gives the task with a model's prompts for queries and documents; of scored pairs with its default one.

    Args:
        model: a `SentenceEncoder`.

    Raises:
        NotYetError: its pooling leaves prompts out, which training does not.
    """
    sentence = model.sentence
    names = [None, None] if task.score_column else [sentence.first_of(n) for n in (QUERY_PROMPTS, DOCUMENT_PROMPTS)]
    prompts = tuple(map(sentence.prompt, names))
    if any(prompts) and sentence.skips_prompt:
        raise NotYetError(
            "The pooling of this model leaves out its prompts, and the zoo does not train such models."
        )
    if any(prompts):
        log.info("before anchors stands %s, before the other texts %s", *map(quote, prompts))
    return replace(task, prompts=prompts)


def training_of(config: FinetuneConfig, task: Any, split: Split, model: Model) -> tuple[Rows, Objective]:
    """Gives the rows and the objective.

    Args:
        split: the training data.
        model: that learns.

    Raises:
        UsageError: a loss or a teacher that does not go with the task.
    """
    teacher = teachers.teacher_model(config.teacher) if config.teacher else None
    learned = learned_by(task, teacher.task if teacher else None)
    loss = text_loss(config.loss, learned)
    examples: Sequence[Any] = split.examples
    if isinstance(task, Reranking):
        if loss.name == "bce":
            return split.features, objective_of(model)
        each = list(np.arange(len(examples))[:, None])
        if loss.name == "softmax":
            each = by_text([e.text for e in examples])
        labels = np.asarray(split.features.columns["labels"], np.float32)
        if teacher:
            labels = teachers.scores(teacher, [(e.text, e.pair) for e in examples], config.max_length)
        return Groups(split.features, each, labels), objective(loss, "logits")
    made: Any = model
    width = made.head.width
    groups = Groups(split.features, by_sample(split.features))
    if learned == "pairs":
        groups.apart = numbered([e.texts for e in examples])
    elif learned == "scored pairs":
        groups.labels = np.array([e.score for e in examples], np.float32)
    elif learned == "pairs of a teacher's vectors":
        assert teacher
        normal = made.sentence.modules[-1].kind == "Normalize"
        found = teachers.vectors(teacher, with_prompts(task, teacher), examples, config.max_length)
        groups.labels = teachers.fitted(found, width, normal)
    else:
        assert teacher
        if made.sentence.modules[-1].kind == "Normalize":
            log.warning(
                "margin-mse compares products of vectors, and those of this model have length 1, so that no margin "
                "is above 2: --network normalize=false lets them grow."
            )
        pairs = [(e.anchor, text) for e in examples for text in e.texts]  # of an anchor with itself nothing is used
        groups.labels = teachers.scores(teacher, pairs, config.max_length)
    return groups, objective(loss, "embeddings", width)

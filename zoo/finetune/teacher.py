"""A teacher: a model whose vectors or scores of the training texts a smaller one learns, computed once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.files import quote
from zoo.finetune.evaluation import outputs_of
from zoo.loading import load
from zoo.model_files import saved_head
from zoo.models.common.base import Model
from zoo.tasks.classification import TextExample
from zoo.tasks.reranking import Reranking
from zoo.tasks.running import features_of
from zoo.tasks.text_pairs import PairExample, TextPairs
from zoo.terminal import Progress

log = logging.getLogger("zoo")


def teacher_model(name: str) -> Model:
    """The model, with the head that its files have.

    Raises:
        UsageError: it makes neither vectors of texts nor one score for a pair.
    """
    head = saved_head(name)
    model = load(name, task=head)
    if head != "embedding" and (head != "classification" or len(model.config.labels) != 1):
        raise UsageError(
            f"--teacher {quote(name)} has {f'the head {head}' if head else 'no head'}, and a teacher gives vectors "
            "or one score for a pair.",
            "Give a model of sentence embeddings, or a cross-encoder such as BAAI/bge-reranker-v2-m3.",
        )
    return model


def vectors(teacher: Model, task: TextPairs, examples: Sequence[PairExample], max_length: int) -> np.ndarray:
    """The teacher's vector of each text [S, D], in the order of `TextPairs.encode`; the task has its prompts."""
    made = features_of(examples, task, teacher.tokenizer, teacher.config, max_length or None)
    return _outputs(teacher, made, "embeddings")


def scores(teacher: Model, pairs: Sequence[tuple[str, str]], max_length: int) -> np.ndarray:
    """The teacher's number [S] for pairs of texts, as the network gives it, before any sigmoid."""
    task = Reranking(name="teacher", pair="pair")
    examples = [TextExample(str(n), first, second) for n, (first, second) in enumerate(pairs)]
    made = features_of(examples, task, teacher.tokenizer, teacher.config, max_length or None)
    return _outputs(teacher, made, "logits")[:, 0]


def _outputs(teacher: Model, features: Any, field: str) -> np.ndarray:
    with Progress("the teacher", len(features), lambda n: f"{n:,}") as bar:
        outputs, _ = outputs_of(teacher, features, on_rows=bar.add)
    return np.stack(outputs[field]).astype(np.float32)


def fitted(vectors: np.ndarray, width: int, normalize: bool) -> np.ndarray:
    """The teacher's vectors [S, D] for a student whose vectors have `width` numbers.

    More numbers are projected on the directions in which the products of all pairs of these vectors are kept best
    (their principal directions, not centred); fewer are followed by zeros. Nothing of it is trained or stored.

    Args:
        normalize: divide by the Euclidean length, as the student does.
    """
    if width < vectors.shape[1]:
        wide = vectors.astype(np.float64)
        values, directions = np.linalg.eigh(wide.T @ wide)
        kept = float(values[-width:].sum() / max(values.sum(), 1e-12))
        log.info("the teacher's %d numbers are projected on %d, which keep %.1f %% of their squares",
                 vectors.shape[1], width, 100 * kept)  # fmt: skip
        vectors = (wide @ directions[:, ::-1][:, :width]).astype(np.float32)
    elif width > vectors.shape[1]:
        vectors = np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))
    if normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(vectors, np.float32)

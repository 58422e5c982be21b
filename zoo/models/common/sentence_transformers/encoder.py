"""Turns texts into vectors: `encode` and `search` of a model with the embedding head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle

from zoo.batching import padding_of
from zoo.errors import InputError, whole
from zoo.models.common.base import TaskModel
from zoo.models.common.sentence_transformers.arrays import (
    DOCUMENT_PROMPTS,
    QUERY_PROMPTS,
    finish,
    hide_prompt,
    kept,
    prompt_length,
)
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.models.common.sentence_transformers.head import Embedding
from zoo.search.codes import Precision, check_precision, quantize_embeddings
from zoo.search.compare import similarities
from zoo.search.semantic import semantic_search

Texts = str | Sequence[str]


class SentenceEncoder(TaskModel):
    """A network with the embedding head, called as sentence-transformers' class is."""

    @property
    def sentence(self) -> SentenceModel:
        """Gives its modules, prompts and similarity."""
        assert isinstance(self.head, Embedding)
        return self.head.sentence

    def encode(
        self,
        texts: Texts,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
    ) -> np.ndarray:
        """Gives the vectors of texts, as sentence-transformers' `encode` does.

        Args:
            texts: one, or a list.
            prompt_name: of the model's prompts; None for its default one, if it has one.
            prompt: a name of the model's prompts as well ("query"), or any text to stand before each of them
                ("query: ").
            batch_size: texts that are computed together; the vectors do not depend on it.
            normalize_embeddings: divide by the Euclidean length, after truncation.
            truncate_dim: how many numbers of a vector are kept; None for as many as the model says.
            precision: of the vectors, as `zoo.search.quantize_embeddings` has it.

        Returns:
            float32 [N, D], or codes, in the order of the texts; [D] of a single one.

        Raises:
            InputError: an item that is no text; names it.
            UsageError: no such prompt, or a number that makes no sense.

        Example:
            >>> import zoo
            >>> model = zoo.load("all-MiniLM-L6-v2")
            >>> vectors = model.encode(["A cat sits on the mat.", "A kitten lies on a rug.", "Shares fell."])
            >>> vectors.shape
            (3, 384)
            >>> near, far = model.similarity(vectors[0], vectors[1:])[0]
            >>> bool(near > far)
            True
        """
        whole("batch_size", batch_size)
        check_precision(precision)
        before = self.sentence.prompt(prompt_name, prompt)
        keep = kept(self.sentence, truncate_dim)
        rows = self.tokenizer([before + text for text in _listed(texts)], padding=False, return_tensors="np")
        skipped = prompt_length(self.sentence, self.tokenizer, before)
        vectors = np.zeros((len(rows["input_ids"]), self.head.width), np.float32)
        order = np.argsort([-len(row) for row in rows["input_ids"]], kind="stable")
        training = self.training
        self.eval()
        try:
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                vectors[chosen] = self._vectors({name: [r[n] for n in chosen] for name, r in rows.items()}, skipped)
        finally:
            if training:
                self.train()
        vectors = quantize_embeddings(finish(vectors, keep, normalize_embeddings), precision)
        return vectors[0] if isinstance(texts, str) else vectors

    def encode_query(self, texts: Texts, prompt_name: str | None = None, **options: Any) -> np.ndarray:
        """Does what `encode` does, by the model's prompt "query" unless another is asked for."""
        return self.encode(texts, self._prompt_name(prompt_name, QUERY_PROMPTS, options), **options)

    def encode_document(self, texts: Texts, prompt_name: str | None = None, **options: Any) -> np.ndarray:
        """Does what `encode` does, by the model's prompt "document", "passage" or "corpus"."""
        return self.encode(texts, self._prompt_name(prompt_name, DOCUMENT_PROMPTS, options), **options)

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Compares vectors [N, D] (or [D]) with vectors [M, D] by the model's similarity: float32 [N, M].

        Distances are negative, so that more is always more alike.
        """
        return similarities(np.atleast_2d(a), np.atleast_2d(b), self.sentence.similarity)

    def search(
        self, queries: Texts | np.ndarray, documents: Texts | np.ndarray, top_k: int = 10, **options: Any
    ) -> list[Any]:
        """Finds the documents that are most alike to each query, by comparing all of them.

        Args:
            queries: texts, encoded by `encode_query`, or their vectors [N, D].
            documents: texts, encoded by `encode_document`, or their vectors [M, D], kept to search again.
            top_k: how many.
            options: batch_size, normalize_embeddings, truncate_dim of `encode`.

        Returns:
            For each query a list of {"corpus_id", "score"}, best first: the document's number from 0, and the
            similarity. One query as a str gives its list alone.

        Raises:
            InputError, UsageError: as `encode`; there is no document.

        Example:
            >>> import zoo
            >>> model = zoo.load("all-MiniLM-L6-v2")
            >>> documents = ["Shares fell on Monday.", "The cat sleeps all day.", "It rains."]
            >>> [found["corpus_id"] for found in model.search("a lazy pet", documents, top_k=1)]
            [1]
        """
        count = whole("top_k", top_k)
        asked = queries if isinstance(queries, np.ndarray) else self.encode_query(queries, **options)
        held = documents if isinstance(documents, np.ndarray) else self.encode_document(documents, **options)
        if not len(held):
            raise InputError("There is no text.", "Give one or more.")
        found = semantic_search(asked, np.atleast_2d(held), count, self.sentence.similarity)
        return found[0] if isinstance(queries, str) else found

    def _prompt_name(self, asked: str | None, names: Sequence[str], options: Mapping[str, object]) -> str | None:
        return self.sentence.first_of(names) if asked is None and options.get("prompt") is None else asked

    def _vectors(self, rows: dict[str, list[np.ndarray]], skipped: int) -> np.ndarray:
        """Gives vectors [B, D] of some rows of equal or less length than the first."""
        width = padding_of(self).width(len(rows["input_ids"][0]))
        batch = {name: np.zeros((len(values), width), np.int64) for name, values in rows.items()}
        batch["input_ids"] += self.tokenizer.pad_token_id or 0
        for name, values in rows.items():
            for n, row in enumerate(values):
                batch[name][n, : len(row)] = row
        batch["attention_mask"] = hide_prompt(batch["attention_mask"], skipped)
        with paddle.no_grad():
            made = self(**{name: paddle.to_tensor(array) for name, array in batch.items()}).embeddings
        return made.astype("float32").numpy()


def _listed(texts: object) -> list[str]:
    if not isinstance(texts, Sequence | np.ndarray) or isinstance(texts, bytes | bytearray):
        raise InputError(f"A {type(texts).__name__} is not a text.", "Give a str, or a list of them.")
    listed = [texts] if isinstance(texts, str) else list(texts)
    for n, text in enumerate(listed):
        if not isinstance(text, str):
            raise InputError(f"Item {n} is a {type(text).__name__}, not a text.", "Give a str for each item.")
    return listed

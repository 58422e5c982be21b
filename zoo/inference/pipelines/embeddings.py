"""Texts as vectors, and what that is good for: how alike two texts are, and search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.classification import by_example
from zoo.inference.pipelines.items import whole
from zoo.tasks.features import Features

BLOCK = 1024  # queries whose similarities to the corpus are held at once
Texts = str | Sequence[str] | Sequence[np.ndarray] | np.ndarray


class Embeddings(Pipeline):
    """The vector [D] of a text, float32, as the model's embedding head gives it: of length 1 unless it says else.

    Options: max_length, tokens of a row; longer texts are cut.
    """

    heads = ("embedding",)

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Any], **options: Any
    ) -> Sequence[Any]:
        return list(by_example(outputs["embeddings"], features))

    def similarity(self, a: Texts, b: Texts, **options: Any) -> Any:
        """Cosines.

        Args:
            a, b: a text, several, or vectors: what the pipeline returned, or [N, D].

        Returns:
            A number for two texts; else [N, M] float32, a row for each of `a`.

        Raises:
            InputError: an item that is no text.
        """
        table = self._vectors(a, options) @ self._vectors(b, options).T
        return float(table[0, 0]) if isinstance(a, str) and isinstance(b, str) else table

    def search(self, queries: Texts, corpus: Texts, top_k: int = 10, **options: Any) -> list[Any]:
        """The texts of a corpus that are nearest to queries.

        Args:
            queries: a text, several, or vectors [N, D].
            corpus: texts, or their vectors [M, D], which a program that searches often keeps.
            top_k: how many of them.

        Returns:
            For each query a list of {"corpus_id", "score"}, best first: the number of the text, and the cosine.
            One query as a str gives its list alone.

        Raises:
            InputError: an item that is no text.
        """
        count = whole("top_k", top_k)
        asked, held = self._vectors(queries, options), self._vectors(corpus, options)
        found: list[Any] = []
        for start in range(0, len(asked), BLOCK):
            for row in asked[start : start + BLOCK] @ held.T:
                best = np.argsort(-row, kind="stable")[:count].tolist()
                found.append([{"corpus_id": n, "score": float(row[n])} for n in best])
        return found[0] if isinstance(queries, str) else found

    def _vectors(self, texts: Texts, options: dict[str, Any]) -> np.ndarray:
        """[N, D], of length 1."""
        if not len(texts):
            raise InputError("There is no text.", "Give one or more.")
        if isinstance(texts[0], np.ndarray):
            made = np.asarray(texts)
        else:
            made = np.stack(self([texts] if isinstance(texts, str) else list(texts), **options))
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)

"""Texts as vectors, and what that is good for: how alike two texts are, and search."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.classification import by_example
from zoo.inference.pipelines.items import whole
from zoo.models.common.sentence_transformers import encoder
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.search import Index, quantize_embeddings, semantic_search
from zoo.search.codes import Precision, check_precision
from zoo.search.vectors import Corpus
from zoo.tasks.features import Features

Texts = str | Sequence[str] | Sequence[np.ndarray] | np.ndarray


class Embeddings(Pipeline):
    """The vector [D] of a text, float32, as the model's modules make it: what sentence-transformers gives.

    Options: max_length, tokens of a row, longer texts are cut; prompt_name, prompt, truncate_dim and
    normalize_embeddings as `zoo.models.common.sentence_transformers.encoder.SentenceEncoder.encode` has them.
    """

    heads = ("embedding",)
    defaults: Mapping[str, Any] = {
        "max_length": None,
        "prompt_name": None,
        "prompt": None,
        "truncate_dim": None,
        "normalize_embeddings": False,
    }

    @property
    def sentence(self) -> SentenceModel:
        """Prompts and similarity of the model."""
        assert self.deployed.sentence is not None
        return self.deployed.sentence

    def preprocess(self, item: Any, **options: Any) -> Any:
        example = super().preprocess(item, **options)
        return replace(example, text=self._prompt(options) + example.text)

    def features(self, examples: Sequence[Any], options: Mapping[str, Any]) -> Features:
        return self.texts(examples, self.row_length(options["max_length"]))

    def predict(self, batch: dict[str, np.ndarray], **options: Any) -> Outputs:
        hidden = encoder.prompt_length(self.sentence, self.tokenizer, self._prompt(options))
        return self.engine({**batch, "attention_mask": encoder.hide_prompt(batch["attention_mask"], hidden)})

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Any], **options: Any
    ) -> Sequence[Any]:
        keep = encoder.kept(self.sentence, options["truncate_dim"])
        return list(
            encoder.finish(by_example(outputs["embeddings"], features), keep, options["normalize_embeddings"])
        )

    def encode(  # type: ignore[override]
        self, texts: Any, prompt_name: str | None = None, *, precision: Precision = "float32", **options: Any
    ) -> np.ndarray:
        """As a call of the pipeline, the vectors in one array: what sentence-transformers' `encode` gives.

        Args:
            texts: one, or a list.
            precision: of the vectors, as `zoo.search.quantize_embeddings` has it; int8 takes its ranges from the
                texts themselves.
            options: of the pipeline.

        Returns:
            float32 [N, D], or codes; [D] of a single text.

        Raises:
            InputError: an item that is no text; names it.
        """
        check_precision(precision)
        made = self(texts if isinstance(texts, str) else list(texts), prompt_name=prompt_name, **options)
        rows = [made] if isinstance(texts, str) else made
        vectors = quantize_embeddings(np.stack(rows) if rows else np.zeros((0, 0), np.float32), precision)
        return vectors[0] if isinstance(texts, str) else vectors

    def similarity(self, a: Texts, b: Texts, **options: Any) -> Any:
        """Compares texts by the model's similarity, a cosine unless its files say another.

        Args:
            a, b: a text, several, or vectors: what the pipeline returned, or [N, D].

        Returns:
            A number for two texts; else [N, M] float32, a row for each of `a`. Distances are negative.

        Raises:
            InputError: an item that is no text.
        """
        table = encoder.similarities(self._vectors(a, options), self._vectors(b, options), self.sentence.similarity)
        return float(table[0, 0]) if isinstance(a, str) and isinstance(b, str) else table

    def search(self, queries: Texts, corpus: Texts | Corpus | Index, top_k: int = 10, **options: Any) -> list[Any]:
        """The texts of a corpus that are nearest to queries.

        Args:
            queries: a text, several, or vectors [N, D]. Texts get the model's prompt "query", where it has one.
            corpus: texts, or their vectors [M, D], which a program that searches often keeps: an array, .npy
                files as `Path`, or an index, as `zoo.search.semantic_search` takes them. Texts get the model's
                prompt "document", "passage" or "corpus", where it has one.
            top_k: how many of them.

        Returns:
            For each query a list of {"corpus_id", "score"}, best first: the number of the text, and the similarity.
            One query as a str gives its list alone.

        Raises:
            InputError: an item that is no text.
        """
        count = whole("top_k", top_k)
        asked = self._vectors(queries, options, encoder.QUERY_PROMPTS)
        held: Any = corpus
        if not _are_vectors(held):
            held = self._vectors(held, options, encoder.DOCUMENT_PROMPTS)
        found = semantic_search(asked, held, count, self.sentence.similarity)
        return found[0] if isinstance(queries, str) else found

    def _prompt(self, options: Mapping[str, Any]) -> str:
        return self.sentence.prompt(options["prompt_name"], options["prompt"])

    def _vectors(self, texts: Texts, options: Mapping[str, Any], prompts: Sequence[str] = ()) -> np.ndarray:
        """[N, D]."""
        if not len(texts):
            raise InputError("There is no text.", "Give one or more.")
        if isinstance(texts[0], np.ndarray):
            return np.asarray(texts)
        given = {**self.options, **options}
        if given["prompt"] is None and given["prompt_name"] is None:
            options = {**options, "prompt_name": self.sentence.first_of(prompts)}
        return np.stack(self([texts] if isinstance(texts, str) else list(texts), **options))


def _are_vectors(corpus: Any) -> bool:
    """Tells whether a corpus has its vectors already."""
    first = corpus[0] if isinstance(corpus, list | tuple) and corpus else corpus
    return isinstance(first, np.ndarray | os.PathLike | Index | Iterator)

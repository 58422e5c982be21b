"""Texts as vectors, and what that is good for: how alike two texts are, and search."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.inference.pipelines import hybrid
from zoo.inference.pipelines.base import Outputs, Pipeline
from zoo.inference.pipelines.hybrid import COLBERT, DENSE, KINDS, SPARSE, HybridEmbedding
from zoo.inference.pipelines.items import whole
from zoo.models.common.sentence_transformers import arrays
from zoo.models.common.sentence_transformers.description import SentenceModel
from zoo.search import Index, quantize_embeddings, semantic_search
from zoo.search.codes import Precision, check_precision
from zoo.search.compare import similarities
from zoo.search.vectors import Corpus
from zoo.tasks.features import Features

Texts = str | Sequence[str] | Sequence[np.ndarray] | np.ndarray
NAMES = {DENSE: "embeddings", SPARSE: "token_weights", COLBERT: "token_vectors"}  # of a graph's outputs
NOT_LEXICAL = ("cls", "eos", "sep", "pad", "unk")  # tokens without a weight
COLBERT_CHARACTERS = 1 << 17  # of a window: a token's vector takes kilobytes


class Embeddings(Pipeline):
    """The vector [D] of a text, float32, as the model's modules make it: what sentence-transformers gives.

    Options: max_length, tokens of a row, longer texts are cut; prompt_name, prompt, truncate_dim and
    normalize_embeddings as `zoo.models.common.sentence_transformers.encoder.SentenceEncoder.encode` has them;
    outputs, of "dense", "sparse" and "colbert": with another than ("dense",) alone the answer is a
    `HybridEmbedding`, for models that have these (bge-m3 and models trained from it).
    """

    heads = ("embedding",)
    defaults: Mapping[str, Any] = {
        "max_length": None,
        "prompt_name": None,
        "prompt": None,
        "truncate_dim": None,
        "normalize_embeddings": False,
        "outputs": (DENSE,),
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
        hidden = arrays.prompt_length(self.sentence, self.tokenizer, self._prompt(options))
        mask = batch["attention_mask"]
        found = self.engine({**batch, "attention_mask": arrays.hide_prompt(mask, hidden)})
        kinds = self._kinds(options["outputs"])
        made: dict[str, Sequence[Any]] = {DENSE: found[NAMES[DENSE]]} if DENSE in kinds else {}
        if SPARSE in kinds:
            rows = zip(batch["input_ids"], found[NAMES[SPARSE]], mask != 0, strict=True)
            made[SPARSE] = [hybrid.lexical(ids[seen], row[seen], self._not_lexical) for ids, row, seen in rows]
        if COLBERT in kinds:
            pairs = zip(found[NAMES[COLBERT]], mask != 0, strict=True)
            made[COLBERT] = [row[seen][1:] for row, seen in pairs]  # a copy, without the batch's padding
        return made

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Any], /, **options: Any
    ) -> Sequence[Any]:
        made = dict(outputs)
        if DENSE in made:
            keep = arrays.kept(self.sentence, options["truncate_dim"])
            made[DENSE] = list(arrays.finish(np.stack(made[DENSE]), keep, options["normalize_embeddings"]))
        order = np.argsort(features.sample, kind="stable").tolist()
        if tuple(made) == (DENSE,):
            return [made[DENSE][n] for n in order]
        return [HybridEmbedding(**{kind: values[n] for kind, values in made.items()}) for n in order]

    def window_characters(self, options: Mapping[str, Any]) -> int:
        usual = super().window_characters(options)
        return min(usual, COLBERT_CHARACTERS) if COLBERT in self._kinds(options["outputs"]) else usual

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
        options = {**options, "outputs": (DENSE,), "prompt_name": prompt_name}
        made = self(texts if isinstance(texts, str) else list(texts), **options)
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
        table = similarities(self._vectors(a, options), self._vectors(b, options), self.sentence.similarity)
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
        asked = self._vectors(queries, options, arrays.QUERY_PROMPTS)
        held: Any = corpus
        if not _are_vectors(held):
            held = self._vectors(held, options, arrays.DOCUMENT_PROMPTS)
        found = semantic_search(asked, held, count, self.sentence.similarity)
        return found[0] if isinstance(queries, str) else found

    def scores(
        self,
        queries: str | Sequence[str] | Sequence[HybridEmbedding],
        documents: str | Sequence[str] | Sequence[HybridEmbedding],
        weights: Sequence[float] = hybrid.EQUAL_WEIGHTS,
        **options: Any,
    ) -> dict[str, np.ndarray]:
        """Compares texts by their dense vectors, the weights and the vectors of their tokens, and by the mix.

        Args:
            queries, documents: a text, several, or what the pipeline returned of some, to be kept. Texts get the
                prompts that `search` gives them.
            weights: of dense, sparse and colbert; the published example has .4, .2, .4.
            options: of the pipeline; `outputs` says which of the three, all by default.

        Returns:
            "dense", "sparse", "colbert", "sparse+dense" and "colbert+sparse+dense" -> float32 [N, M], the names and
            numbers of FlagEmbedding's `compute_score`; those that the texts have.

        Raises:
            InputError: an item that is no text.
            UsageError: a model without these outputs, or weights that are no weights.
        """
        options = {"outputs": KINDS, **options}
        asked = self._hybrid(queries, options, arrays.QUERY_PROMPTS)
        return hybrid.scores(asked, self._hybrid(documents, options, arrays.DOCUMENT_PROMPTS), weights)

    def _hybrid(self, texts: Any, options: Mapping[str, Any], prompts: Sequence[str]) -> list[HybridEmbedding]:
        if isinstance(texts, HybridEmbedding):
            return [texts]
        listed: list[Any] = [texts] if isinstance(texts, str) else list(texts)
        if listed and all(isinstance(one, HybridEmbedding) for one in listed):
            return listed
        made = self(listed, **self._prompted(options, prompts))
        return [one if isinstance(one, HybridEmbedding) else HybridEmbedding(one) for one in made]

    def _kinds(self, given: Any) -> tuple[str, ...]:
        """Gives the outputs that are asked for, in the order of KINDS.

        Raises:
            UsageError: there is no such output, or the model has it not.
        """
        asked = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
        if not asked or any(kind not in KINDS for kind in asked):
            raise UsageError(f"outputs={given!r:.80} does not work.", f"Some of {', '.join(KINDS)}.")
        if absent := [kind for kind in asked if NAMES[kind] not in self.engine.outputs]:
            raise UsageError(
                f"outputs: {self.deployed.name} has no {' and no '.join(absent)} embeddings.",
                "They need colbert_linear.pt and sparse_linear.pt in the model's folder, as BAAI/bge-m3 has them.",
            )
        return tuple(kind for kind in KINDS if kind in asked)

    @cached_property
    def _not_lexical(self) -> set[int]:
        ids = (getattr(self.tokenizer, f"{role}_token_id") for role in NOT_LEXICAL)
        return {token for token in ids if token is not None}

    def _prompt(self, options: Mapping[str, Any]) -> str:
        return self.sentence.prompt(options["prompt_name"], options["prompt"])

    def _vectors(self, texts: Texts, options: Mapping[str, Any], prompts: Sequence[str] = ()) -> np.ndarray:
        """[N, D]; a single text or vector is one of them."""
        if isinstance(texts, np.ndarray) and texts.dtype.kind == "f" and texts.size:
            return np.atleast_2d(texts)
        listed = [texts] if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
        if not listed:
            raise InputError("There is no text.", "Give one or more.")
        if isinstance(listed[0], np.ndarray):
            if len({np.shape(one) for one in listed}) > 1:
                raise InputError("Vectors have different numbers of numbers.", "Give [N, D].")
            return np.stack(listed)
        return np.stack(self(listed, **{**self._prompted(options, prompts), "outputs": (DENSE,)}))

    def _prompted(self, options: Mapping[str, Any], prompts: Sequence[str]) -> dict[str, Any]:
        """Gives options with the first of some prompts that the model has, unless they say another."""
        given = {**self.options, **options}
        asked = given["prompt"] is not None or given["prompt_name"] is not None
        return dict(options) if asked else {**options, "prompt_name": self.sentence.first_of(prompts)}


def _are_vectors(corpus: Any) -> bool:
    """Tells whether a corpus has its vectors already."""
    first = corpus[0] if isinstance(corpus, list | tuple) and corpus else corpus
    return isinstance(first, np.ndarray | os.PathLike | Index | Iterator)

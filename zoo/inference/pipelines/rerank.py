"""Texts ordered by how well they answer a query, judged by a cross-encoder, which reads both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo.errors import InputError, UsageError
from zoo.inference.deployed import Deployed
from zoo.inference.pipelines.base import Outputs, features_of
from zoo.inference.pipelines.classification import TextClassification, by_example
from zoo.inference.pipelines.items import both_of, text_of, whole
from zoo.tasks.features import Features

MAX_LENGTH = 512  # tokens of a row, as the published rerankers are used
QUERY_SHARE = 3, 4  # of a row's tokens: what a query may take


@dataclass(frozen=True)
class Ranking:
    """A query and the texts to be ranked."""

    query: str
    texts: tuple[str, ...]


class Rerank(TextClassification):
    """[{"corpus_id", "score"}, ...], best first, of a query and texts: `rerank(query, texts)`.

    Several queries are items (query, texts) or {"query", "texts"}: `rerank([item, ...])`, a list for each. A query
    takes at most three quarters of a row, and a text is cut to what is left, as FlagEmbedding does. Of equal scores
    the earlier text comes first.

    Options: top_k, texts that are given back, None for all; function_to_apply, what makes a score of the network's
    number: "sigmoid" (0 to 1, as sentence-transformers), "none" (FlagEmbedding's raw one), None for what the model
    says; max_length, tokens of a row.

    Raises:
        UsageError: the model has several classes, so that it says no single score.

    Example:
        >>> import zoo
        >>> rerank = zoo.pipeline("rerank", "BAAI/bge-reranker-v2-m3")    # doctest: +SKIP
        >>> rerank("What is a panda?", ["It rains.", "A bear that eats bamboo."], top_k=1)    # doctest: +SKIP
        [{'corpus_id': 1, 'score': 0.99}]
    """

    defaults: Mapping[str, Any] = {"max_length": None, "top_k": None, "function_to_apply": None}

    def __init__(self, deployed: Deployed, **options: Any) -> None:
        super().__init__(deployed, **options)
        if len(self.config.labels) != 1:
            raise UsageError(
                f"A reranker gives one score; this model has the classes {', '.join(self.config.labels)}.",
                "Give a cross-encoder such as BAAI/bge-reranker-v2-m3, or ask for the pipeline 'classification'.",
            )

    def __call__(self, items: Any, texts: Sequence[str] | None = None, **options: Any) -> Any:
        """Ranks texts for a query, or for each of several items; see the class.

        Args:
            items: a query, with `texts`; else an item or several.
            texts: to be ranked.
            options: of the pipeline, and `on_error` of `Pipeline.__call__`.

        Raises:
            InputError: a query or text that is none; names it.
        """
        return super().__call__(items if texts is None else (items, texts), **options)

    def preprocess(self, item: Any, **options: Any) -> Ranking:
        query, texts = both_of(item, "query", "texts")
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
            raise InputError(f"texts is {texts!r:.60}.", "Give a list of one text or more.")
        checked = tuple(text_of(text, f"text {n}") for n, text in enumerate(texts))
        return Ranking(text_of(query, "query"), checked)

    def encode(self, examples: Sequence[Ranking], **options: Any) -> Features:
        length = self.row_length(options["max_length"], MAX_LENGTH)
        queries = self._cut([example.query for example in examples], length * QUERY_SHARE[0] // QUERY_SHARE[1])
        counts = [len(example.texts) for example in examples]
        first = [query for query, count in zip(queries, counts, strict=True) for _ in range(count)]
        second = [text for example in examples for text in example.texts]
        try:
            rows = self.tokenizer(first, second, max_length=length, truncation="only_second", padding=False)
        except InputError:  # the texts were checked before
            raise UsageError(f"max_length={length} leaves no room for a text.", "Give a larger one.") from None
        return replace(features_of(rows, self.tokenizer), sample=np.repeat(np.arange(len(examples)), counts))

    def postprocess(
        self, outputs: Outputs, features: Features, examples: Sequence[Any], /, **options: Any
    ) -> Sequence[Any]:
        logits = by_example(outputs["logits"], features)[:, 0]  # the rows of an example stay in their order
        scores = self._function(options["function_to_apply"])(logits)
        count = None if options["top_k"] is None else whole("top_k", options["top_k"])
        ends = np.cumsum([len(example.texts) for example in examples])
        return [_ranked(part, count) for part in np.split(scores, ends[:-1])]

    def _cut(self, queries: list[str], limit: int) -> list[str]:
        """Gives queries of at most so many tokens."""
        around = sum(map(len, self.tokenizer.around))
        options: dict[str, Any] = {"padding": False, "return_offsets": True, "return_tensors": "np"}
        rows = self.tokenizer(queries, max_length=limit + around, **options)
        return [
            query[: int(offsets[:, 1].max())] if len(offsets) == limit + around else query
            for query, offsets in zip(queries, rows["offsets"], strict=True)
        ]


def _ranked(scores: np.ndarray, count: int | None) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")[:count].tolist()
    return [{"corpus_id": n, "score": float(scores[n])} for n in order]

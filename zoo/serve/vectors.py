"""Embeddings of texts and of token ids, which a client may send in place of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.inference.pipelines.base import features_of
from zoo.inference.pipelines.embeddings import Embeddings
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features, join


@dataclass(frozen=True)
class TokenIds:
    """The model's own ids of a text, with the special tokens around it or without."""

    ids: Any  # [T] integers


class Vectors(Embeddings):
    """The pipeline `embeddings`, whose items may be TokenIds too."""

    def preprocess(self, item: Any, **options: Any) -> Any:
        if not isinstance(item, TokenIds):
            return super().preprocess(item, **options)
        if self._prompt(options):
            raise InputError("is token ids, and a prompt goes before each text here.", "Send the text.")
        ids, count = np.asarray(item.ids, object), self.tokenizer.vocab_size
        if wrong := [token for token in ids if not 0 <= token < count]:
            raise InputError(f"has the token id {wrong[0]}; this model's are 0 to {count - 1}.")
        return TokenIds(self._bare(ids.astype(np.int64)))

    def features(self, examples: Sequence[Any], options: Mapping[str, Any]) -> Features:
        given = [n for n, example in enumerate(examples) if isinstance(example, TokenIds)]
        if not given:
            return super().features(examples, options)
        texts = [n for n, example in enumerate(examples) if not isinstance(example, TokenIds)]
        parts = [super().features([examples[n] for n in texts], options)] if texts else []
        parts.append(self._rows([examples[n].ids for n in given], self.row_length(options["max_length"])))
        return replace(join(parts), sample=np.array(texts + given))

    def cut_left(self, example: TokenIds | TextExample, max_length: int) -> TokenIds:
        """Gives the ids of a text's end, as many as a row of max_length tokens takes; a prompt is cut with it."""
        if isinstance(example, TextExample):
            rows = self.tokenizer([example.text], truncation=False, padding=False)
            example = TokenIds(self._bare(rows["input_ids"][0]))
        start, end = self.tokenizer.around
        return TokenIds(example.ids[len(example.ids) + len(start) + len(end) - max_length :])

    def _bare(self, ids: np.ndarray) -> np.ndarray:
        """Gives ids without the special tokens around them, where both are there."""
        start, end = self.tokenizer.around
        body = ids[len(start) : len(ids) - len(end)]
        whole = np.concatenate([start, body, end])
        return body if len(whole) == len(ids) and (whole == ids).all() else ids

    def _rows(self, texts: Sequence[Sequence[int]], max_length: int) -> Features:
        """Gives rows of ids as the tokenizer makes them of a text."""
        (start, end), types = self.tokenizer.around, self.tokenizer.layout.types
        cut = [np.asarray(ids)[: max_length - len(start) - len(end)] for ids in texts]
        rows: dict[str, Any] = {"input_ids": [np.concatenate([start, ids, end]) for ids in cut]}
        if types:
            rows["token_type_ids"] = [
                np.repeat(types[:2], [len(start), len(row) - len(start)]) for row in rows["input_ids"]
            ]
        return features_of(rows, self.tokenizer)

"""Generation by two static graphs: sources to memory, and one step of the decoder.

Legend of shapes: zoo/models/common/generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

import numpy as np
import paddle
from paddle import Tensor

from zoo.inference.decoder_parts import pairs_of
from zoo.inference.engines.base import arrays
from zoo.models.common.decoding import KeyValue
from zoo.models.common.generation import Generated, generate
from zoo.models.common.generation.cache import HIDDEN_BIAS, CachedSession, Past, Session
from zoo.models.common.layers import additive_mask
from zoo.models.common.seq2seq import Seq2Seq


class Graphs(Protocol):
    """The interface of the two graphs of an engine; see zoo/inference/decoder_parts.py.

    Attributes:
        inputs: names of what `source` takes.
        caches: number of tensors in the cache.
    """

    inputs: tuple[str, ...]
    caches: int

    def source(self, given: Mapping[str, np.ndarray]) -> list[Tensor]:
        """Gives the memory of sources, int64 [B, S] by their names."""
        ...

    def step(self, given: Sequence[Tensor]) -> list[Tensor]:
        """Gives scores and new keys and values, which the next step may write over."""
        ...


class CompiledSeq2Seq:
    """An encoder-decoder that generates by its graphs. Threads take turns. Of the model no weight is used."""

    def __init__(self, model: Seq2Seq, graphs: Graphs) -> None:
        self.model = model
        self._graphs = graphs
        self._lock = Lock()

    def generate(
        self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, **options: Any
    ) -> Generated:
        """As `Seq2Seq.generate`, without use_cache."""
        with self._lock:
            return generate(self, input_ids, attention_mask, token_type_ids, **options)

    def encode(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray | None
    ) -> Session:
        """Reads the sources, [B, S] each."""
        known = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            known["token_type_ids"] = token_type_ids
        memory = pairs_of(self._graphs.source(arrays(known, self._graphs.inputs, self.model.config.limits)))
        seen = additive_mask(paddle.to_tensor(attention_mask), paddle.float32)
        return CachedSession(self._decode, memory, seen)

    def _decode(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        memory: Sequence[KeyValue],
        memory_mask: Tensor | None,
        past: Past,
    ) -> tuple[Tensor, list[KeyValue]]:
        assert memory_mask is not None  # `encode` makes one
        first = past is None
        if past is None:  # a slot that nobody sees
            mask = paddle.concat([paddle.full([*mask.shape[:3], 1], HIDDEN_BIAS), mask], axis=3)
            batch, heads, _, size = memory[0].key.shape
            past = pairs_of([paddle.zeros([batch, heads, 1, size])] * self._graphs.caches)
        given = [ids, positions, mask, memory_mask, *(tensor for pair in (*memory, *past) for tensor in pair)]
        logits, *new = self._graphs.step(given)
        return logits, pairs_of([tensor.clone() for tensor in new] if first else new)  # they become the cache

"""Tracks which slot of a cache belongs to whose history, and runs the decoder with a cache or without.

Every step adds a slot per hypothesis, and no slot ever moves to another hypothesis: a table says which slots a
hypothesis sees. When beams change places, only the rows of this table do. From time to time the slots that nobody
sees any more are thrown out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import paddle
from paddle import Tensor

from zoo.models.common.decoding import KeyValue, causal_mask
from zoo.models.common.generation.network import Network
from zoo.models.common.layers import additive_mask

HIDDEN_BIAS = -1e30
Past = Sequence[KeyValue] | None
# `Network.decode` and then `logits`: ids [B, N], positions [1, N], mask over cache and new tokens, memory and its
# mask, cache, to scores [B, N, V] and each layer's new keys and values.
Decode = Callable[[Tensor, Tensor, Tensor, Sequence[KeyValue], Tensor | None, Past], tuple[Tensor, list[KeyValue]]]
CHUNK_STEPS = 16  # a cache has room for a multiple of so many steps: an engine prepares itself for every new size


class Session(Protocol):
    """The interface of the decoder's side of one call of generate."""

    def start(self, ids: np.ndarray) -> Tensor:
        """Takes the start tokens [B, n]. Returns the scores [B, V] of the next token."""
        ...

    def step(self, ids: np.ndarray, parents: np.ndarray) -> Tensor:
        """Takes a token [B, N] for each hypothesis and the place [B, N] of the one it continues.

        A text has one hypothesis at first: all parents of the first step are 0.

        Returns:
            Scores [B x N, V] of the next token.
        """
        ...

    def keep(self, texts: np.ndarray) -> None:
        """Goes on with some of the texts, [B'] places among those there are; the others are over."""
        ...


class Engine(Protocol):
    """The interface of what runs a network."""

    @property
    def model(self) -> Network:
        """Gives the network."""
        ...

    def encode(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray | None
    ) -> Session:
        """Reads the sources, [B, S] each."""
        ...


class CacheSlots:
    """The table of a cache: which slots each hypothesis sees.

    Attributes:
        seen: [B, N, P] bool; the slots from `used` on are free.
    """

    def __init__(self, batch: int, start: int) -> None:
        self.seen = np.ones((batch, 1, start), bool)
        self.used = start

    def follow(self, parents: np.ndarray) -> None:
        """Makes hypotheses [B, N] take over the histories of their parents."""
        self.seen = np.take_along_axis(self.seen, parents[:, :, None], axis=1)

    def reserve(self) -> np.ndarray | None:
        """Makes sure that there is room for a step.

        Returns:
            None when there was; else [B, P'] where the content of the first slots of a new, larger cache comes
            from. The rest of the P slots (`self.seen.shape[2]`) is free.
        """
        count = self.seen.shape[1]
        if self.used + count <= self.seen.shape[2]:
            return None
        live = self.seen.any(axis=1)  # [B, P]
        self.used = int(live.sum(axis=1).max())
        index = np.argsort(~live, axis=1, kind="stable")[:, : self.used]
        kept = np.take_along_axis(self.seen, index[:, None], axis=2)
        chunk = CHUNK_STEPS * count
        slots = -(-(self.used + chunk // 2) // chunk) * chunk  # so there is room for half a chunk at least
        self.seen = np.pad(kept, ((0, 0), (0, 0), (0, slots - self.used)))
        return index

    def mask(self) -> np.ndarray:
        """Gives an additive [B, 1, N, P + N]: the slots seen, and itself of the N tokens decoded now."""
        batch, count, _ = self.seen.shape
        now = np.broadcast_to(np.eye(count, dtype=bool), (batch, count, count))
        seen = np.concatenate([self.seen, now], axis=2)[:, None]
        return np.where(seen, np.float32(0), np.float32(HIDDEN_BIAS))

    def keep(self, texts: np.ndarray) -> None:
        """Leaves the rows of texts [B'] only."""
        self.seen = self.seen[texts]

    def add(self) -> slice:
        """Gives the place where the tokens decoded now go; their hypotheses see them from here on."""
        count = self.seen.shape[1]
        place = slice(self.used, self.used + count)
        self.seen[:, :, place] = np.eye(count, dtype=bool)
        self.used += count
        return place


class EagerEngine:
    """An engine that runs a network as it is; without a cache every step decodes all from the start (for tests)."""

    def __init__(self, model: Network, use_cache: bool = True) -> None:
        self.model = model
        self.use_cache = use_cache

    def encode(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray | None
    ) -> Session:
        """Reads the sources, [B, S] each."""
        model = self.model
        given = paddle.to_tensor(attention_mask)
        types = None if token_type_ids is None else paddle.to_tensor(token_type_ids)
        padded = not attention_mask.all()
        encoded = model.encode(paddle.to_tensor(input_ids), given if padded else None, types)
        mask = additive_mask(given, encoded.dtype) if padded else None
        memory = model.memory(encoded)
        if not self.use_cache:
            return UncachedSession(model, memory, mask)

        def run(
            ids: Tensor,
            positions: Tensor,
            seen: Tensor,
            memory: Sequence[KeyValue],
            memory_mask: Tensor | None,
            past: Past,
        ) -> tuple[Tensor, list[KeyValue]]:
            hidden, new = model.decode(ids, positions, seen.astype(encoded.dtype), memory, memory_mask, past)
            return model.logits(hidden).astype("float32"), new

        return CachedSession(run, memory, mask)


class CachedSession:
    """A session with a cache of keys and values, [B, H, P, K] for each layer.

    Args:
        run: decodes under an additive float32 mask [B, 1, N, P + N] over a cache (None at the start).
        memory: keys and values of the sources, [B, H, S, K] for each layer.
        memory_mask: additive, [B, 1, 1, S], or None.
    """

    def __init__(self, run: Decode, memory: Sequence[KeyValue], memory_mask: Tensor | None) -> None:
        self.run = run
        self.memory = memory
        self.memory_mask = memory_mask

    def start(self, ids: np.ndarray) -> Tensor:
        """Takes the start tokens [B, n]. Returns the scores [B, V] of the next token."""
        batch, count = ids.shape
        self.slots = CacheSlots(batch, count)
        mask = causal_mask(count, paddle.float32).tile([batch, 1, 1, 1])
        logits, self.past = self._run(ids, paddle.arange(count).unsqueeze(0), mask, None)
        self.steps = count
        return logits[:, -1]

    def keep(self, texts: np.ndarray) -> None:
        """Goes on with some of the texts, [B'] places among those there are."""
        self.slots.keep(texts)
        self.past = _rows(self.past, texts)
        self.memory, self.memory_mask = _rows_of_memory(self.memory, self.memory_mask, texts)

    def step(self, ids: np.ndarray, parents: np.ndarray) -> Tensor:
        """Takes a token [B, N] for each hypothesis and the place [B, N] of the one it continues."""
        self.slots.follow(parents)
        if (index := self.slots.reserve()) is not None:
            self._move(index)
        positions = paddle.full([1, ids.shape[1]], self.steps, dtype="int64")
        logits, new = self._run(ids, positions, paddle.to_tensor(self.slots.mask()), self.past)
        place = self.slots.add()
        for cache, addition in zip(self.past, new, strict=True):
            for old, tokens in zip(cache, addition, strict=True):
                _write(old, place, tokens)
        self.steps += 1
        return logits.reshape([-1, logits.shape[-1]])

    def _run(self, ids: np.ndarray, positions: Tensor, mask: Tensor, past: Past) -> tuple[Tensor, list[KeyValue]]:
        return self.run(paddle.to_tensor(ids), positions, mask, self.memory, self.memory_mask, past)

    def _move(self, index: np.ndarray) -> None:
        """Moves the slots of index [B, P'] to the beginning of new ones."""
        slots, rows = self.slots.seen.shape[2], paddle.to_tensor(index)

        def moved(old: Tensor) -> Tensor:
            batch, heads, _, size = old.shape
            new = paddle.zeros([batch, heads, slots, size], dtype=old.dtype)
            kept = [paddle.index_select(old[b], rows[b], axis=1) for b in range(batch)]
            _write(new, slice(index.shape[1]), paddle.stack(kept))
            return new

        self.past = [KeyValue(moved(layer.key), moved(layer.value)) for layer in self.past]


def _write(cache: Tensor, place: slice, tokens: Tensor) -> None:
    """Puts tokens [B, H, n, K] into slots of a cache [B, H, P, K]."""
    if cache.place.is_cpu_place():  # through its own memory: paddle's assignment takes ten times as long
        np.from_dlpack(cache)[:, :, place] = np.from_dlpack(tokens)
    else:
        cache[:, :, place] = tokens


def _rows(pairs: Sequence[KeyValue], texts: np.ndarray) -> list[KeyValue]:
    """Gives keys and values of some texts only."""
    rows = paddle.to_tensor(texts)
    return [KeyValue(*(paddle.index_select(tensor, rows) for tensor in pair)) for pair in pairs]


def _rows_of_memory(
    memory: Sequence[KeyValue], mask: Tensor | None, texts: np.ndarray
) -> tuple[list[KeyValue], Tensor | None]:
    return _rows(memory, texts), None if mask is None else paddle.index_select(mask, paddle.to_tensor(texts))


class UncachedSession:
    """A session that keeps tokens only, [B, N, T]."""

    def __init__(self, model: Network, memory: Sequence[KeyValue], memory_mask: Tensor | None) -> None:
        self.model = model
        self.memory = memory
        self.memory_mask = memory_mask

    def start(self, ids: np.ndarray) -> Tensor:
        """Takes the start tokens [B, n]. Returns the scores [B, V] of the next token."""
        self.history = ids[:, None]
        return self._last()

    def step(self, ids: np.ndarray, parents: np.ndarray) -> Tensor:
        """Takes a token [B, N] for each hypothesis and the place [B, N] of the one it continues."""
        kept = np.take_along_axis(self.history, parents[:, :, None], axis=1)
        self.history = np.concatenate([kept, ids[:, :, None]], axis=2)
        return self._last()

    def keep(self, texts: np.ndarray) -> None:
        """Goes on with some of the texts, [B'] places among those there are."""
        self.history = self.history[texts]
        self.memory, self.memory_mask = _rows_of_memory(self.memory, self.memory_mask, texts)

    def _last(self) -> Tensor:
        batch, count, length = self.history.shape
        own = np.kron(np.eye(count), np.tri(length)) > 0  # [N x T, N x T]: own history, up to the token itself
        mask = paddle.to_tensor(np.where(own, np.float32(0), np.float32(HIDDEN_BIAS))[None, None])
        positions = paddle.to_tensor(np.tile(np.arange(length), count)[None])
        ids = paddle.to_tensor(self.history.reshape(batch, -1))
        hidden, _ = self.model.decode(
            ids, positions, mask.astype(self.memory[0].key.dtype), self.memory, self.memory_mask
        )
        last = hidden[:, length - 1 :: length]  # [B, N, D]
        logits = self.model.logits(last).astype("float32")
        return logits.reshape([batch * count, -1])

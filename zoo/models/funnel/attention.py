"""Attention with relative positions and segments (appendix A.2 of the paper), for queries that may be pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Uniform

from zoo.models.common.layers import linear
from zoo.models.funnel.config import Config
from zoo.models.funnel.pooling import Axis, Length

SEGMENTS = 3  # 0, 1, and the first token's
ANY_SEGMENT = 2  # the first token's: it belongs to every segment
HIDDEN = 1e6  # taken from the score of a slot that may not be seen; the original's number


@dataclass(frozen=True)
class Relation:
    """How the queries of a layer stand to its keys.

    Attributes:
        positions: relative_shift: (R [M, D],), a vector for each distance, the largest first. factorized: (phi
            [T', D], pi [T', D], psi [T, D], omega [T, D]).
        keys: T.
        shift: slots of the keys that one slot of the queries stands for: 1 or 2.
        same: [B, 1, T', 3], 1 where a query is of one segment with keys of segment 0, 1 and 2, else 0.
        segments: [B, 1, 3, T], 1 at the segment of each key, else 0.
        counts: [T', T], 0 where position and segment do not count: at the first token; None where all do.
        mask: [B, 1, 1, T], added to the scores; None when all may be seen.
    """

    positions: tuple[Tensor, ...]
    keys: Length
    shift: Length
    same: Tensor
    segments: Tensor
    counts: Tensor | None
    mask: Tensor | None


class RelationMaker(nn.Layer):
    """Makes relations. The sines and cosines get dropout, as in the original."""

    # A graph makes angles of positions, and has them to float32's last bit.
    REFUSALS: ClassVar[dict[tuple[str, str], str]] = {("openvino", "bf16"): "bf16 would round Funnel's angles"}

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, queries: Axis, keys: Axis, dtype: paddle.dtype) -> Relation:
        """queries, keys: the two axes, of T' and T slots. dtype: of the hidden states."""
        shift = queries.stride // keys.stride
        make = self._factors if self.config.attention_type == "factorized" else self._distances
        kinds, types = paddle.arange(SEGMENTS, dtype="int64"), queries.types.unsqueeze(-1)
        same = (types == kinds) | (types == ANY_SEGMENT) | (kinds == ANY_SEGMENT)  # [B, T', 3]
        segments = keys.types.unsqueeze(1) == kinds.unsqueeze(-1)  # [B, 3, T]
        counts = None
        if self.config.separate_cls:
            after = paddle.arange(0, keys.length, dtype="int64") > 0
            counts = (paddle.arange(0, queries.length, dtype="int64") > 0).unsqueeze(-1) & after
            counts = counts.astype(dtype)  # [T', T]
        mask = None if keys.visible is None else ((keys.visible - 1) * HIDDEN).unsqueeze([1, 2])
        positions = make(queries, keys, shift, dtype)
        same, segments = same.astype(dtype).unsqueeze(1), segments.astype(dtype).unsqueeze(1)
        return Relation(positions, keys.length, shift, same, segments, counts, mask)

    def _start(self, axis: Axis) -> Length:
        """Position of slot 0. Slots are `stride` apart, and with separate_cls slot 1 stays at position 1."""
        return 1 - axis.stride if self.config.separate_cls else 0

    def _places(self, axis: Axis) -> Tensor:
        """Positions of the slots, [T]."""
        return paddle.arange(0, axis.length, dtype="int64") * axis.stride + self._start(axis)

    def _distances(self, queries: Axis, keys: Axis, shift: Length, dtype: paddle.dtype) -> tuple[Tensor, ...]:
        """R of A.2.1: a vector for every distance of a query to a key, in the order that `shifted` needs."""
        first = self._start(queries) - self._start(keys)
        count = shift * queries.length + keys.length
        steps = shift * queries.length - paddle.arange(0, count, dtype="int64")
        sine, cosine = self._waves(steps * keys.stride + first, dtype)
        return (paddle.concat([self.dropout(sine), self.dropout(cosine)], axis=-1),)  # [M, D]

    def _factors(self, queries: Axis, keys: Axis, shift: Length, dtype: paddle.dtype) -> tuple[Tensor, ...]:
        """phi, pi, psi and omega of A.2.2, signs and order as the original has them."""
        sine, cosine = self._waves(self._places(queries), dtype)
        phi, pi = self.dropout(sine), self.dropout(cosine)
        sine, cosine = self._waves(self._places(keys), dtype)
        pairs = ((phi, phi), (pi, pi), (cosine, sine), (-sine, cosine))
        return tuple(paddle.concat([*pair], axis=-1) for pair in pairs)

    def _waves(self, places: Tensor, dtype: paddle.dtype) -> tuple[Tensor, Tensor]:
        """places: [N] integers. Returns sines and cosines, [N, D/2] each (Vaswani et al. 2017, section 3.5)."""
        half = self.config.d_model // 2
        # Paddle's power, not numpy's: it rounds as torch's does, and at position 500 the last bit counts.
        frequencies = 1 / (10000 ** (paddle.arange(0, half, dtype="int64").astype(dtype) / half))
        # Angles of their own for each: Paddle Inference with oneDNN writes the sines over what they are made of.
        angles = places.astype(dtype).unsqueeze(-1) * paddle.concat([frequencies, frequencies])
        of_sine, of_cosine = angles.split(2, axis=-1)
        return paddle.sin(of_sine), paddle.cos(of_cosine)


def shifted(scores: Tensor, relation: Relation, queries: Length) -> Tensor:
    """From a score for each distance to a score for each key (the relative shift of Dai et al. 2019, appendix B).

    Query i stands at distance number shift * (T' - i) + j to key j. Read as one line, every row of distances is
    `shift` longer than a row that starts one query later, so cutting the line anew puts each distance in its place.

    Args:
        scores: [B, H, T', M], of every query for every distance.
        queries: T'.

    Returns:
        [B, H, T', T].
    """
    line = scores.flatten(2)[:, :, relation.shift * queries :]  # [B, H, T' x (M - shift)]
    return line.reshape([0, 0, queries, -1])[:, :, :, : relation.keys]


class RelativeAttention(nn.Layer):
    """Attention up to and including the output projection. Scores are a sum of content, position and segment."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        model, heads, size = config.d_model, config.n_head, config.d_head
        self.heads, self.size = heads, size
        self.factorized = config.attention_type == "factorized"
        width = heads * size
        self.query = linear(model, width, config.std(model, width), bias=False)
        self.key = linear(model, width, config.std(model, width))
        self.value = linear(model, width, config.std(model, width))
        self.output = linear(width, model, config.std(width, model))
        start = paddle.ParamAttr(initializer=Uniform(0.0, config.initializer_range))
        self.content_bias = self.create_parameter([heads, size], attr=start)
        self.position_bias = self.create_parameter([heads, size], attr=start)
        self.position_kernel = self.create_parameter([model, heads, size], attr=start)
        self.segment_bias = self.create_parameter([heads, size], attr=start)
        self.segments = self.create_parameter([2, heads, size], attr=start)  # of another segment, of the same
        self.dropout = nn.Dropout(config.attention_dropout)

    def forward(self, queries: Tensor, keys: Tensor, relation: Relation) -> Tensor:
        """queries: [B, T', D]. keys: [B, T, D], also the values. Returns [B, T', D]."""
        query = self.query(queries) * self.size**-0.5  # [B, T', H x K]
        scores = paddle.matmul(
            self._biased(query, self.content_bias), self._split(self.key(keys)), transpose_y=True
        )
        relative = self._positions(query, relation, queries.shape[1]) + self._segments(query, relation)
        scores = scores + (relative if relation.counts is None else relative * relation.counts)  # [B, H, T', T]
        if relation.mask is not None:
            scores = scores + relation.mask
        weights = self.dropout(F.softmax(scores, axis=-1))
        context = paddle.matmul(weights, self._split(self.value(keys)))  # [B, H, T', K]
        return self.output(context.transpose([0, 2, 1, 3]).reshape([0, 0, self.heads * self.size]))

    def _positions(self, query: Tensor, relation: Relation, length: Length) -> Tensor:
        """Scores of the distances, [B, H, T', T]."""
        query = self._biased(query, self.position_bias)
        if self.factorized:
            phi, pi, psi, omega = relation.positions
            rotated = paddle.matmul(query, self._by_head(self.position_kernel))  # [B, H, T', D]
            sines = paddle.matmul(rotated * phi, psi, transpose_y=True)
            return sines + paddle.matmul(rotated * pi, omega, transpose_y=True)
        kernel = self.position_kernel.reshape([0, self.heads * self.size])  # [D, H x K]
        distances = self._split(paddle.matmul(relation.positions[0], kernel).unsqueeze(0))  # [1, H, M, K]
        scores = paddle.matmul(query, distances, transpose_y=True)  # [B, H, T', M]
        return shifted(scores, relation, length)

    def _segments(self, query: Tensor, relation: Relation) -> Tensor:
        """Scores of the segments, [B, H, T', T]: one product, as choosing for each pair is slow in oneDNN."""
        query = self._biased(query, self.segment_bias)
        other, same = paddle.matmul(query, self._by_head(self.segments)).split(2, axis=-1)  # [B, H, T', 1] each
        by_segment = same * relation.same + other * (1 - relation.same)  # [B, H, T', 3]
        # In one row per head and query: with four dimensions oneDNN misreads the short ones below nine tokens.
        rows = by_segment.reshape([0, 1, -1, SEGMENTS])  # [B, 1, H x T', 3]
        return paddle.matmul(rows, relation.segments).reshape([0, self.heads, -1, relation.keys])

    def _biased(self, query: Tensor, bias: Tensor) -> Tensor:
        """query: [B, T', H x K], scaled. bias: [H, K], not yet. Returns [B, H, T', K].

        The sum comes before the heads are split: oneDNN adds to a transposed tensor a hundred times more slowly.
        """
        return self._split(query + (bias * self.size**-0.5).flatten())

    def _by_head(self, own: Tensor) -> Tensor:
        """[N, H, K] -> [1, H, K, N]; paddle's matmul has no gradient for three dimensions beside four."""
        return own.transpose([1, 2, 0]).unsqueeze(0)

    def _split(self, x: Tensor) -> Tensor:
        """[B, T, H x K] -> [B, H, T, K]"""
        return x.reshape([0, 0, self.heads, self.size]).transpose([0, 2, 1, 3])

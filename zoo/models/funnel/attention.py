"""Attention with relative positions and segments (appendix A.2 of the paper), for queries that may be pooled."""

from __future__ import annotations

from dataclasses import dataclass

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Uniform

from zoo.models.common.layers import linear
from zoo.models.funnel.config import Config
from zoo.models.funnel.pooling import Axis, Length

SEGMENTS = 3  # 0, 1, and the first token's
ANY_SEGMENT = 2  # the first token's: it belongs to every segment
SPARE_PLACES = 8  # of the coarsest axis, which a table reaches further than a text
HIDDEN = 1e6  # taken from the score of a slot that may not be seen; the original's number


@dataclass(frozen=True)
class Relation:
    """How the queries of a layer stand to its keys.

    Attributes:
        positions: relative_shift: (R [M, D],), a vector for each distance, the largest first. factorized: (phi
            [T', D], pi [T', D], psi [T, D], omega [T, D]).
        keys: T, and None where it is T' too.
        unit: slots of the keys that all queries stand for, T' or 2 T'; at least T.
        rows: [B x H x T'], see `shifted`.
        same: [B, 1, T', 3], 1 where a query is of one segment with keys of segment 0, 1 and 2, else 0.
        counts: [T', 1], 0 at the first token, whose position and segment do not count; None where all do.
        columns: [B, 1, T, 3 or 4], of each key what joins its vector: 1 at its segment; where there are `counts` no
            segment at the first token, and 1 there in the last column.
        mask: [B, 1, 1, T], added to the scores; None when all may be seen.
    """

    positions: tuple[Tensor, ...]
    keys: Length | None
    unit: Length
    rows: Tensor
    same: Tensor
    counts: Tensor | None
    columns: Tensor
    mask: Tensor | None


class RelationMaker(nn.Layer):
    """Makes relations. The sines and cosines get dropout, as in the original.

    A graph has a table of them, and none of the angles, which bfloat16 would round to those of other positions.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.hidden_dropout)
        width = config.limits.width
        assert width is not None
        self.reach = width + SPARE_PLACES * 2 ** (len(config.block_sizes) - 1)
        places = paddle.arange(-self.reach, self.reach + 1, dtype="int64")
        table = paddle.concat(self._computed(places, paddle.float32), axis=-1)
        self.register_buffer("waves", table, persistable=False)

    def forward(self, queries: Axis, keys: Axis, dtype: paddle.dtype) -> Relation:
        """queries, keys: the two axes, of T' and T slots. dtype: of the hidden states."""
        shift = 1 if queries is keys else queries.stride // keys.stride
        make = self._factors if self.config.attention_type == "factorized" else self._distances
        kinds, types = paddle.arange(SEGMENTS, dtype="int64"), queries.types.unsqueeze(-1)
        same = (types == kinds) | (types == ANY_SEGMENT) | (kinds == ANY_SEGMENT)  # [B, T', 3]
        columns, counts = [(keys.types.unsqueeze(-1) == kinds).astype(dtype)], None  # [B, T, 3]
        if self.config.separate_cls:
            counts = self._after(queries).astype(dtype)
            first = (~self._after(keys)).astype(dtype) * paddle.ones_like(columns[0][:, :, :1])
            columns = [columns[0] * (1 - first), first]
        mask = None if keys.visible is None else ((keys.visible - 1) * HIDDEN).unsqueeze([1, 2])
        count = paddle.arange(0, queries.types.shape[0] * self.config.n_head * queries.length, dtype="int64")
        return Relation(
            make(queries, keys, shift, dtype),
            None if queries is keys else keys.length,
            shift * queries.length,
            count * 2 + count // queries.length + 1,
            same.astype(dtype).unsqueeze(1),
            counts,
            paddle.concat(columns, axis=-1).unsqueeze(1),
            mask,
        )

    def _after(self, axis: Axis) -> Tensor:
        """[T, 1], False at the first token."""
        return (paddle.arange(0, axis.length, dtype="int64") > 0).unsqueeze(-1)

    def _start(self, axis: Axis) -> Length:
        """Position of slot 0. Slots are `stride` apart, and with separate_cls slot 1 stays at position 1."""
        return 1 - axis.stride if self.config.separate_cls else 0

    def _places(self, axis: Axis) -> Tensor:
        """Positions of the slots, [T]."""
        return paddle.arange(0, axis.length, dtype="int64") * axis.stride + self._start(axis)

    def _distances(self, queries: Axis, keys: Axis, shift: Length, dtype: paddle.dtype) -> tuple[Tensor, ...]:
        """R of A.2.1: a vector for every distance of a query to a key, in the order that `shifted` needs."""
        first, unit = self._start(queries) - self._start(keys), shift * queries.length
        steps = unit - paddle.arange(0, 2 * unit + shift, dtype="int64")
        sine, cosine = self._waves(steps * keys.stride + first, keys, dtype)
        return (paddle.concat([self.dropout(sine), self.dropout(cosine)], axis=-1),)  # [M, D]

    def _factors(self, queries: Axis, keys: Axis, shift: Length, dtype: paddle.dtype) -> tuple[Tensor, ...]:
        """phi, pi, psi and omega of A.2.2, signs and order as the original has them."""
        sine, cosine = self._waves(self._places(queries), queries, dtype)
        phi, pi = self.dropout(sine), self.dropout(cosine)
        sine, cosine = self._waves(self._places(keys), keys, dtype)
        pairs = ((phi, phi), (pi, pi), (cosine, sine), (-sine, cosine))
        return tuple(paddle.concat([*pair], axis=-1) for pair in pairs)

    def _waves(self, places: Tensor, axis: Axis, dtype: paddle.dtype) -> tuple[Tensor, Tensor]:
        """Sines and cosines of places [N] on an axis, or of distances there; [N, D/2] each."""
        if paddle.in_dynamic_mode():
            return self._computed(places, dtype)
        far = (axis.length + 4) * axis.stride  # distances of 2 T' + 2 where T' is T / 2 + 1
        rows = self.waves[self.reach - far : self.reach + far + 1]
        sine, cosine = rows.gather(places + far).split(2, axis=-1)
        return sine.astype(dtype), cosine.astype(dtype)

    def _computed(self, places: Tensor, dtype: paddle.dtype) -> tuple[Tensor, Tensor]:
        """places: [N] integers. Returns sines and cosines, [N, D/2] each (Vaswani et al. 2017, section 3.5)."""
        half = self.config.d_model // 2
        # Paddle's power, not numpy's: it rounds as torch's does, and at position 500 the last bit counts.
        frequencies = 1 / (10000 ** (paddle.arange(0, half, dtype="int64").astype(dtype) / half))
        angles = places.astype(dtype).unsqueeze(-1) * frequencies
        return paddle.sin(angles), paddle.cos(angles)


def shifted(scores: Tensor, relation: Relation, queries: Length) -> Tensor:
    """From a score for each distance to a score for each key (the relative shift of Dai et al. 2019, appendix B).

    Query i stands at distance number U - shift * i + j to key j, where U = shift * T' is `relation.unit`. Read as
    one line, the 2 U + shift scores of every query hold that at (2 i + 1) U + j: every other row of U numbers.

    Args:
        scores: [B, H, T', 2 U + shift], of every query for every distance.
        queries: T'.

    Returns:
        [B, H, T', T].
    """
    rows = paddle.gather(scores.reshape([-1, relation.unit]), relation.rows)
    found = rows.reshape([-1, scores.shape[1], queries, relation.unit])
    return found if relation.keys is None else found[:, :, :, : relation.keys]


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
        positions = self._positions(query, relation, queries.shape[1])
        beside, columns = self._beside(query, relation, positions), relation.columns
        content = paddle.matmul(
            paddle.concat([self._biased(query, self.content_bias), *beside], axis=-1),
            paddle.concat([self._split(self.key(keys)), columns.expand([-1, self.heads, -1, -1])], axis=-1),
            transpose_y=True,
        )
        scores = content + positions  # [B, H, T', T]
        if relation.mask is not None:  # last, as in the original: where all are hidden, rounding decides
            scores = scores + relation.mask
        weights = self.dropout(F.softmax(scores, axis=-1))
        context = paddle.matmul(weights, self._split(self.value(keys)))  # [B, H, T', K]
        return self.output(context.transpose([0, 2, 1, 3]).reshape([0, 0, self.heads * self.size]))

    def _positions(self, query: Tensor, relation: Relation, length: Length) -> Tensor:
        """Scores of the distances, [B, H, T', T]; 0 for a first query that does not count."""
        query = self._biased(query, self.position_bias, relation.counts)
        if self.factorized:
            phi, pi, psi, omega = relation.positions
            rotated = paddle.matmul(query, self._by_head(self.position_kernel))  # [B, H, T', D]
            sines = paddle.matmul(rotated * phi, psi, transpose_y=True)
            return sines + paddle.matmul(rotated * pi, omega, transpose_y=True)
        kernel = self.position_kernel.reshape([0, self.heads * self.size])  # [D, H x K]
        distances = self._split(paddle.matmul(relation.positions[0], kernel).unsqueeze(0))  # [1, H, M, K]
        scores = paddle.matmul(query, distances, transpose_y=True)  # [B, H, T', M]
        return shifted(scores, relation, length)

    def _beside(self, query: Tensor, relation: Relation, positions: Tensor) -> list[Tensor]:
        """What joins the vectors of the queries, so that their product with the keys' is all but the positions.

        A sum over all pairs would take as long as the product. [B, H, T', N] each, for `relation.columns`: the
        scores of the segments, and less the position's score of the first token.
        """
        query = self._biased(query, self.segment_bias)
        other, same = paddle.matmul(query, self._by_head(self.segments)).split(2, axis=-1)  # [B, H, T', 1] each
        by_segment = same * relation.same + other * (1 - relation.same)  # [B, H, T', 3]
        if relation.counts is None:
            return [by_segment]
        return [by_segment * relation.counts, -positions[:, :, :, :1]]

    def _biased(self, query: Tensor, bias: Tensor, counts: Tensor | None = None) -> Tensor:
        """query: [B, T', H x K], scaled. bias: [H, K], not yet. counts: of the relation. Returns [B, H, T', K].

        The heads are split last: oneDNN adds to a transposed tensor a hundred times more slowly.
        """
        summed = query + (bias * self.size**-0.5).flatten()
        return self._split(summed if counts is None else summed * counts)

    def _by_head(self, own: Tensor) -> Tensor:
        """[N, H, K] -> [1, H, K, N]; paddle's matmul has no gradient for three dimensions beside four."""
        return own.transpose([1, 2, 0]).unsqueeze(0)

    def _split(self, x: Tensor) -> Tensor:
        """[B, T, H x K] -> [B, H, T, K]"""
        return x.reshape([0, 0, self.heads, self.size]).transpose([0, 2, 1, 3])

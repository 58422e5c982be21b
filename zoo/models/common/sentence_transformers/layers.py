"""Computes the modules of sentence-transformers as layers.

Each takes and returns what is known of the texts so far: `token_embeddings` [B, T, D] and, behind a pooling,
`sentence_embedding` [B, D]. The reference is release 6, sentence_transformers/sentence_transformer/modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from zoo.models.common.layers import linear
from zoo.models.common.sentence_transformers.files import SENTENCE_EMBEDDING, TOKEN_EMBEDDINGS

LOWEST_VALUE = -1e30  # of a maximum over nothing; -inf would be nan in a mask that is multiplied
Known = dict[str, Tensor]


def _softplus(x: Tensor) -> Tensor:
    return F.relu(x) + paddle.log(1.0 + paddle.exp(-x.abs()))


def _elu(x: Tensor) -> Tensor:
    return F.relu(x) + paddle.exp(-F.relu(-x)) - 1.0


# As torch.nn has them. Those that paddle2onnx 2.1.0 writes wrongly, or that end its process, are spelled out.
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Identity": lambda x: x,
    "Tanh": F.tanh,
    "ReLU": F.relu,
    "GELU": F.gelu,
    "Sigmoid": F.sigmoid,
    "SiLU": F.silu,
    "ELU": _elu,
    "CELU": _elu,
    "SELU": lambda x: 1.0507009873554805 * (F.relu(x) + 1.6732632423543772 * (paddle.exp(-F.relu(-x)) - 1.0)),
    "LeakyReLU": lambda x: F.relu(x) - 0.01 * F.relu(-x),
    "Softplus": _softplus,
    "Mish": lambda x: x * F.tanh(_softplus(x)),
    "ReLU6": lambda x: x.clip(0.0, 6.0),
    "Hardtanh": lambda x: x.clip(-1.0, 1.0),
    "Hardswish": lambda x: x * (x + 3.0).clip(0.0, 6.0) / 6.0,
    "Softsign": lambda x: x / (1.0 + x.abs()),
    "Tanhshrink": lambda x: x - F.tanh(x),
    "LogSigmoid": lambda x: -_softplus(-x),
}


def _order(seen: Tensor) -> Tensor:
    """Turns [B, T] of 0 and 1 into the number of each 1 among those of its row, from 1; int64."""
    return paddle.cumsum(seen.astype("int64"), axis=1)


def _pick(x: Tensor, chosen: Tensor) -> Tensor:
    """Gives the state [B, D] of the one token that `chosen` [B, T] says; 0 where it says none."""
    return (x * chosen.astype(x.dtype).unsqueeze(-1)).sum(axis=1)


def _cls(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    return _pick(x, paddle.logical_and(pooled, _order(pooled) == 1))


def _last(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    order = _order(pooled)
    return _pick(x, paddle.logical_and(pooled, order == order.max(axis=1, keepdim=True)))


def _max(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    hidden = 1.0 - pooled.astype(x.dtype)
    lowest = -6e4 if x.dtype == paddle.float16 else LOWEST_VALUE
    return (x * (1.0 - hidden).unsqueeze(-1) + (hidden * lowest).unsqueeze(-1)).max(axis=1)


def _mean(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    return _weighted(x, pooled.astype(x.dtype))


def _mean_sqrt_len(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    weights = pooled.astype(x.dtype).unsqueeze(-1)
    return (x * weights).sum(axis=1) / weights.sum(axis=1).clip(min=1e-9).sqrt()


def _weightedmean(x: Tensor, pooled: Tensor, seen: Tensor) -> Tensor:
    """Gives the mean weighted by a token's place behind left padding, from 1, also with a prompt left out."""
    place = _order(paddle.ones_like(seen))
    padding = (_order(seen) == 0).astype("int64").sum(axis=1, keepdim=True)
    return _weighted(x, (place - padding).astype(x.dtype) * pooled.astype(x.dtype))


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    weights = weights.unsqueeze(-1)
    return (x * weights).sum(axis=1) / weights.sum(axis=1).clip(min=1e-9)


POOLINGS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_len,
    "weightedmean": _weightedmean,
    "lasttoken": _last,
}


class Pooling(nn.Layer):
    """A layer that pools the states of a text by `modes`, joined along the numbers.

    Args:
        width: numbers of a state; not used.
        modes: names of POOLINGS.
        include_prompt: False leaves out the tokens that the mask calls PROMPT_MARK.
    """

    def __init__(self, width: int | None, modes: Sequence[str], include_prompt: bool = True) -> None:
        super().__init__()
        self.modes, self.include_prompt = tuple(modes), include_prompt

    def forward(self, known: Known, mask: Tensor) -> Known:
        x = known[TOKEN_EMBEDDINGS]
        seen = mask != 0
        pooled = seen if self.include_prompt else mask == 1
        vectors = [POOLINGS[mode](x, pooled, seen) for mode in self.modes]
        return {**known, SENTENCE_EMBEDDING: vectors[0] if len(vectors) == 1 else paddle.concat(vectors, axis=-1)}


class Dense(nn.Layer):
    """A layer of a Linear, an activation (a name of ACTIVATIONS), and perhaps its input added."""

    def __init__(
        self, inputs: int, outputs: int, bias: bool, activation: str, residual: bool, source: str, target: str
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias_attr=None if bias else False)
        self.activation = ACTIVATIONS[activation]
        self.adds = residual
        self.residual = nn.Linear(inputs, outputs, bias_attr=False) if residual and inputs != outputs else None
        self.source, self.target = source, target

    def forward(self, known: Known, mask: Tensor) -> Known:
        x = known[self.source]
        y = self.activation(self.linear(x))
        if self.adds:
            y = y + (x if self.residual is None else self.residual(x))
        return {**known, self.target: y}


class Normalize(nn.Layer):
    """A layer that divides by the Euclidean length; by nothing where the vector is 0."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__()
        self.source, self.target = source, target

    def forward(self, known: Known, mask: Tensor) -> Known:
        return {**known, self.target: F.normalize(known[self.source], axis=-1)} if self.source in known else known


class LayerNorm(nn.Layer):
    """A layer with torch's LayerNorm, of the vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, known: Known, mask: Tensor) -> Known:
        return {**known, SENTENCE_EMBEDDING: self.norm(known[SENTENCE_EMBEDDING])}


class Dropout(nn.Layer):
    """A layer with dropout of the vector, in training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(rate)

    def forward(self, known: Known, mask: Tensor) -> Known:
        return {**known, SENTENCE_EMBEDDING: self.dropout(known[SENTENCE_EMBEDDING])}


class TokenOutputs(nn.Layer):
    """A layer with the two further outputs of BGE M3 (Chen et al. 2024, arXiv 2402.03216), as FlagEmbedding has
    them: of every token a weight, for sparse retrieval, and a vector, for ColBERT's.

    Args:
        width: numbers of a state.
        outputs: numbers of a token's vector.
        std: of the initial weights.
    """

    def __init__(self, width: int, outputs: int, std: float) -> None:
        super().__init__()
        self.sparse = linear(width, 1, std)
        self.colbert = linear(width, outputs, std)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Gives weights [B, T] and vectors [B, T, C] of states [B, T, D]; the first token has no vector."""
        seen = mask != 0
        weights = F.relu(self.sparse(x)).squeeze(-1) * seen.astype(x.dtype)
        has_vector = paddle.logical_and(seen, _order(seen) > 1).astype(x.dtype)
        return weights, F.normalize(self.colbert(x), axis=-1) * has_vector.unsqueeze(-1)


MODULE_LAYERS: Mapping[str, Callable[..., nn.Layer]] = {
    "Pooling": Pooling,
    "Dense": Dense,
    "Normalize": Normalize,
    "LayerNorm": LayerNorm,
    "Dropout": Dropout,
}

"""Floating point operations of a network's matrix products: two for a multiplication and its addition.

Everything else (norms, softmax, activations, look-ups) is less than a hundredth of them at these widths.
"""

from __future__ import annotations

from zoo.models.funnel.attention import SEGMENTS
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.xlmr.config import Config as XLMRConfig


def funnel_flops(config: FunnelConfig, batch: int, length: int, decoder: bool) -> int:
    """Of the bare network, with the options of the published checkpoints.

    Those are relative_shift, separate_cls, truncate_seq and pool_q_only.
    """
    total, keys = 0, length
    for number, (size, repeats) in enumerate(zip(config.block_sizes, config.repeats, strict=True)):
        for layer in range(size * repeats):
            pools = number > 0 and layer == 0 and keys > 2
            queries = (keys + 1) // 2 if pools else keys
            total += _funnel_layer(config, batch, queries, keys)
            keys = queries
    if decoder:
        total += config.num_decoder_layers * _funnel_layer(config, batch, length, length)
    return total


def _funnel_layer(config: FunnelConfig, batch: int, queries: int, keys: int) -> int:
    width, inner = config.n_head * config.d_head, config.d_inner
    shift = 2 if queries != keys else 1
    distances = 2 * shift * queries + shift
    linears = 2 * queries * config.d_model * width + 2 * keys * config.d_model * width  # query, output; key, value
    feed_forward = 2 * queries * config.d_model * inner
    scores = queries * width * (keys + distances + 2)  # content, position, segment
    segments = queries * config.n_head * (SEGMENTS + 1) * keys  # and the first token's column
    context = queries * width * keys
    return 2 * (batch * (linears + feed_forward + scores + segments + context) + distances * config.d_model * width)


def decoder_weights(width: int, inner: int, layers: int, vocabulary: int) -> int:
    """Weights that a step of decoding reads: keys and values of the source are there already."""
    return layers * (6 * width * width + 2 * width * inner) + vocabulary * width


def xlmr_flops(config: XLMRConfig, batch: int, length: int) -> int:
    """Of the bare network without a pooler."""
    width = config.hidden_size
    layer = length * width * (4 * width + 2 * config.intermediate_size + 2 * length)
    return 2 * batch * config.num_hidden_layers * layer

"""XLM-R XL and XXL (Goyal et al. 2021): XLM-R's encoder at 3.5 and 10.7 billion parameters, with pre-norm layers.

See zoo/models/common for the legend of shapes.
"""

from __future__ import annotations

from paddle import Tensor

from zoo.models.common.base import Model, assemble
from zoo.models.common.encoder import EncoderLayer
from zoo.models.xlmr.model import HEADS, XLMR
from zoo.models.xlmr_xl.config import Config


class PreNormLayer(EncoderLayer):
    """An attention and a feed-forward, each with LayerNorm before it, dropout and residual after it."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Gives [B, T, D] of x [B, T, D]. mask: additive, [B, 1, 1, T]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class XLMRXL(XLMR):
    """XLM-R's encoder of pre-norm layers. Its last hidden state is behind the LayerNorm that follows them."""

    layer = PreNormLayer
    norm_last = True


def build(config: Config, task: str | None = None, pooler: bool = False, **options: object) -> Model:
    """The bare encoder, with or without a pooler, or the encoder with a head: XLM-R's heads.

    Raises:
        UsageError: a task or an option this network does not have.
    """
    return assemble(lambda with_pooler: XLMRXL(config, with_pooler), config, task, pooler, HEADS, options)

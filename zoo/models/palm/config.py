"""config.json of SOFA's PALM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zoo.errors import ConfigError
from zoo.files import quote
from zoo.models.common.config import LAYERS_RANGE, SPREAD_RANGE, EncoderConfig, Ranges

# Variants that the published code can build and no published checkpoint has: other keys, and no file to prove on.
VARIANTS = {"pre_ln": True, "attn_separate": False}


@dataclass
class Config(EncoderConfig):
    """Sizes under config.json's own names; the defaults are palm.ch.base's.

    Attributes:
        dec_hidden_layers: layers of the decoder; `num_hidden_layers` are the encoder's.
        layernorm_epsilon: the file's name of `layer_norm_eps`.
    """

    vocab_size: int = 21504
    max_position_embeddings: int = 2048
    type_vocab_size: int = 3
    initializer_range: float = 0.00707
    dec_hidden_layers: int = 12
    layernorm_epsilon: float = 1e-12

    RANGES: ClassVar[Ranges] = {
        **EncoderConfig.RANGES,
        "dec_hidden_layers": LAYERS_RANGE,
        "layernorm_epsilon": SPREAD_RANGE,
    }

    def __post_init__(self) -> None:
        self.layer_norm_eps = self.layernorm_epsilon

    def check(self) -> None:
        """As for every encoder; the layers must be pre-norm, with fused query, key and value."""
        super().check()
        for name, known in VARIANTS.items():
            if self.source.get(name, known) != known:
                raise ConfigError(
                    f"config.json has {name}={quote(self.source[name])}; the zoo's network has {known!r}."
                )

"""config.json of Funnel-Transformer."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import Any, ClassVar

from zoo.batching import Limits, Padding
from zoo.errors import ConfigError
from zoo.files import quote
from zoo.models.common.config import (
    HEADS_RANGE,
    INNER_RANGE,
    LAYERS_RANGE,
    ROWS_RANGE,
    SHARE_RANGE,
    SPREAD_RANGE,
    WIDTH_RANGE,
    ModelConfig,
    Ranges,
)

KINDS = {"pooling_type": ("mean", "max"), "attention_type": ("relative_shift", "factorized")}
FLAGS = ("separate_cls", "truncate_seq", "pool_q_only")
TABLE_RANGE = (512, 4096)  # longest text of a config that a graph's table of positions is made for
NO_DECODER = ("BaseModel", "ForSequenceClassification", "ForMultipleChoice")  # ends of upstream's class names


@dataclass
class Config(ModelConfig):
    """Sizes under config.json's own names; the defaults are transformers'.

    Attributes:
        block_sizes: layers of each block.
        block_repeats: how often each layer of a block runs in a row; None for once.
        initializer_std: of Linears; None for sqrt(1 / (inputs + outputs)).
        initializer_range: of the attention's own parameters, uniform from 0.
        pooling_type: "mean" or "max".
        attention_type: "relative_shift" or "factorized": two ways to the same numbers (appendix A.2).
        separate_cls: the first token is pooled with nothing but itself.
        truncate_seq: with separate_cls, the last token is left out of the pooling, to keep even lengths even.
        pool_q_only: the first layer of a block still sees the unpooled sequence (section 2, encoder).
    """

    vocab_size: int = 30522
    block_sizes: tuple[int, ...] = (4, 4, 4)
    block_repeats: tuple[int, ...] | None = None
    num_decoder_layers: int = 2
    d_model: int = 768
    n_head: int = 12
    d_head: int = 64
    d_inner: int = 3072
    hidden_act: str = "gelu_new"
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    initializer_range: float = 0.1
    initializer_std: float | None = None
    layer_norm_eps: float = 1e-9
    pooling_type: str = "mean"
    attention_type: str = "relative_shift"
    separate_cls: bool = True
    truncate_seq: bool = True
    pool_q_only: bool = True
    pad_token_id: int | None = None
    max_position_embeddings: int = 512  # a convention: there is no table of positions

    RANGES: ClassVar[Ranges] = {
        **ModelConfig.RANGES,
        "num_decoder_layers": (1, 256),
        "d_model": WIDTH_RANGE,
        "n_head": HEADS_RANGE,
        "d_head": (1, 1 << 12),
        "d_inner": INNER_RANGE,
        "hidden_dropout": SHARE_RANGE,
        "attention_dropout": SHARE_RANGE,
        "activation_dropout": SHARE_RANGE,
        "initializer_std": SPREAD_RANGE,
        "max_position_embeddings": ROWS_RANGE,
    }

    def check(self) -> None:
        """As for every model; the blocks, the kinds and the flags must be what the network has."""
        super().check()
        for name, kinds in KINDS.items():
            if getattr(self, name) not in kinds:
                listed = ", ".join(map(repr, kinds))
                raise ConfigError(
                    f"config.json has {name}={quote(getattr(self, name))}; the zoo's network has {listed}."
                )
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"config.json has {name}={quote(getattr(self, name))}; it must be true or false.")
        for name in ("block_sizes", "block_repeats"):
            value = getattr(self, name)
            if name == "block_repeats" and value is None:
                continue
            if not isinstance(value, list | tuple) or not value or not all(type(n) is int and n > 0 for n in value):
                raise ConfigError(f"config.json has {name}={quote(value)}; it must list positive whole numbers.")
            setattr(self, name, tuple(value))
        if len(self.repeats) != len(self.block_sizes):
            raise ConfigError(
                f"config.json has block_repeats={quote(list(self.repeats))} for {len(self.block_sizes)} "
                "block_sizes."
            )
        if (runs := sum(map(mul, self.block_sizes, self.repeats))) > LAYERS_RANGE[1]:
            raise ConfigError(
                f"config.json has block_sizes={quote(list(self.block_sizes))}, {quote(runs)} layers with their "
                f"repeats; the zoo takes {LAYERS_RANGE[1]}."
            )
        if self.d_model % 2:
            raise ConfigError(f"config.json has d_model={self.d_model}; half of it are sines, half cosines.")

    def to_dict(self) -> dict[str, Any]:
        """config.json's content: what was read, with today's fields on top."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in super().to_dict().items()}

    @property
    def padding(self) -> Padding:
        """Gives how batches are padded: behind 2^(blocks - 1) - 1 slots more padding changes nothing."""
        step = 2 ** (len(self.block_sizes) - 1)
        return Padding(step, step - 1)

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.d_model

    @property
    def head_dropout(self) -> float:
        """Dropout before a classifier."""
        return self.hidden_dropout

    @property
    def token_types(self) -> int:
        """Segments: 0, 1, and the first token's."""
        return 3

    @property
    def limits(self) -> Limits:
        """What a graph has rows for: the network makes positions as it goes, a graph has a table of them.

        It serves texts twice as long as the config's longest.
        """
        least, most = TABLE_RANGE
        return Limits(self.vocab_size, self.token_types, width=2 * min(max(self.longest, least), most))

    @property
    def repeats(self) -> tuple[int, ...]:
        """How often each layer of each block runs."""
        return self.block_repeats or (1,) * len(self.block_sizes)

    @property
    def has_decoder(self) -> bool:
        """Whether the bare network of this checkpoint ends in the decoder; its architecture says so."""
        names = self.source.get("architectures") or [""]
        return not str(names[0]).endswith(NO_DECODER)

    def std(self, inputs: int, outputs: int) -> float:
        """Standard deviation of the initial weight of a Linear."""
        return (inputs + outputs) ** -0.5 if self.initializer_std is None else self.initializer_std

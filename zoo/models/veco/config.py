"""Sizes of VECO's encoder-decoder: from a config.json, or from fairseq's own checkpoint, which has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.checkpoint.rules import Shape
from zoo.errors import ConfigError
from zoo.files import clean, quote
from zoo.models.common.config import (
    HEADS_RANGE,
    INNER_RANGE,
    LAYERS_RANGE,
    ROWS_RANGE,
    SHARE_RANGE,
    WIDTH_RANGE,
    EncoderConfig,
    ModelConfig,
    Ranges,
)

PAD = 1  # in every dictionary of fairseq
# What describes another network, and the values that mean this one; absent is one of them.
ONLY: Mapping[str, tuple[object, ...]] = {
    "activation_function": ("gelu",),
    "activation_dropout": (0, 0.0),
    "scale_embedding": (True,),
    "pad_token_id": (PAD,),
    "tie_word_embeddings": (True,),
}
# The same of a fairseq checkpoint's training options.
OPTIONS: Mapping[str, object] = {
    "activation_fn": "gelu",
    "activation_dropout": 0.0,
    "no_scale_embedding": False,
    "encoder_normalize_before": False,
    "decoder_normalize_before": False,
}
ARCHITECTURE = "VecoForConditionalGeneration"


def _layers(side: str, shapes: Mapping[str, Shape]) -> int:
    """How many layers a side has: a trained model may have fewer than its options say."""
    start = f"{side}.layers."
    return len({key.removeprefix(start).partition(".")[0] for key in shapes if key.startswith(start)})


@dataclass
class Config(ModelConfig):
    """Sizes under the names of transformers' BART, which computes the same; the defaults are veco-large's.

    Attributes:
        max_position_embeddings: longest row; the tables of positions have two rows more.
    """

    vocab_size: int = 250002
    d_model: int = 1024
    encoder_layers: int = 24
    decoder_layers: int = 24
    encoder_attention_heads: int = 16
    decoder_attention_heads: int = 16
    encoder_ffn_dim: int = 4096
    decoder_ffn_dim: int = 4096
    hidden_act: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    pad_token_id: int | None = PAD

    RANGES: ClassVar[Ranges] = {
        **ModelConfig.RANGES,
        "d_model": WIDTH_RANGE,
        **dict.fromkeys(("encoder_layers", "decoder_layers"), LAYERS_RANGE),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS_RANGE),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), INNER_RANGE),
        **dict.fromkeys(("dropout", "attention_dropout"), SHARE_RANGE),
        "max_position_embeddings": ROWS_RANGE,
    }

    @classmethod
    def of_fairseq(cls, args: Mapping[str, Any], shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """What would be config.json of a fairseq checkpoint: sizes from its tensors, the rest from its options.

        Args:
            args: the training options in the file (`Checkpoint.extras`).
            shapes: of its tensors, by key.

        Raises:
            ConfigError: an option that makes another network, or no tensors of an encoder-decoder.
        """
        for name, known in OPTIONS.items():
            if args.get(name, known) != known:
                raise ConfigError(
                    f"The fairseq checkpoint has {name}={quote(args[name])}; VECO's network has {known!r}."
                )
        try:
            words, hidden = shapes["encoder.embed_tokens.weight"]
            positions = {side: shapes[f"{side}.embed_positions.weight"][0] for side in ("encoder", "decoder")}
            layers = {side: _layers(side, shapes) for side in positions}
            inner = {side: shapes[f"{side}.layers.0.fc1.weight"][0] for side in positions}
        except (LookupError, ValueError) as error:
            raise ConfigError(
                f"The fairseq checkpoint is not VECO's: {clean(str(error))} is not in it as it should be."
            ) from None
        if positions["encoder"] != positions["decoder"]:
            raise ConfigError(f"The fairseq checkpoint has other positions in encoder and decoder: {positions}.")
        return {
            "architectures": [ARCHITECTURE],
            "model_type": "bart",  # computes the same, and reads this file
            "vocab_size": words,
            "d_model": hidden,
            "max_position_embeddings": positions["encoder"] - PAD - 1,
            **{f"{side}_layers": layers[side] for side in layers},
            **{f"{side}_attention_heads": args.get(f"{side}_attention_heads", 16) for side in layers},
            **{f"{side}_ffn_dim": inner[side] for side in inner},
            "activation_function": "gelu",
            "dropout": args.get("dropout", 0.1),
            "attention_dropout": args.get("attention_dropout", 0.0),
            "activation_dropout": 0.0,
            "scale_embedding": True,
            "pad_token_id": PAD,
            "bos_token_id": 0,
            "eos_token_id": 2,
        }

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Config:
        """As `ModelConfig.from_dict`; also refuses what the network does not have.

        Raises:
            ConfigError: names the field and the value.
        """
        for name, known in ONLY.items():
            if name in config and config[name] not in known:
                raise ConfigError(f"config.json has {name}={quote(config[name])}; VECO's network has {known[0]!r}.")
        made = super().from_dict(config)
        assert isinstance(made, Config)
        return made

    def check(self) -> None:
        """As for every model; encoder and decoder have layers of one size, whose heads share the hidden size."""
        super().check()
        pairs = {
            "attention_heads": (self.encoder_attention_heads, self.decoder_attention_heads),
            "ffn_dim": (self.encoder_ffn_dim, self.decoder_ffn_dim),
        }
        for name, (one, two) in pairs.items():
            if one != two:
                raise ConfigError(f"config.json has encoder_{name}={one} and decoder_{name}={two}; VECO has one.")
        if self.d_model % self.encoder_attention_heads:
            heads = self.encoder_attention_heads
            raise ConfigError(f"config.json has encoder_attention_heads={heads} and d_model={self.d_model}.")

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.d_model

    @property
    def head_dropout(self) -> float:
        """There is no classifier."""
        return self.dropout

    @property
    def layer(self) -> EncoderConfig:
        """A layer's sizes, as the blocks of BERT-shaped encoders take them."""
        return EncoderConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.d_model,
            num_attention_heads=self.encoder_attention_heads,
            intermediate_size=self.encoder_ffn_dim,
            hidden_act=self.hidden_act,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.attention_dropout,
            initializer_range=self.initializer_range,
            layer_norm_eps=self.layer_norm_eps,
        )

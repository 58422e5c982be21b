"""config.json of PALM 2.0, and the encoder's own, which lies in the sub-folder that `encoder_pth` names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.errors import ConfigError
from zoo.files import Fields, quote
from zoo.models.common.config import (
    HEADS_RANGE,
    INNER_RANGE,
    LAYERS_RANGE,
    ROWS_RANGE,
    SHARE_RANGE,
    WIDTH_RANGE,
    EncoderConfig,
    Ranges,
)

if TYPE_CHECKING:
    from typing_extensions import Self

ENCODERS = ("bert", "zh_bert", "roberta")
ENCODER_FIELDS = tuple(f.name for f in fields(EncoderConfig) if f.name not in ("labels", "source", "problem_type"))


@dataclass
class Config(EncoderConfig):
    """The encoder's sizes under its own config.json's names, and the decoder's, `dec_*`.

    Attributes:
        encoder: "bert" or "zh_bert", whose padding is 0, or "roberta", whose padding is 1 and whose positions count
            from behind it.
        max_pos: rows of the encoder's table of positions, where more than 512.
        dec_ff_size: F of the decoder.
        label_smoothing: of the loss; 0 for none.
        p_gen: the decoder copies words of the text (the paper's pointer network); False in ModelScope's files.
    """

    encoder: str = "roberta"
    max_pos: int = 512
    dec_layers: int = 12
    dec_hidden_size: int = 768
    dec_heads: int = 8
    dec_ff_size: int = 3072
    dec_dropout: float = 0.2
    label_smoothing: float = 0.1
    p_gen: bool = False

    RANGES: ClassVar[Ranges] = {
        **EncoderConfig.RANGES,
        "hidden_size": (1, 1 << 11),  # the decoder computes its positions when it is made, 5,000 rows
        "max_pos": ROWS_RANGE,
        "dec_layers": LAYERS_RANGE,
        "dec_hidden_size": WIDTH_RANGE,
        "dec_heads": HEADS_RANGE,
        "dec_ff_size": INNER_RANGE,
        "dec_dropout": SHARE_RANGE,
        "label_smoothing": SHARE_RANGE,
    }

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Reads a config.json with the encoder's under `encoder_config`.

        Raises:
            ConfigError: there are no sizes of an encoder, or a value that describes another network.
        """
        nested = config.get("encoder_config", {})
        if not isinstance(nested, Mapping) or not ({**config, **nested}.keys() >= {"vocab_size", "hidden_size"}):
            folder = quote(config.get("encoder_pth"))
            raise ConfigError(
                f"config.json has no sizes of the encoder, and the folder {folder} beside it has no config.json.",
                "Copy the encoder's config.json there.",
            )
        usual = {"pad_token_id": 1} if config.get("encoder", cls.encoder) == "roberta" else {}
        sizes = {**usual, **{name: nested[name] for name in ENCODER_FIELDS if name in nested}}
        if (rows := Fields(config, "config.json", ConfigError).whole("max_pos", 0, 0, ROWS_RANGE[1])) > 512:
            sizes["max_position_embeddings"] = rows
        made = super().from_dict({**config, **sizes})
        made.source = dict(config)
        return made

    def check(self) -> None:
        """As for every encoder; the decoder must be as wide as the encoder."""
        super().check()
        if self.encoder not in ENCODERS:
            raise ConfigError(f"config.json has encoder={quote(self.encoder)}; the zoo has {', '.join(ENCODERS)}.")
        if self.dec_hidden_size != self.hidden_size or self.dec_hidden_size % self.dec_heads:
            raise ConfigError(
                f"config.json has dec_hidden_size={self.dec_hidden_size}, dec_heads={self.dec_heads} and "
                f"hidden_size={self.hidden_size}; the first must be a multiple of the second and equal the third."
            )

    @property
    def longest(self) -> int:
        """Tokens of the longest text; RoBERTa's positions count from behind the padding's."""
        return self.max_position_embeddings - (self.padding + 1 if self.encoder == "roberta" else 0)

    @property
    def padding(self) -> int:
        """Id of the padding, on both sides."""
        return 0 if self.pad_token_id is None else self.pad_token_id

"""config.json of XLM-RoBERTa and InfoXLM, and of RoBERTa and CamemBERT, which are the same network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.checkpoint.rules import Shape
from zoo.errors import ConfigError
from zoo.files import clean, quote
from zoo.models.common.config import EncoderConfig

# Training options of a fairseq checkpoint that describe other networks, and the value that means this one.
FAIRSEQ_OPTIONS: Mapping[str, object] = {
    "activation_fn": "gelu",
    "activation_dropout": 0.0,
    "pooler_activation_fn": "tanh",
    "untie_weights_roberta": False,
}


@dataclass
class Config(EncoderConfig):
    """An XLM-R. What a config.json leaves out has transformers' default, which is not XLM-R's own size."""

    pad_token_id: int = 1

    STEM: ClassVar[str] = "XLMRoberta"  # of transformers' class names
    MODEL_TYPE: ClassVar[str] = "xlm-roberta"

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Config:
        """As `EncoderConfig.from_dict`; positions are counted from the padding index, so there must be one."""
        made = super().from_dict(config)
        assert isinstance(made, Config)
        if made.pad_token_id is None:
            raise ConfigError("config.json has pad_token_id=null; this network counts positions from it.")
        return made

    @classmethod
    def defaults_of(cls, model_type: object) -> Mapping[str, object]:
        """RoBERTa has another vocabulary."""
        return {"vocab_size": 50265} if model_type == "roberta" else {}

    @property
    def longest(self) -> int:
        """Gives the tokens of the longest row: positions count from behind the padding's."""
        return self.max_position_embeddings - self.pad_token_id - 1

    @classmethod
    def of_fairseq(cls, args: Mapping[str, Any], shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """Gives what would be config.json of a fairseq file: sizes from its tensors, the rest from its options.

        Args:
            args: the training options in the file (`Checkpoint.extras`).
            shapes: of its tensors, by key.

        Raises:
            ConfigError: an option that makes another network, or no tensors of one.
        """
        for name, known in FAIRSEQ_OPTIONS.items():
            if args.get(name) not in (None, known):
                given = quote(args[name])
                raise ConfigError(f"The fairseq checkpoint has {name}={given}; the zoo's network has {known!r}.")
        network, heads = _network(shapes), _classifiers(shapes)
        if len(heads) > 1:
            raise ConfigError(
                f"The fairseq checkpoint has the classification heads {', '.join(map(quote, heads))}; which one is "
                "meant is unclear.",
                "Save it again with one of them.",
            )
        if not isinstance(args.get("encoder_attention_heads"), int):
            raise ConfigError(
                "The fairseq checkpoint does not say how many attention heads it has: its options have no "
                "encoder_attention_heads.",
                "Its tensors cannot say it either: write a config.json beside it.",
            )
        try:
            words, hidden = network["embed_tokens.weight"]
            sizes = {
                "vocab_size": words,
                "hidden_size": hidden,
                "num_hidden_layers": len({k.split(".")[1] for k in network if k.startswith("layers.")}),
                "intermediate_size": network["layers.0.fc1.weight"][0],
                "max_position_embeddings": network["embed_positions.weight"][0],
            }
        except (LookupError, ValueError) as error:
            raise ConfigError(
                f"The fairseq checkpoint is not {cls.STEM}'s: {clean(str(error))} is not in it as it should be."
            ) from None
        classes = shapes.get(f"classification_heads.{heads[0]}.out_proj.bias", ()) if heads else ()
        labels = {"num_labels": classes[0]} if classes else {}
        return {
            "architectures": [f"{cls.STEM}For{'SequenceClassification' if heads else 'MaskedLM'}"],
            "model_type": cls.MODEL_TYPE,
            **sizes,
            "num_attention_heads": args["encoder_attention_heads"],
            "hidden_act": "gelu",
            "hidden_dropout_prob": args.get("dropout", 0.1),
            "attention_probs_dropout_prob": args.get("attention_dropout", 0.1),
            "layer_norm_eps": 1e-5,
            "initializer_range": 0.02,
            "type_vocab_size": 1,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
            **labels,
        }


def _network(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Gives the shapes of the encoder's tensors, by what follows `sentence_encoder.`."""
    found = ((key.partition("sentence_encoder.")[2], shape) for key, shape in shapes.items())
    return {key: shape for key, shape in found if key}


def _classifiers(shapes: Mapping[str, Shape]) -> list[str]:
    """Gives the names of the classification heads."""
    keys = (key.split(".") for key in shapes if key.startswith("classification_heads."))
    return list(dict.fromkeys(parts[1] for parts in keys if len(parts) > 2))

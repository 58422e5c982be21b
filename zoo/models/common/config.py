"""What a config.json says about a BERT-shaped encoder, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from zoo.errors import ConfigError

ACTIVATION_NAMES = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")

# Values of keys that other networks use. Anything else than what is listed here would need code that is not written.
SUPPORTED: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ACTIVATION_NAMES,
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
    "embedding_size": (None,),
}


@dataclass
class EncoderConfig:
    """Sizes of an encoder under config.json's own names; the defaults are transformers'.

    Attributes:
        labels: names of the classes of a head, from `id2label`.
        problem_type: "regression", "single_label_classification", "multi_label_classification" or None (then one
            class means regression and the labels' type decides the rest).
        source: config.json as it was read; `to_dict` returns it with the fields above on top.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None
    problem_type: str | None = None
    tie_word_embeddings: bool = True
    labels: tuple[str, ...] = ("LABEL_0", "LABEL_1")
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> EncoderConfig:
        """Reads a config.json.

        Raises:
            ConfigError: a value that describes another network; names the field and the value.
        """
        for name, values in SUPPORTED.items():
            if name in config and config[name] not in values and config[name] != config.get("hidden_size"):
                known = ", ".join(repr(v) for v in values if v is not None)
                raise ConfigError(
                    f"config.json has {name}={config[name]!r}; the zoo's network knows {known or 'none'}."
                )
        known_fields = {f.name: f for f in fields(cls) if f.name not in ("labels", "source")}
        values = {name: config[name] for name in known_fields if name in config}
        for name, value in values.items():
            _check_number(name, value, known_fields[name].default)
        made = cls(**values, labels=read_labels(config), source=dict(config))
        if made.hidden_size % made.num_attention_heads:
            raise ConfigError(
                f"config.json has hidden_size={made.hidden_size}, which num_attention_heads="
                f"{made.num_attention_heads} does not divide."
            )
        return made

    def to_dict(self) -> dict[str, Any]:
        """config.json's content: what was read, with today's fields on top."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("labels", "source")}
        changed = {k: v for k, v in own.items() if k in self.source or v != _default(self, k)}
        named = {
            "id2label": {str(n): label for n, label in enumerate(self.labels)},
            "label2id": {label: n for n, label in enumerate(self.labels)},
        }
        return {**self.source, **changed, **named}

    @property
    def head_dropout(self) -> float:
        """Dropout before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


def _default(config: EncoderConfig, name: str) -> object:
    return next(f.default for f in fields(config) if f.name == name)


def _check_number(name: str, value: object, default: object) -> None:
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"config.json has {name}={value!r}; it must be a number.")
    if isinstance(default, int) and name != "pad_token_id" and (value != int(value) or value < 1):
        raise ConfigError(f"config.json has {name}={value!r}; it must be a positive whole number.")


def read_labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Class names in the order of their ids, from `id2label` or `num_labels`; two unnamed classes if neither is given.

    Raises:
        ConfigError: ids that are not 0 to n-1.
    """
    table = config.get("id2label")
    if table is None:
        return tuple(f"LABEL_{n}" for n in range(int(config.get("num_labels") or 2)))
    try:
        by_id = {int(n): str(label) for n, label in table.items()}
    except (AttributeError, TypeError, ValueError):
        by_id = {}
    if sorted(by_id) != list(range(len(by_id))) or not by_id:
        raise ConfigError(f"config.json has id2label={table!r}; its ids must be 0 to n-1.")
    return tuple(by_id[n] for n in range(len(by_id)))

"""What a config.json says, read strictly; the sizes of a BERT-shaped encoder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Self

# Keys of a config.json that describe other networks, and the values of them that mean this one.
SUPPORTED: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu"),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
}
_SHARE = re.compile("prob|dropout")  # of a field's name: a number from 0 to 1


@dataclass
class ModelConfig:
    """What every config.json says, under its own names, and what a task head needs.

    Attributes:
        labels: names of the classes of a head, from `id2label`.
        problem_type: "regression", "single_label_classification", "multi_label_classification" or None (then one
            class means regression and the labels' type decides the rest).
        source: config.json as it was read; `to_dict` returns it with the fields above on top.
    """

    vocab_size: int
    hidden_act: str
    initializer_range: float
    layer_norm_eps: float
    pad_token_id: int | None
    problem_type: str | None = None
    tie_word_embeddings: bool = True
    labels: tuple[str, ...] = ("LABEL_0", "LABEL_1")
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def hidden_size(self) -> int:
        """D."""
        raise NotImplementedError

    @property
    def head_dropout(self) -> float:
        """Dropout before a classifier."""
        raise NotImplementedError

    @property
    def token_types(self) -> int:
        """Rows of the table of token types; 0 for a network without one."""
        return int(getattr(self, "type_vocab_size", 0))

    def std(self, inputs: int, outputs: int) -> float:
        """Standard deviation of the initial weight of a Linear."""
        return self.initializer_range

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Reads a config.json.

        Raises:
            ConfigError: a value that describes another network; names the field and the value.
        """
        for name, known in SUPPORTED.items():
            if name in config and config[name] not in known:
                listed = ", ".join(repr(v) for v in known if v is not None)
                raise ConfigError(f"config.json has {name}={config[name]!r}; the zoo's network has {listed}.")
        defaults = {f.name: f.default for f in fields(cls) if f.name not in ("labels", "source")}
        defaults |= cls.defaults_of(config.get("model_type"))
        values = {name: config.get(name, default) for name, default in defaults.items()}
        for name, value in values.items():
            _check_number(name, value, defaults[name])
        made = cls(**values, labels=read_labels(config), source=dict(config))
        made.check()
        return made

    def check(self) -> None:
        """Raises ConfigError for values that do not fit together."""
        if self.layer_norm_eps > 1e-3:
            raise ConfigError(f"config.json has layer_norm_eps={self.layer_norm_eps!r}; paddle takes up to 0.001.")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ConfigError(f"config.json has pad_token_id={self.pad_token_id} and vocab_size={self.vocab_size}.")

    @classmethod
    def defaults_of(cls, model_type: object) -> Mapping[str, object]:
        """Defaults that transformers gives to this model_type and not to the family's others."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """config.json's content: what was read, with today's fields on top."""
        own = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        del own["labels"], own["source"]
        content = {**self.source, **{k: v for k, (v, usual) in own.items() if k in self.source or v != usual}}
        if self.labels != read_labels(self.source):
            content.pop("num_labels", None)  # transformers lets it overrule id2label
            content["id2label"] = {str(n): label for n, label in enumerate(self.labels)}
            content["label2id"] = {label: n for n, label in enumerate(self.labels)}
        return content


@dataclass
class EncoderConfig(ModelConfig):
    """Sizes of an encoder under config.json's own names; the defaults are transformers'."""

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

    def check(self) -> None:
        """As for every model; the heads must share the hidden size."""
        super().check()
        width = self.source.get("embedding_size") or self.hidden_size
        if self.hidden_size % self.num_attention_heads or width != self.hidden_size:
            name = "embedding_size" if width != self.hidden_size else "num_attention_heads"
            raise ConfigError(
                f"config.json has {name}={self.source.get(name)!r} and hidden_size={self.hidden_size}."
            )

    @property
    def head_dropout(self) -> float:
        """Dropout before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


def _check_number(name: str, value: object, default: object) -> None:
    if isinstance(default, bool) or not isinstance(default, int | float):
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        if value is not None or name != "pad_token_id":
            raise ConfigError(f"config.json has {name}={value!r}; it must be a number.")
    elif isinstance(default, int) and name != "pad_token_id" and (value != int(value) or value < 1):
        raise ConfigError(f"config.json has {name}={value!r}; it must be a positive whole number.")
    elif value < 0 or (_SHARE.search(name) and value > 1):
        allowed = "from 0 to 1" if _SHARE.search(name) else "positive"
        raise ConfigError(f"config.json has {name}={value!r}; it must be {allowed}.")


def read_labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Class names in the order of their ids, from `id2label` or `num_labels`; two unnamed ones without either.

    As in transformers, a num_labels that is not id2label's wins, and the classes have no names then.

    Raises:
        ConfigError: ids that are not 0 to n-1.
    """
    table, count = config.get("id2label"), config.get("num_labels")
    if isinstance(table, Mapping) and type(count) is int and count != len(table):
        table = None
    if table is None:
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ConfigError(f"config.json has num_labels={count!r}; it must be a positive whole number.")
        return tuple(f"LABEL_{n}" for n in range(count or 2))
    try:
        by_id = {int(n): str(label) for n, label in table.items()}
    except (AttributeError, TypeError, ValueError):
        by_id = {}
    if sorted(by_id) != list(range(len(by_id))) or not by_id:
        raise ConfigError(f"config.json has id2label={table!r}; its ids must be 0 to n-1.")
    return tuple(by_id[n] for n in range(len(by_id)))

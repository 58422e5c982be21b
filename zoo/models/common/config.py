"""Reads a config.json strictly, and defines the sizes of a BERT-shaped encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.batching import Limits
from zoo.errors import ConfigError
from zoo.files import Fields, JsonObject, quote

if TYPE_CHECKING:
    from typing_extensions import Self

# Keys of a config.json that describe other networks, and the values of them that mean this one.
SUPPORTED_VALUES: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu"),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
}
# Smallest and largest value of a field: whole numbers where the ends are. No network that was ever published comes
# near the upper ends; without them a text of twenty bytes could ask for years and terabytes.
LAYERS_RANGE, HEADS_RANGE, WIDTH_RANGE, INNER_RANGE = (1, 256), (1, 1024), (1, 1 << 14), (1, 1 << 16)
ROWS_RANGE, SHARE_RANGE, SPREAD_RANGE = (1, 1 << 20), (0.0, 1.0), (0.0, 100.0)
MAX_LABELS, MAX_LABEL = 100_000, 1_000  # classes, and characters of a name
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
Ranges = Mapping[str, tuple[float, float]]


@dataclass
class ModelConfig:
    """The fields that every config.json has, under its own names, and those that a head needs.

    Attributes:
        labels: names of the classes of a head, from `id2label`.
        problem_type: "regression", "single_label_classification", "multi_label_classification" or None (then one
            class means regression and the labels' type decides the rest).
        source: config.json as it was read; `to_dict` returns it with the fields above on top.
    """

    vocab_size: int
    max_position_embeddings: int
    hidden_act: str
    initializer_range: float
    layer_norm_eps: float
    pad_token_id: int | None
    problem_type: str | None = None
    tie_word_embeddings: bool = True
    labels: tuple[str, ...] = ("LABEL_0", "LABEL_1")
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)

    RANGES: ClassVar[Ranges] = {
        "vocab_size": (1, 1 << 22),
        "initializer_range": SPREAD_RANGE,
        "layer_norm_eps": SPREAD_RANGE,
        "pad_token_id": (0, 1 << 22),
    }

    @property
    def hidden_size(self) -> int:
        """Gives the hidden size D."""
        raise NotImplementedError

    @property
    def head_dropout(self) -> float:
        """Gives the dropout before a classifier."""
        raise NotImplementedError

    @property
    def token_types(self) -> int:
        """Gives the rows of the table of token types; 0 for a network without one."""
        return int(getattr(self, "type_vocab_size", 0))

    @property
    def longest(self) -> int:
        """Gives the tokens of the longest row."""
        return self.max_position_embeddings

    @property
    def limits(self) -> Limits:
        """Gives what the network has rows for. It checks that itself; a graph cannot."""
        return Limits(self.vocab_size, max(self.token_types, 1), self.longest)

    def std(self, inputs: int, outputs: int) -> float:
        """Gives the standard deviation of the initial weight of a Linear."""
        return self.initializer_range

    @classmethod
    def from_dict(cls, config: Mapping[str, object]) -> Self:
        """Reads a config.json.

        Raises:
            ConfigError: a value that describes another network; names the field and the value.
        """
        for name, known in SUPPORTED_VALUES.items():
            if name in config and config[name] not in known:
                listed = ", ".join(repr(v) for v in known if v is not None)
                raise ConfigError(f"config.json has {name}={quote(config[name])}; the zoo's network has {listed}.")
        defaults = {f.name: f.default for f in fields(cls) if f.name not in ("labels", "source")}
        defaults |= cls.defaults_of(config.get("model_type"))
        about = Fields(config, "config.json", ConfigError)
        values = {name: _value(about, name, default, cls.RANGES.get(name)) for name, default in defaults.items()}
        made = cls(**values, labels=read_labels(config), source=dict(config))
        made.check()
        return made

    def check(self) -> None:
        """Raises ConfigError for values that do not fit together."""
        if self.layer_norm_eps > 1e-3:
            raise ConfigError(f"config.json has layer_norm_eps={self.layer_norm_eps!r}; paddle takes up to 0.001.")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ConfigError(f"config.json has pad_token_id={self.pad_token_id} and vocab_size={self.vocab_size}.")
        if self.problem_type not in (None, *PROBLEM_TYPES):
            given = quote(self.problem_type)
            raise ConfigError(f"config.json has problem_type={given}; the zoo has {', '.join(PROBLEM_TYPES)}.")

    @classmethod
    def defaults_of(cls, model_type: object) -> Mapping[str, object]:
        """Defaults that transformers gives to this model_type and not to the family's others."""
        return {}

    def to_dict(self) -> JsonObject:
        """Gives config.json's content: what was read, with today's fields on top."""
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
    """The sizes of an encoder under config.json's own names; the defaults are transformers'."""

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

    RANGES: ClassVar[Ranges] = {
        **ModelConfig.RANGES,
        "hidden_size": WIDTH_RANGE,
        "num_hidden_layers": LAYERS_RANGE,
        "num_attention_heads": HEADS_RANGE,
        "intermediate_size": INNER_RANGE,
        "hidden_dropout_prob": SHARE_RANGE,
        "attention_probs_dropout_prob": SHARE_RANGE,
        "max_position_embeddings": ROWS_RANGE,
        "type_vocab_size": (1, 1 << 10),
        "classifier_dropout": SHARE_RANGE,
    }

    def check(self) -> None:
        """Raises ConfigError as for every model, and where the heads do not share the hidden size."""
        super().check()
        width = self.source.get("embedding_size") or self.hidden_size
        if self.hidden_size % self.num_attention_heads or width != self.hidden_size:
            name = "embedding_size" if width != self.hidden_size else "num_attention_heads"
            raise ConfigError(
                f"config.json has {name}={quote(self.source.get(name))} and hidden_size={self.hidden_size}."
            )

    @property
    def head_dropout(self) -> float:
        """Gives the dropout before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


def _value(about: Fields, name: str, default: object, limits: tuple[float, float] | None) -> Any:
    """Reads a field by its range, or by the kind of its default where it has none."""
    if about.content.get(name, default) is None:
        if default is None or name == "pad_token_id":
            return None
        raise ConfigError(f"config.json has {name}=null; leave it out, or give a value.")
    if limits is None:
        return about.flag(name, default) if isinstance(default, bool) else about.content.get(name, default)
    low, high = limits
    if isinstance(low, int) and isinstance(high, int):
        return about.whole(name, default, low, high)
    return about.number(name, default, low, high)


def read_labels(config: Mapping[str, object]) -> tuple[str, ...]:
    """Gives the class names in the order of their ids, from `id2label` or `num_labels`; two unnamed without either.

    As in transformers, a num_labels that is not id2label's wins, and the classes have no names then.

    Raises:
        ConfigError: ids that are not 0 to n-1, names that are none, or too many of them.
    """
    table, about = config.get("id2label"), Fields(config, "config.json", ConfigError)
    count = about.whole("num_labels", None, 1, MAX_LABELS)
    if isinstance(table, Mapping) and count is not None and count != len(table):
        table = None
    if table is None:
        return tuple(f"LABEL_{n}" for n in range(count or 2))
    pairs = list(table.items()) if isinstance(table, Mapping) else []
    try:
        by_id = {int(n): label for n, label in pairs}
    except (TypeError, ValueError):
        by_id = {}
    if not by_id or len(by_id) != len(pairs) or sorted(by_id) != list(range(len(by_id))):
        raise ConfigError(f"config.json has id2label={quote(table)}; its ids must be 0 to n-1.")
    names = tuple(by_id[n] for n in range(len(by_id)))
    if len(names) > MAX_LABELS:
        raise ConfigError(f"config.json has an id2label of {len(names):,} classes; the zoo takes {MAX_LABELS:,}.")
    if bad := [name for name in names if not isinstance(name, str | int | float) or len(str(name)) > MAX_LABEL]:
        raise ConfigError(f"config.json has the class {quote(bad[0])} in id2label, which is no name of one.")
    return tuple(map(str, names))

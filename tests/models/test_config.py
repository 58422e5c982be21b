"""config.json is read strictly, with transformers' defaults."""

from __future__ import annotations

from dataclasses import fields

import pytest
import transformers

from tests.models.peers import PREFIX
from zoo.errors import ConfigError
from zoo.models.structbert.config import Config as StructBERTConfig
from zoo.models.xlmr.config import Config as XLMRConfig

CONFIGS = {"xlmr": XLMRConfig, "structbert": StructBERTConfig}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("family", "peer"),
    [("xlmr", "XLMRoberta"), ("xlmr", "Roberta"), ("xlmr", "Camembert"), ("structbert", PREFIX["structbert"])],
)
def test_missing_sizes_are_transformers_own(family: str, peer: str) -> None:
    theirs = getattr(transformers, f"{peer}Config")()
    mine = CONFIGS[family].from_dict({"model_type": theirs.model_type})
    for name in (f.name for f in fields(mine) if f.name not in ("labels", "source")):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert mine.labels == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("hidden_act", "swish"),
        ("pruned_heads", {"0": [1]}),
        ("embedding_size", 128),
        ("num_attention_heads", 5),
        ("num_hidden_layers", 0),
        ("hidden_size", "768"),
        ("hidden_dropout_prob", 1.5),
        ("layer_norm_eps", 0.01),
        ("pad_token_id", 10**6),
        ("num_labels", -1),
        ("id2label", {"1": "A", "2": "B"}),
        ("id2label", ["A"]),
    ],
)
@pytest.mark.parametrize("family", CONFIGS)
def test_what_the_network_cannot_do(family: str, name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        CONFIGS[family].from_dict({name: value})
    assert f"{name}={value!r}" in str(caught.value)


def test_xlmr_needs_a_padding_index() -> None:
    with pytest.raises(ConfigError, match="pad_token_id=null"):
        XLMRConfig.from_dict({"pad_token_id": None})
    assert StructBERTConfig.from_dict({"pad_token_id": None}).pad_token_id is None


def test_labels_come_and_go() -> None:
    read = XLMRConfig.from_dict({"id2label": {"1": "I", "0": "O"}, "num_labels": 7, "extra": [1]})
    assert read.labels == tuple(f"LABEL_{n}" for n in range(7))  # as in transformers, num_labels wins
    assert read.to_dict() == {"id2label": {"1": "I", "0": "O"}, "num_labels": 7, "extra": [1]}  # as it was
    read.labels = ("a", "b", "c")
    again = read.to_dict()
    assert again["id2label"] == {"0": "a", "1": "b", "2": "c"} and again["label2id"]["c"] == 2
    assert "num_labels" not in again and again["extra"] == [1]
    assert XLMRConfig.from_dict(again).labels == read.labels
    assert XLMRConfig.from_dict({"id2label": {"1": "I", "0": "O"}, "num_labels": 2}).labels == ("O", "I")
    assert XLMRConfig.from_dict({"num_labels": 3}).labels == ("LABEL_0", "LABEL_1", "LABEL_2")

"""config.json from a stranger: within ranges and of the right kinds before anything is built."""

from __future__ import annotations

import json
import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from zoo import configs, registry
from zoo.errors import CheckpointError, ConfigError

BERT = {"architectures": ["BertModel"], "model_type": "bert"}
MODULES = sorted({a.module for family in registry.families() for a in family.architectures})


def folder_with(place: Path, text: str | bytes) -> Path:
    raw = text if isinstance(text, bytes) else text.encode()
    (place / "config.json").write_bytes(raw)
    return place


def read(folder: Path) -> Any:
    content = configs.read(folder)
    _, one = registry.family_of(content)
    return import_module(f"{one.module}.config").Config.from_dict(content)


def refused(folder: Path) -> str:
    """The message, which must fit a terminal; in no time."""
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read(folder)
    assert time.process_time() - started < 5
    assert caught.value.message.isprintable() and len(caught.value.message) < 700
    return caught.value.message


SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
         "max_position_embeddings", "type_vocab_size", "num_labels")  # fmt: skip


NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "1e9", "1" + "0" * 29, "1.5", "-1", "0", "true", '"12"', "[]",
           "{}", "null", "2147483647")  # fmt: skip
NO_SIZES = [(n, raw) for n in SIZES for raw in NUMBERS if (n, raw) != ("num_labels", "null")]  # null means two


@pytest.mark.parametrize(("name", "raw"), NO_SIZES)
def test_sizes(tmp_path: Path, name: str, raw: str) -> None:
    refused(folder_with(tmp_path, json.dumps({**BERT, name: "here"}).replace('"here"', raw)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layer_norm_eps", "1e-12"), ("layer_norm_eps", []), ("initializer_range", -1), ("initializer_range", 1e9),
        ("hidden_dropout_prob", "0.1"), ("classifier_dropout", "0.1"), ("classifier_dropout", 2),
        ("hidden_act", ["gelu"]), ("hidden_act", {}), ("tie_word_embeddings", 1), ("problem_type", 5),
        ("problem_type", "\u202e"), ("pad_token_id", "0"), ("pad_token_id", 0.5), ("pruned_heads", [[[]]]),
        ("id2label", {"0": ["a"]}), ("id2label", {"0": "x" * 5_000}), ("id2label", {"0": None}), ("id2label", 5),
        ("id2label", {"0": "a", "00": "b"}), ("id2label", {"1" * 5_000: "a"}), ("num_labels", 10**6),
        ("embedding_size", "\x1b[31m"), ("architectures", "BertModel"), ("architectures", [5]),
        ("architectures", {}), ("architectures", ["\u202e\x1b[31m"]), ("architectures", ["A"] * 100),
        ("model_type", ["bert"]), ("zoo", 5), ("zoo", []), ("zoo", {}), ("zoo", "a"),
        ("zoo", {"family": 5, "architecture": "BertModel"}), ("zoo", {"family": "xlmr", "architecture": ["A"]}),
        ("zoo", {"family": "xlmr", "architecture": "BertModel", "format": "1"}),
        ("zoo", {"family": "xlmr", "architecture": "BertModel", "task": ["mlm"]}),
        ("zoo", {"family": "xlmr", "architecture": "BertModel", "options": 5}),
        ("zoo", {"family": "xlmr", "architecture": "BertModel", "options": {"a b": 1}}),
        ("zoo", {"family": "xlmr", "architecture": "BertModel", "options": {"layer": {"a": 1}}}),
    ],
    ids=lambda value: ascii(value)[:30],
)  # fmt: skip
def test_kinds(tmp_path: Path, name: str, value: object) -> None:
    refused(folder_with(tmp_path, json.dumps({**BERT, name: value})))


@pytest.mark.parametrize(
    "text",
    [
        b"", b"5", b"[]", b"null", b"{", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}', b'{"\xff": 1}', b'{"a": 1e999}', b'{"a": ' + b"9" * 5_000 + b"}", bytes(100),
        b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", b"{" + b" " * (17 << 20) + b"}", '{"a": 1}'.encode("utf-16"),
    ],
    ids=lambda raw: ascii(raw[:12]),
)  # fmt: skip
def test_documents(tmp_path: Path, text: bytes) -> None:
    assert "config.json" in refused(folder_with(tmp_path, text))


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder", "nothing"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "config.json"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to({"device": "/dev/zero", "loop": "config.json", "nothing": "nowhere"}[kind])
    refused(tmp_path)


@pytest.mark.parametrize(
    "place",
    ["../../etc", "a\0b", "x" * 5_000, "\x1b[31m", "..", "C:\\x", "\u202e"],
    ids=lambda text: ascii(text[:12]),
)
def test_the_place_of_another_config_is_a_folder_beside_it(tmp_path: Path, place: str) -> None:
    content = {**BERT, "encoder_pth": place}
    if len(place) > 4_096:
        refused(folder_with(tmp_path, json.dumps(content)))
    else:
        assert configs.read(folder_with(tmp_path, json.dumps(content))) == content


def test_a_nested_config_is_read_within_the_same_bounds(tmp_path: Path) -> None:
    folder_with(tmp_path, json.dumps({**BERT, "encoder_pth": "inner/"}))
    (tmp_path / "inner").mkdir()
    folder_with(tmp_path / "inner", '{"vocab_size": 7}')
    assert configs.read(tmp_path)["encoder_config"] == {"vocab_size": 7}
    for text in ("[" * 100_000, '{"vocab_size": NaN}', "[]"):
        folder_with(tmp_path / "inner", text)
        with pytest.raises(ConfigError, match="inner"):
            configs.read(tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_every_field_of_every_network(module: str) -> None:
    """A value of another kind or size is a sentence, whatever the field."""
    config, sizes = import_module(f"{module}.config").Config, {"vocab_size": 100, "hidden_size": 768}
    made = config.from_dict(sizes)
    for name in config.RANGES:
        assert getattr(made, name, None) == getattr(config.from_dict(made.to_dict()), name)
        for value in (float("nan"), float("inf"), 10**29, -1, "1", [], {}, True, 1e9):
            with pytest.raises(ConfigError) as caught:
                config.from_dict({**sizes, name: value, "encoder_config": {name: value}})
            assert caught.value.message.isprintable()


def test_fairseq_options_of_another_kind(tmp_path: Path) -> None:
    for arch in (None, 5, "\x1b[31m", "x" * 10_000, ["veco"]):
        with pytest.raises(ConfigError) as caught:
            registry.fairseq(arch)
        assert caught.value.message.isprintable() and len(caught.value.message) < 300
    config = import_module("zoo.models.veco.config").Config
    for shapes in ({}, {"encoder.embed_tokens.weight": ()}, {"encoder.embed_tokens.weight": (3, 4, 5)}):
        with pytest.raises(ConfigError):
            config.of_fairseq({}, shapes)
    with pytest.raises(ConfigError):
        config.of_fairseq({"activation_fn": "\x1b" * 5_000}, {})


def test_a_fairseq_checkpoint_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pt")
    (tmp_path / "dict.txt").write_text("")
    with pytest.raises((ConfigError, CheckpointError)):
        configs.read(tmp_path)

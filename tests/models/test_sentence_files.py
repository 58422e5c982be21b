"""Sentence models whose files say what the zoo cannot do: refused or named, never passed over."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import zoo
from tests.models.sentence_folders import FORMS, MEAN, WIDTH, folder, write
from zoo.convert.to_paddle import convert
from zoo.errors import CheckpointError, ConfigError, NotYetError

pytestmark = pytest.mark.torch


def edited(name: str, **values: Any) -> Callable[[Path], None]:
    def edit(place: Path) -> None:
        content = json.loads((place / name).read_text()) if (place / name).is_file() else {}
        write(place / name, {**content, **values})

    return edit


def entry(**values: Any) -> Callable[[Path], None]:
    """Another first module behind the network."""

    def edit(place: Path) -> None:
        entries = json.loads((place / "modules.json").read_text())
        entries[1] |= values
        write(place / "modules.json", entries)

    return edit


def stored(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Callable[[Path], None]:
    """Other weights of the Dense."""
    tensors = {"linear.weight": weight} | ({} if bias is None else {"linear.bias": bias.contiguous()})
    return lambda place: save_file(tensors, place / "2_Dense/model.safetensors")


NAN = torch.full((10, WIDTH), torch.nan)
POOL, DENSE, TEXT = "1_Pooling/config.json", "2_Dense/config.json", "sentence_bert_config.json"
REFUSED: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "module": (entry(type="sentence_transformers.models.LSTM"), NotYetError, "LSTM"),
    "code": (entry(type="os.Pooling"), NotYetError, r"os\.Pooling"),
    "arguments": (entry(kwargs=["task"]), NotYetError, "task"),
    "above": (entry(path="../x"), CheckpointError, r"\.\./x"),
    "root": (entry(path="/etc"), CheckpointError, "/etc"),
    "itself": (entry(path="."), CheckpointError, "leads out"),
    "long": (entry(path="x" * 199 + "é"), CheckpointError, "leads out|200"),
    "type": (entry(path=5), CheckpointError, "path=5"),
    "pipe": (lambda p: os.mkfifo(p / TEXT), CheckpointError, "regular file"),
    "device": (
        lambda p: (p / "config_sentence_transformers.json").symlink_to("/dev/zero"),
        CheckpointError,
        "regular",
    ),
    "nan": (stored(NAN, NAN[:, 0]), CheckpointError, "none"),
    "shape": (stored(torch.ones(9, WIDTH), torch.ones(9)), CheckpointError, "linear"),
    "tensors": (stored(torch.ones(10, WIDTH)), CheckpointError, "bias"),
    "mode": (edited(POOL, pooling_mode="median"), NotYetError, "pooling 'median'"),
    "mode of a list": (edited(POOL, pooling_mode=["mean", "x"]), NotYetError, "pooling 'x'"),
    "modes": (edited(POOL, pooling_mode=[]), NotYetError, "no pooling"),
    "kind of modes": (edited(POOL, pooling_mode=[1]), CheckpointError, "pooling_mode"),
    "old mode": (lambda p: write(p / POOL, {"pooling_mode_x": True}), NotYetError, "pooling_mode_x"),
    "nothing": (lambda p: write(p / POOL, {}), NotYetError, "no pooling"),
    "flag": (lambda p: write(p / POOL, {"pooling_mode_cls_token": "yes"}), CheckpointError, "yes"),
    "activation": (edited(DENSE, activation_function="torch.nn.modules.activation.PReLU"), NotYetError, "PReLU"),
    "import": (edited(DENSE, activation_function="os.system"), NotYetError, r"os\.system"),
    "null": (edited(DENSE, activation_function=None), NotYetError, "None"),
    "width": (edited(DENSE, in_features=25), ConfigError, "25"),
    "size": (edited(DENSE, out_features=10**9), CheckpointError, "out_features"),
    "place": (edited(DENSE, module_input_name="colbert"), CheckpointError, "colbert"),
    "weights": (lambda p: (p / "2_Dense/model.safetensors").unlink(), CheckpointError, "2_Dense"),
    "task": (edited(TEXT, transformer_task="fill-mask"), NotYetError, "fill-mask"),
    "query": (edited(TEXT, query_length=8), NotYetError, "query_length"),
    "tokenizer": (
        edited(TEXT, tokenizer_args={"do_lower_case": True}),
        NotYetError,
        "tokenizer_args.do_lower_case",
    ),
    "prompt": (edited("config_sentence_transformers.json", prompts={"a": 5}), CheckpointError, "5"),
    "prompts": (edited("config_sentence_transformers.json", prompts=[1]), CheckpointError, "prompts"),
    "cut": (edited("config_sentence_transformers.json", truncate_dim=0), CheckpointError, "truncate_dim"),
    "list": (lambda p: write(p / "modules.json", {}), CheckpointError, "list of modules"),
    "no list": (lambda p: write(p / "modules.json", [1]), CheckpointError, "list of modules"),
    "empty": (lambda p: write(p / "modules.json", []), CheckpointError, "list of modules"),
    "deep": (lambda p: (p / "modules.json").write_text("[" * 9999) and None, CheckpointError, "modules.json"),
    "broken": (lambda p: (p / POOL).write_text("{") and None, CheckpointError, "1_Pooling"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, case: str) -> None:
    edit, kind, word = REFUSED[case]
    folder(tmp_path / "m", FORMS["dense"])
    edit(tmp_path / "m")
    with pytest.raises(kind, match=word):
        zoo.load(tmp_path / "m")
    with pytest.raises(kind, match=word):
        convert(str(tmp_path / "m"), tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


@pytest.mark.parametrize("value", ["x", 0, -1, 1.5, 1e99, [], True, 10**30])
def test_lengths_that_are_none(tmp_path: Path, value: Any) -> None:
    folder(tmp_path, [MEAN], texts={"max_seq_length": value})
    with pytest.raises(CheckpointError, match="max_seq_length"):
        zoo.load(tmp_path).tokenizer  # noqa: B018


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [
        ("config_sentence_transformers.json", {"similarity_fn_name": "maxsim"}, "maxsim"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "default_prompt_name"),
        ("config_sentence_transformers.json", {"new_thing": 1}, "new_thing"),
        (TEXT, {"new_thing": 1}, "new_thing"),
        (POOL, {"new_thing": 1}, "new_thing"),
        (DENSE, {"new_thing": 1}, "new_thing"),
    ],
)
def test_what_is_passed_over_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, values: dict[str, Any], word: str
) -> None:
    folder(tmp_path, FORMS["dense"])
    edited(name, **values)(tmp_path)
    with caplog.at_level(logging.WARNING, "zoo"):
        zoo.load(tmp_path)
    assert word in caplog.text


def test_other_kinds_of_models_are_not_taken_for_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder(tmp_path, [MEAN], {"model_type": "SparseEncoder"})
    with caplog.at_level(logging.WARNING, "zoo"):
        assert zoo.load(tmp_path).task is None
    assert "SparseEncoder" in caplog.text

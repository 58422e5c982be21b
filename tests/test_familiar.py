"""What people type from other libraries gets the name that it has here, before anything is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import loading
from zoo.__main__ import main
from zoo.errors import UsageError
from zoo.finetune import finetune
from zoo.finetune.recipes import settle
from zoo.inference.pipelines import kind_of


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "ner"}, "Here it is task='tagging'"),
        ({"task": "text-classification"}, "Here it is task='classification'"),
        ({"task": "AutoModelForQuestionAnswering"}, "is not one of"),
        ({"task": "taging"}, "Did you mean 'tagging'"),
        ({"num_labels": 3}, "Here it is labels="),
        ({"labels": "pos"}, "Give a list of names"),
        ({"labels": 0}, "at least one class"),
        ({"labels": []}, "at least one class"),
        ({"dtype": "fp16"}, "Here it is dtype='float16'"),
        ({"torch_dtype": "float32"}, "Here it is dtype="),
        ({"trust_remote_code": True}, "It is not needed"),
    ],
)
def test_load(given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find", lambda *a: pytest.fail("a model was looked for"))
    with pytest.raises(UsageError, match=said):
        zoo.load("all-MiniLM-L6-v2", **given)


@pytest.mark.parametrize(
    ("task", "given", "said"),
    [
        ("text-clasification", {}, "Did you mean 'text-classification'"),
        ("text-classification", {"max_new_tokens": 5}, "Here it is max_length="),
        ("text2text", {"stream": True}, "an iterator gets an iterator"),
        ("classification", {"device": 0}, "zoo.load"),
        ("classification", {"return_all_scores": True}, "top_k=None"),
        ("classification", {"engine": "torch"}, "openvino"),
        ("classification", {"precision": "fp16"}, "bf16"),
    ],
)
def test_pipeline(task: str, given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load", lambda *a, **k: pytest.fail("a model was loaded"))
    monkeypatch.setattr("zoo.inference.pipelines._head", lambda *a: None)
    with pytest.raises(UsageError, match=said):
        zoo.pipeline(task, "all-MiniLM-L6-v2", **given)


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("ner", "ner"), ("text-classification", "classification"), ("summarization", "text2text"),
        ("sentence-similarity", "embeddings"), ("named-entity-recognition", "ner"),
    ],
)  # fmt: skip
def test_names_of_pipelines(task: str, kind: str) -> None:
    assert kind_of(task)[0] == kind


@pytest.mark.parametrize(
    ("task", "kind"),
    [("ner", "tagging"), ("text-classification", "classification"), ("question-answering", "qa")],
)  # fmt: skip
def test_kinds_of_task(task: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"--task {kind};"):
        settle({"task": task, "model": "all-MiniLM-L6-v2"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": 1e-4}, "Here it is lr=."),
        ({"technique": "lora"}, "Here it is lora='8'."),
        ({"use_lora": True}, "Here it is lora='8,alpha=16,dropout=0.1'."),
        ({"gradient_checkpointing": True}, "Here it is recompute='true'."),
        ({"do_predict": True}, "`zoo predict RUN --out FILE`"),
    ],
)
def test_options_of_finetune(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        finetune(task="sst2", **options)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--learning_rate", "Here it is --lr."),
        ("--learning-rate", "Here it is --lr."),
        ("--save_steps", "Here it is --save_every, in updates."),
        ("--save_total_limit", "Here it is --keep_checkpoints."),
        ("--logging_steps", "It is not needed: every update"),
        ("--technique", "Here it is --lora 8."),
        ("--use_peft", "Here it is --lora 8,"),
    ],
)
def test_flags_of_finetune(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    value = "LoRA" if typed == "--technique" else "1e-4"
    assert main(["finetune", "--task", "sst2", typed, value]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "verb"), [("train", "finetune"), ("eval", "evaluate"), ("infer", "predict")])
def test_commands(typed: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == 2
    assert f"Here it is `zoo {verb}`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("help", "zoo --help"),
        ("download all-MiniLM-L6-v2", "zoo convert NAME"),
        ("--task sst2", "zoo VERB --task"),
        ("predict runs/a --input new.csv", "Here it is --data"),
        ("convert a --output-dir b", "Here it is --out"),
        ("export a --format onnx --out b", "Here it is --to"),
        ("export a --quantize --out b", "--precision int8 --guard"),
        ("bench a --batch_size=8", "Here it is --batch"),
        ("convert a --to onnx --out b", "zoo export MODEL --to onnx"),
        ("predict runs/a --out answers.xlsx", "Name it .csv"),
        (
            "finetune --task classification --model all-MiniLM-L6-v2 --train_file a.csv --languages xx",
            "Leave it out",
        ),
        ("finetune --optimizer adamw", "AdamW"),
        ("finetune --gpus 2", "paddle.distributed.launch"),
        ("finetune --num_labels 2", "the labels are those of the data"),
    ],
)
def test_commands_and_options(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text,label\ngood,pos\nbad,neg\n")
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_a_hint_names_an_option_that_the_command_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "all-MiniLM-L6-v2", "--quantize"]) == 2
    assert "int8" not in capsys.readouterr().err

"""Files from strangers: what they ask for has limits, and what is wrong with them is one sentence."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tokenization import tiny
from tests.tokenization.tiny import write_json
from zoo.errors import CheckpointError, ZooError
from zoo.tokenization import load_tokenizer
from zoo.tokenization.bounds import longest
from zoo.tokenization.unigram import model_of

VOCAB = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "a": 4, "b": 5}
REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}


def document(**parts: Any) -> dict[str, Any]:
    """A tokenizer.json of whole words."""
    model = {"type": "WordLevel", "vocab": VOCAB, "unk_token": "[UNK]"}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return {"version": "1.0", **empty, "added_tokens": [], "model": model, **parts}


def normal(*parts: dict[str, Any]) -> dict[str, Any]:
    return document(normalizer={"type": "Sequence", "normalizers": [*parts]})


def regex(pattern: str, content: str = "a") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def token(**fields: Any) -> dict[str, Any]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": 6, "content": "[en]", **plain, **fields}


LARGE = {
    "an id of the vocabulary": document(model={"type": "WordLevel", "vocab": {**VOCAB, "c": 400_000_000}}),
    "an id of an added token": document(added_tokens=[token(id=400_000_000)]),
    "an id that is no number": document(added_tokens=[token(id="6x")]),
    "a long replacement": normal({**REPLACE, "content": "a" * 1_000_000}),
    "doubling": normal(*[REPLACE] * 40),
    "doubling between characters": normal(*[regex("(?=a)")] * 40),
    "bytes of bytes": normal(*[{"type": "ByteLevel"}] * 40),
    "a long prefix": normal({"type": "Prepend", "prepend": "a" * 1_000_000}),
    "many parts": normal(*[{"type": "NFC"}] * 10_000),
    "a long decoded text": document(decoder={**REPLACE, "content": "a" * 1_000_000}),
    "a word of any length": document(
        model={"type": "WordPiece", "vocab": VOCAB, "unk_token": "[UNK]", "max_input_chars_per_word": 10**9}
    ),
    "many special tokens": document(
        post_processor={
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": n, "type_id": 0}} for n in "AB"]
            + [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 1000,
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}},
        }
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_growth(name: str, tmp_path: Path) -> None:
    write_json(tmp_path / "tokenizer.json", LARGE[name])
    with pytest.raises(CheckpointError, match=r"tokenizer\.json") as caught:
        load_tokenizer(tmp_path)
    assert len(str(caught.value)) < 600


USUAL = {
    "spaces": normal(regex(" {2,}", " "), {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
    "ends": normal(regex(r"^\s+|\s+$", ""), {"type": "Prepend", "prepend": "▁"}, {"type": "NFKC"}),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_normalisers_are_read(name: str, tmp_path: Path) -> None:
    write_json(tmp_path / "tokenizer.json", USUAL[name])
    assert load_tokenizer(tmp_path)("a")["input_ids"].shape[0] == 1


WRONG = {
    "tokenizer.json": [
        document(added_tokens={"a": 1}),
        document(added_tokens=[token(content=7)]),
        document(added_tokens=[token(lstrip="yes")]),
        document(added_tokens=["a"]),
        document(model=7),
        document(model={"type": "WordLevel", "vocab": {"a": "b"}}),
        document(model={"type": "WordLevel", "vocab": {"a": -1}}),
        document(normalizer=7),
        document(
            pre_tokenizer={"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}
        ),
        document(normalizer={"type": "Precompiled", "precompiled_charsmap": {"a": 1}}),
    ],
    "tokenizer_config.json": [
        {"tokenizer_class": 7},
        {"added_tokens_decoder": []},
        {"added_tokens_decoder": {"-5": {"content": "x"}}},
        {"added_tokens_decoder": {"9" * 5000: {"content": "x"}}},
        {"added_tokens_decoder": {"130": "x" * 100_000}},
        {"mask_token": 7},
        {"mask_token": {"content": "x", "normalized": 1}},
        {"additional_special_tokens": "abc"},
        {"additional_special_tokens": [7]},
        {"model_input_names": [7]},
        {"model_max_length": [5]},
        {"padding_side": 7},
    ],
    "special_tokens_map.json": [{"cls_token": []}, {"additional_special_tokens": {"a": 7}}],
    "added_tokens.json": [{"x": "y"}, {"x": None, "y": -1}, {"x": 10**30}, {"x": 400_000_000}, {"x": 1.5}],
}
CASES = [(name, content) for name, contents in WRONG.items() for content in contents]


@pytest.mark.parametrize(("name", "content"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_wrong_types(name: str, content: Any, tmp_path: Path) -> None:
    if name != "tokenizer.json":
        tiny.bert(tmp_path / "folder")
    folder = write_json(tmp_path / "folder" / name, content)
    with pytest.raises(ZooError, match=name.replace(".", r"\.")) as caught:
        load_tokenizer(folder)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"],
)
def test_texts_that_nothing_can_print_or_hold(name: str, tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "folder")
    for text in ('{"mask_token": "\\ud800"}', '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"x": NaN}', "\x00"):
        (folder / name).write_text(text)
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            load_tokenizer(folder)


def test_no_regular_file(tmp_path: Path) -> None:
    import os

    folder = tiny.bert(tmp_path / "folder")
    os.mkfifo(folder / "added_tokens.json")
    with pytest.raises(CheckpointError, match="not a regular file"):
        load_tokenizer(folder)


def test_controls_in_a_message_are_escaped(tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "folder")
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": {"900": {"content": "\x1b[31m\u202e"}}})
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(folder)
    assert "\\x1b[31m\\u202e" in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_pattern_that_never_ends(tmp_path: Path) -> None:
    """The library panics; whoever catches errors must be able to catch that."""
    split = {"type": "Split", "pattern": {"Regex": "(a|aa)+$b"}, "behavior": "Isolated", "invert": False}
    folder = write_json(tmp_path / "tokenizer.json", document(pre_tokenizer=split))
    tokenizer = load_tokenizer(folder)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json.*retry"):
        tokenizer("a" * 60 + "c")
    assert tokenizer("a")["input_ids"].shape[0] == 1


def test_memory_of_a_large_id(tmp_path: Path) -> None:
    """In a process of its own, which may take 2 GB of addresses."""
    write_json(tmp_path / "tokenizer.json", LARGE["an id of the vocabulary"])
    code = f"""
import resource
from pathlib import Path
from zoo.tokenization import load_tokenizer
from zoo.tokenization.bounds import longest
from zoo.tokenization.unigram import model_of
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    load_tokenizer(Path({str(tmp_path)!r}))
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "CheckpointError", done.stderr


@pytest.mark.parametrize(
    ("merges", "words"),
    [("a", "Line 1"), ("#version: 0.2\na b c", "Line 2"), ("zz zz", "cannot be used"), (None, "merges")],
)
def test_damaged_merges(merges: str | None, words: str, tmp_path: Path) -> None:
    folder = tiny.roberta(tmp_path / "folder")
    (folder / "merges.txt").unlink()
    if merges is not None:
        (folder / "merges.txt").write_text(merges)
    with pytest.raises(CheckpointError, match=words):
        load_tokenizer(folder)


@pytest.mark.parametrize("vocab", [{"a": "b"}, {"a": 400_000_000}, {"<s>": -1}, ["a"], {"a": 0}])
def test_damaged_vocab_json(vocab: Any, tmp_path: Path) -> None:
    folder = tiny.roberta(tmp_path / "folder")
    write_json(folder / "vocab.json", vocab)
    with pytest.raises(CheckpointError):
        load_tokenizer(folder)


def test_carriage_returns(tmp_path: Path) -> None:
    """What git makes of text files on Windows."""
    folder = tiny.bert(tmp_path / "folder")
    wanted = load_tokenizer(folder)("hello world")["input_ids"].tolist()
    (folder / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes().replace(b"\n", b"\r\n"))
    assert load_tokenizer(folder)("hello world")["input_ids"].tolist() == wanted
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"]


def test_a_sentencepiece_model_that_multiplies_text(tmp_path: Path) -> None:
    """Its table makes 100,000 letters of one."""
    document = json.loads((tiny.xlmr_document(tmp_path / "json") / "tokenizer.json").read_text("utf-8"))
    charmap = base64.b64decode(document["normalizer"]["precompiled_charsmap"]) + b"x" * 100_000 + b"\0"
    document["normalizer"]["precompiled_charsmap"] = base64.b64encode(charmap).decode()
    model = model_of(document)
    assert model is not None and longest(charmap) == 100_000
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model)
    with pytest.raises(CheckpointError, match=r"sentencepiece\.bpe\.model.*100,000"):
        load_tokenizer(tmp_path)
    write_json(tmp_path / "json" / "tokenizer.json", document)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json.*100,000"):
        load_tokenizer(tmp_path / "json")


def test_what_was_checked_is_what_is_read(tmp_path: Path) -> None:
    """A part that comes twice could be two things for two readers."""
    text = json.dumps(document(normalizer={"type": "Lowercase"}))
    twice = text.replace(
        '"normalizer"', f'"normalizer": {json.dumps({**REPLACE, "content": "a" * 10_000})}, "normalizer"'
    )
    (tmp_path / "tokenizer.json").write_text(twice, "utf-8")
    assert load_tokenizer(tmp_path).tokenize("A") == ["a"]

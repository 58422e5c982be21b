"""Ids, offsets and token types are those of transformers 5, whatever it saved, with and without older files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tokenization import tiny
from tests.tokenization.tiny import ADDED, LINES, write_json
from zoo.tokenization import Tokenizer, load_tokenizer

pytestmark = pytest.mark.torch
transformers = pytest.importorskip("transformers")

MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bert": (tiny.bert, "BertTokenizer"),
    "bert cased": (lambda folder: tiny.bert(folder, lower=False), "BertTokenizer"),
    "funnel": (tiny.funnel, "FunnelTokenizer"),
    "xlmr": (tiny.xlmr, "XLMRobertaTokenizer"),
    "roberta": (tiny.roberta, "RobertaTokenizer"),
    "roberta prefix": (lambda folder: tiny.roberta(folder, prefix=True), "RobertaTokenizer"),
}


def check(ours: Tokenizer, theirs: Any) -> None:
    """Compares single texts, pairs and decoded texts.

    A piece that is a space alone covers no character here, and the first one of the next word there.
    """
    assert ours.vocab_size == len(theirs)
    for pair in (None, LINES[::-1]):
        given = (LINES,) if pair is None else (LINES, pair)
        wanted = theirs(*given, return_offsets_mapping=True, return_token_type_ids=True)
        got = ours(LINES, pair, return_offsets=True, padding=False, truncation=False)
        for n, ids in enumerate(wanted["input_ids"]):
            assert got["input_ids"][n].tolist() == ids, LINES[n]
            pieces = theirs.convert_ids_to_tokens(ids)
            spans = zip(pieces, got["offsets"][n].tolist(), wanted["offset_mapping"][n], strict=True)
            assert [s for s in spans if s[0] != "▁" and s[1] != [*s[2]]] == [], LINES[n]
            types = got["token_type_ids"][n].tolist() if "token_type_ids" in got else [0] * len(ids)
            assert types == wanted["token_type_ids"][n]


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any]:
    """The folder of a small tokenizer, and what transformers reads from it."""
    make, name = MAKERS[request.param]
    folder = make(tmp_path / "plain")
    return folder, getattr(transformers, name).from_pretrained(folder)


def test_vocabulary_alone(made: tuple[Path, Any]) -> None:
    check(load_tokenizer(made[0]), made[1])


def test_saved_with_added_tokens(made: tuple[Path, Any], tmp_path: Path) -> None:
    """tokenizer.json alone, and beside the older files of the folder that it was read from."""
    folder, theirs = made
    theirs.add_tokens([token.token for token in ADDED])
    saved = tmp_path / "saved"
    theirs.save_pretrained(saved)
    assert "added_tokens_decoder" not in json.loads((saved / "tokenizer_config.json").read_text("utf-8"))
    again = transformers.AutoTokenizer.from_pretrained(saved)
    check(load_tokenizer(saved), again)
    for file in folder.iterdir():
        if file.name != "tokenizer_config.json":
            shutil.copyfile(file, saved / file.name)
    for kind in (None, "wordpiece", "sentencepiece"):
        check(load_tokenizer(saved, kind), again)


def test_added_tokens_decoder(made: tuple[Path, Any], tmp_path: Path) -> None:
    """The form of transformers 4's slow tokenizers."""
    folder, theirs = made
    theirs.add_tokens([token.token for token in ADDED])
    decoder = {str(i): json.loads(json.dumps(t.__getstate__())) for i, t in theirs.added_tokens_decoder.items()}
    saved = Path(shutil.copytree(folder, tmp_path / "saved"))
    file = saved / "tokenizer_config.json"
    options = json.loads(file.read_text("utf-8")) if file.exists() else {"tokenizer_class": type(theirs).__name__}
    write_json(file, {**options, "added_tokens_decoder": decoder})
    check(load_tokenizer(saved), transformers.AutoTokenizer.from_pretrained(saved))


def test_added_tokens_json(made: tuple[Path, Any], tmp_path: Path) -> None:
    """The form before that: ids in one file, flags of special tokens in another."""
    folder, theirs = made
    size, mask = len(theirs), theirs.mask_token
    saved = Path(shutil.copytree(folder, tmp_path / "saved"))
    write_json(saved / "added_tokens.json", {"[en]": size, "Plain": size + 1, "tágs": size + 2})
    plain = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    roles = {"additional_special_tokens": ["[en]"], "mask_token": {**plain, "content": mask, "lstrip": True}}
    write_json(saved / "special_tokens_map.json", roles)
    file = saved / "tokenizer_config.json"
    if not file.exists():
        write_json(file, {"tokenizer_class": type(theirs).__name__})
    again = transformers.AutoTokenizer.from_pretrained(saved)
    assert again.added_tokens_decoder[again.mask_token_id].lstrip
    check(load_tokenizer(saved), again)


@pytest.mark.parametrize("prefix", [True, False])
def test_add_prefix_space_of_the_options_wins(prefix: bool, tmp_path: Path) -> None:
    theirs = transformers.RobertaTokenizer.from_pretrained(tiny.roberta(tmp_path / "plain", not prefix))
    theirs.save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "tokenizer_config.json"
    write_json(file, {**json.loads(file.read_text("utf-8")), "add_prefix_space": prefix})
    ours, again = load_tokenizer(file.parent), transformers.AutoTokenizer.from_pretrained(file.parent)
    assert again.add_prefix_space is prefix
    check(ours, again)
    words = ours(["hello", "world", ","], is_split_into_words=True, return_offsets=True)
    assert words["offsets"][0].tolist()[1:-1][-1] == [0, 1] and 2 in words["word_ids"][0].tolist()


def test_do_lower_case_of_the_options_wins(tmp_path: Path) -> None:
    theirs = transformers.BertTokenizer.from_pretrained(tiny.bert(tmp_path / "plain", lower=False))
    theirs.save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "tokenizer_config.json"
    write_json(file, {**json.loads(file.read_text("utf-8")), "do_lower_case": True, "strip_accents": False})
    check(load_tokenizer(file.parent), transformers.AutoTokenizer.from_pretrained(file.parent))


def test_a_generic_class_is_taken_as_it_is(tmp_path: Path) -> None:
    inner = transformers.BertTokenizer.from_pretrained(tiny.bert(tmp_path / "plain", lower=False))._tokenizer
    roles = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **roles)
    theirs.add_tokens([token.token for token in ADDED])
    theirs.save_pretrained(tmp_path / "saved")
    shutil.copyfile(tmp_path / "plain" / "vocab.txt", tmp_path / "saved" / "vocab.txt")
    check(load_tokenizer(tmp_path / "saved"), transformers.AutoTokenizer.from_pretrained(tmp_path / "saved"))


def test_another_vocabulary_beside_the_old_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A tokenizer that was trained anew and saved into the folder of the old one."""
    old = transformers.BertTokenizer.from_pretrained(tiny.bert(tmp_path / "plain"))
    new = old.train_new_from_iterator(["other words entirely, nothing of before"] * 9, 60, show_progress=False)
    new.save_pretrained(tmp_path / "plain")
    with caplog.at_level("WARNING", "zoo"):
        ours = load_tokenizer(tmp_path / "plain", "wordpiece")
    assert "tokenizer.json has other tokens or rules than vocab.txt" in caplog.text
    check(ours, transformers.AutoTokenizer.from_pretrained(tmp_path / "plain"))


def test_decoding_leaves_special_added_tokens_out(tmp_path: Path) -> None:
    theirs = transformers.BertTokenizer.from_pretrained(tiny.bert(tmp_path / "plain"))
    theirs.add_tokens([token.token for token in ADDED])
    theirs.save_pretrained(tmp_path / "saved")
    ours = load_tokenizer(tmp_path / "saved")
    ids = ours("hello [en] tag")["input_ids"][0]
    assert ours.decode(ids) == theirs.decode(ids.tolist(), skip_special_tokens=True) == "hello tag"
    assert "[en]" in ours.decode(ids, skip_special_tokens=False)


def test_model_input_names(tmp_path: Path) -> None:
    """A tokenizer of BERT's rules whose network is given no token types."""
    folder = tiny.bert(tmp_path / "plain")
    names = {"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", "attention_mask"]}
    write_json(folder / "tokenizer_config.json", names)
    assert "token_type_ids" not in transformers.AutoTokenizer.from_pretrained(folder)("a", "b")
    assert "token_type_ids" not in load_tokenizer(folder)("a", "b")

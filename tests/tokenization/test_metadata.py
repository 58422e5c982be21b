"""What the files beside a vocabulary say counts: classes, options, added tokens and their flags."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from tests.tokenization import tiny
from tests.tokenization.tiny import write_json
from zoo.errors import CheckpointError, NotYetError
from zoo.tokenization import load_tokenizer
from zoo.tokenization.added import AddedToken
from zoo.tokenization.classes import RULES_BY_CLASS
from zoo.tokenization.sentence import SentencePiece

NEW = (
    AddedToken("[e1]", special=True, normalized=False),
    AddedToken("éx"),
    AddedToken("Raw", normalized=False),
    AddedToken("solo", single_word=True),
    AddedToken("<l>", lstrip=True, normalized=False),
    AddedToken("<r>", rstrip=True, normalized=False),
)
# What a text spells, and the added tokens in it with the characters they cover.
SPELLED = [
    ("the [e1] cat", [("[e1]", (4, 8))]),
    ("ÉX EX", [("éx", (0, 2)), ("éx", (3, 5))]),
    ("Raw raw", [("Raw", (0, 3))]),
    ("solo solos xsolo", [("solo", (0, 4))]),
    ("a  <l> b", [("<l>", (1, 6))]),
    ("a <r>  b", [("<r>", (2, 7))]),
]


def spelled(tokenizer: Any, text: str) -> list[tuple[str, tuple[int, ...]]]:
    batch = tokenizer(text, return_offsets=True)
    pieces = tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
    names = {token.content for token in NEW}
    return [(p, tuple(s)) for p, s in zip(pieces, batch["offsets"][0].tolist(), strict=True) if p in names]


@pytest.fixture
def old_vocabulary(tmp_path: Path) -> Path:
    """vocab.txt with a tokenizer.json beside it, which alone has the added tokens."""
    return tiny.with_document(tiny.bert(tmp_path / "folder"), NEW)


def test_tokens_that_only_tokenizer_json_adds(old_vocabulary: Path) -> None:
    tokenizer = load_tokenizer(old_vocabulary)
    size = len((old_vocabulary / "vocab.txt").read_text("utf-8").splitlines())
    assert tokenizer.convert_tokens_to_ids([t.content for t in NEW]) == [*range(size, size + len(NEW))]
    assert [spelled(tokenizer, text) for text, _ in SPELLED] == [wanted for _, wanted in SPELLED]
    assert tokenizer.convert_tokens_to_ids("[e1]") in tokenizer.all_special_ids
    assert tokenizer.convert_tokens_to_ids("Raw") not in tokenizer.all_special_ids
    assert tokenizer.decode(tokenizer("[e1] Raw the")["input_ids"][0]) == "Raw the"


def test_the_same_beside_a_sentencepiece_model(tmp_path: Path) -> None:
    folder = tiny.xlmr(tmp_path / "folder")
    plain = load_tokenizer(folder)
    vocab = [[piece, -1.0] for piece in plain.engine.tokens]
    added = [{"id": plain.vocab_size + n, **tiny.flags(token)} for n, token in enumerate(NEW)]
    write_json(folder / "tokenizer.json", {"added_tokens": added, "model": {"type": "Unigram", "vocab": vocab}})
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer.engine, SentencePiece) and tokenizer.vocab_size == plain.vocab_size + len(NEW)
    wanted = [w for t, w in SPELLED if "É" not in t]  # nothing strips accents here
    assert [spelled(tokenizer, text) for text, _ in SPELLED if "É" not in text] == wanted
    assert spelled(tokenizer, "éx e\u0301x") == [("éx", (0, 2)), ("éx", (3, 6))]
    assert tokenizer("the cat")["input_ids"].tolist() == plain("the cat")["input_ids"].tolist()


@pytest.mark.parametrize("make", [tiny.bert, tiny.xlmr, tiny.roberta])
@pytest.mark.parametrize("form", ["added_tokens_decoder", "added_tokens.json"])
def test_every_form_and_engine(make: Any, form: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "folder")
    size = load_tokenizer(folder).vocab_size
    ids = {token.content: size + n for n, token in enumerate(NEW)}
    if form == "added_tokens.json":  # without flags: special ones are listed elsewhere, others are normalised
        write_json(folder / form, ids)
        write_json(folder / "special_tokens_map.json", {"additional_special_tokens": ["[e1]"]})
    else:
        file = folder / "tokenizer_config.json"
        options = json.loads(file.read_text("utf-8")) if file.exists() else {}
        write_json(file, {**options, form: {ids[t.content]: tiny.flags(t) for t in NEW}})
    tokenizer = load_tokenizer(folder)
    assert spelled(tokenizer, "the [e1] cat") == [("[e1]", (4, 8))]
    assert tokenizer.convert_tokens_to_ids("[e1]") in tokenizer.all_special_ids
    assert tokenizer.convert_tokens_to_ids("solo") not in tokenizer.all_special_ids
    alone = form == "added_tokens_decoder"
    assert len(spelled(tokenizer, "solo xsolo")) == (1 if alone else 2)
    taken = alone and make is not tiny.roberta  # whose offsets are without spaces in any case
    assert spelled(tokenizer, "a  <l> b") == [("<l>", (1, 6) if taken else (3, 6))]


def test_added_characters_that_the_engine_would_replace(tmp_path: Path) -> None:
    """Letters for which BERT's rules and the library's differ have stand-ins, but not within added tokens."""
    folder = tiny.bert(tmp_path / "folder")
    size = load_tokenizer(folder).vocab_size
    tokens = ["\ue000mark", "😀", "ΣΑΣ"]
    decoder = {size + n: {"content": token, "normalized": False} for n, token in enumerate(tokens)}
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": decoder})
    ids = load_tokenizer(folder)("the \ue000mark 😀 ΣΑΣ")["input_ids"][0].tolist()
    assert ids[-4:-1] == [size, size + 1, size + 2]


REFUSED = [
    ({"tokenizer_class": "BertJapaneseTokenizer"}, "BertJapaneseTokenizer"),
    ({"tokenizer_class": "BertJapaneseTokenizerFast", "word_tokenizer_type": "mecab"}, "BertJapaneseTokenizerFast"),
    ({"tokenizer_class": "BertTokenizer", "word_tokenizer_type": "mecab"}, "word_tokenizer_type='mecab'"),
    ({"word_tokenizer_type": "sudachi"}, "word_tokenizer_type='sudachi'"),
    ({"subword_tokenizer_type": "character"}, "subword_tokenizer_type='character'"),
    ({"tokenizer_class": "PhobertTokenizer"}, "PhobertTokenizer"),
    ({"tokenizer_class": "T5Tokenizer"}, "T5Tokenizer"),
    ({"tokenizer_class": "\x1b[31m" + "x" * 500}, "not implemented"),
    ({"split_special_tokens": True}, "split_special_tokens=True"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_is_not_implemented_is_named(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "folder")
    write_json(folder / "tokenizer_config.json", options)
    with pytest.raises(NotYetError, match="not implemented") as caught:
        load_tokenizer(folder)
    assert words in str(caught.value) and "\x1b" not in str(caught.value)
    (folder / "tokenizer_config.json").unlink()
    write_json(folder / "config.json", options)
    if options.get("tokenizer_class", "BertTokenizer") != "BertTokenizer":  # the place where older folders have it
        with pytest.raises(NotYetError, match="not implemented"):
            load_tokenizer(folder)


@pytest.mark.parametrize("side", ["padding_side", "truncation_side"])
def test_sides_that_are_not_implemented_are_said(
    side: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny.bert(tmp_path / "folder")
    write_json(folder / "tokenizer_config.json", {side: "left"})
    with caplog.at_level("WARNING", "zoo"):
        load_tokenizer(folder)
    assert f"{side}='left'" in caplog.text


@pytest.mark.parametrize("ending", ["", "Fast"])
def test_every_class_of_the_list(ending: str, tmp_path: Path) -> None:
    for name, rules in RULES_BY_CLASS.items():
        make = {"sentencepiece": tiny.xlmr, "bytes": tiny.roberta}.get(rules.kind, tiny.bert)
        folder = (tiny.funnel if name.startswith("Funnel") else make)(tmp_path / (name + ending))
        if rules.alone:
            tiny.with_document(folder, NEW)
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": name + ending})
        tokenizer = load_tokenizer(folder)
        assert tokenizer("the cat")["input_ids"].shape[1] > 3, name
        if rules.layout:
            assert tokenizer.layout == rules.layout, name


def test_the_files_decide_where_no_class_is_named(tmp_path: Path) -> None:
    """Whatever the family usually has."""
    pieces, words, letters = tiny.xlmr(tmp_path / "a"), tiny.bert(tmp_path / "b"), tiny.roberta(tmp_path / "c")
    for folder in (words, letters):
        (folder / "tokenizer_config.json").unlink()
    for kind in ("wordpiece", "sentencepiece", "bytes", None):
        assert isinstance(load_tokenizer(pieces, kind).engine, SentencePiece)
        assert load_tokenizer(words, kind)("a", "b")["token_type_ids"].numpy().any()
        assert "Ġ" in "".join(load_tokenizer(letters, kind).tokenize("the cat"))


def test_the_class_decides_between_two_files(tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "folder")
    tiny.xlmr(tmp_path / "model")
    shutil.copyfile(tmp_path / "model" / "sentencepiece.bpe.model", folder / "sentencepiece.bpe.model")
    assert load_tokenizer(folder, "sentencepiece").cls_token_id == load_tokenizer(folder).engine.vocab["[CLS]"]
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizerFast"})
    assert isinstance(load_tokenizer(folder, "wordpiece").engine, SentencePiece)


def test_xlmr_rules_that_the_model_does_not_know(tmp_path: Path) -> None:
    """A tokenizer.json with further rules is not taken for XLM-R's own."""
    folder = tiny.xlmr(tmp_path / "folder")
    (folder / "sentencepiece.bpe.model").rename(tmp_path / "model")
    vocab = [["<s>", 0], ["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -2], ["a", -3], ["A", -3], ["<mask>", 0]]
    charmap = {"type": "Precompiled", "precompiled_charsmap": ""}
    document = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab},
    }
    write_json(folder / "tokenizer.json", document)
    assert load_tokenizer(folder).tokenize("A") == ["▁", "a"]
    assert charmap  # its shape is the library's
    write_json(folder / "tokenizer_config.json", {"add_prefix_space": False})
    (tmp_path / "model").rename(folder / "sentencepiece.bpe.model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(NotYetError, match="add_prefix_space"):
        load_tokenizer(folder)


def test_a_gap_in_the_ids_is_an_error(tmp_path: Path) -> None:
    for number, make in enumerate((tiny.bert, tiny.xlmr, tiny.roberta)):
        folder = make(tmp_path / str(number))
        write_json(folder / "added_tokens.json", {"far": 5000})
        with pytest.raises(CheckpointError, match=r"far.*5000"):
            load_tokenizer(folder)


def test_numpy_needs_no_paddle(tmp_path: Path) -> None:
    import subprocess
    import sys

    folder = tiny.bert(tmp_path / "folder")
    code = f"""
import sys
from pathlib import Path
from zoo.tokenization import load_tokenizer
made = load_tokenizer(Path({str(folder)!r}))(["the cat", "the"], return_tensors="np")
made |= {{"rows": load_tokenizer(Path({str(folder)!r}))(["the cat", "the"], padding=False, return_tensors="np")}}
print("paddle" in sys.modules, type(made["input_ids"]).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "ndarray"]


def test_a_tokenizer_json_means_the_library_and_a_vocabulary_alone_means_bert(tmp_path: Path) -> None:
    """They differ on the last sigma of a word and on private-use characters."""
    alone = tiny.bert(tmp_path / "alone")
    (alone / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nα\nσ\nς\n##σ\n##ς\n", "utf-8")
    both = tiny.with_document(Path(shutil.copytree(alone, tmp_path / "both")), ())
    texts = ["ΑΣ", "ΑΣ ΑΣΣ Σ", "α\ue000σ", "α\U0002b820"]
    assert load_tokenizer(alone).tokenize("ΑΣ") == ["α", "##ς"]
    assert load_tokenizer(alone).tokenize("α\ue000σ") == ["[UNK]"]
    theirs = tokenizers.Tokenizer.from_file(str(both / "tokenizer.json"))
    ours = load_tokenizer(both)
    for text in texts:
        assert ours.tokenize(text) == theirs.encode(text, add_special_tokens=False).tokens
    assert ours.tokenize("ΑΣ") == ["α", "##σ"]

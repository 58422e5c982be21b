"""Which file is the truth, what other programs leave in them, and what damaged ones do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from zoo.errors import CheckpointError, UsageError, ZooError
from zoo.tokenization import Tokenizer, load_tokenizer
from zoo.tokenization.sentence import SentencePiece

VOCAB = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##s", "Hello"]) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text(VOCAB)
    return tmp_path


@pytest.fixture(scope="module")
def saved_xlmr(xlmr_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What transformers 5 saves of XLM-R: a tokenizer.json and no model."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("saved")
    transformers.XLMRobertaTokenizer.from_pretrained(xlmr_folder).save_pretrained(folder)
    assert not list(folder.glob("*.model"))
    return folder


def byte_level(folder: Path) -> tokenizers.Tokenizer:
    """A small RoBERTa: byte-level BPE with its own special tokens."""
    inner = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    inner.train_from_iterator(["hello world, hello there"] * 3, 300, show_progress=False, special_tokens=special)
    inner._tokenizer.post_processor = tokenizers.processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    inner.enable_truncation(5)
    inner.enable_padding(length=20)
    inner.save(str(folder / "tokenizer.json"))
    inner.no_truncation()
    inner.no_padding()
    return inner


def test_the_vocabulary_wins_over_tokenizer_json(folder: Path) -> None:
    inner = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=False)
    inner.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(folder).tokenize("Hello") == ["hello"]
    assert load_tokenizer(folder, "json").tokenize("Hello") == ["Hello"]
    (folder / "vocab.txt").unlink()
    assert load_tokenizer(folder, "wordpiece").tokenize("Hello") == ["Hello"]


def test_truncation_and_padding_of_tokenizer_json_are_reset(minilm_snapshot: Path, sample: list[str]) -> None:
    baked = json.loads((minilm_snapshot / "tokenizer.json").read_text("utf-8"))
    assert baked["truncation"]["max_length"] == 128 and baked["padding"]["strategy"] == {"Fixed": 128}
    as_json, as_vocab = load_tokenizer(minilm_snapshot, "json"), load_tokenizer(minilm_snapshot)
    assert as_json("word " * 300)["input_ids"].shape == (1, 302)
    assert as_json("word")["input_ids"].shape == (1, 3)
    assert as_json.max_length == as_vocab.max_length == 512
    texts = [t for t in sample if "Σ" not in t][:1500]
    a, b = (t(texts, texts[::-1], return_offsets=True) for t in (as_json, as_vocab))
    assert set(a) == set(b) and all((a[name] == b[name]).all() for name in a)


def test_byte_level_bpe(tmp_path: Path) -> None:
    inner = byte_level(tmp_path)
    roberta = load_tokenizer(tmp_path)
    batch = roberta("hello there", "wörld 😀", return_offsets=True)
    theirs = inner.encode("hello there", "wörld 😀")
    assert batch["input_ids"].tolist() == [theirs.ids]
    assert batch["offsets"].tolist() == [[list(pair) for pair in theirs.offsets]]
    assert "token_type_ids" not in batch
    assert roberta("a" * 50)["input_ids"].shape[1] > 20
    assert roberta.decode(batch["input_ids"][0]) == "hello there wörld 😀"
    words = roberta(["hello", "there", "."], is_split_into_words=True, return_offsets=True)
    assert words["input_ids"][0, 1:-1].tolist() == inner.encode(" hello there .", add_special_tokens=False).ids
    assert words["offsets"][0, 1].tolist() == [0, 5]


def test_a_tokenizer_json_of_xlmr_gets_the_original_ids(
    saved_xlmr: Path, xlmr: Tokenizer, sample: list[str]
) -> None:
    for kind in (None, "sentencepiece"):
        tokenizer = load_tokenizer(saved_xlmr, kind)
        assert isinstance(tokenizer.engine, SentencePiece)
        texts = [*sample, "ﾊﾟﾝ", "1㎏  a", "a <mask> b"]
        a, b = (t(texts, padding=False)["input_ids"] for t in (tokenizer, xlmr))
        assert all(x.tolist() == y.tolist() for x, y in zip(a, b, strict=True))
        assert tokenizer.engine.tokens == xlmr.engine.tokens


def test_camembert_numbers_its_pieces_otherwise(xlmr_folder: Path, tmp_path: Path) -> None:
    shutil.copyfile(xlmr_folder / "sentencepiece.bpe.model", tmp_path / "sentencepiece.bpe.model")
    (tmp_path / "config.json").write_text('{"model_type": "camembert"}')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path, "sentencepiece")


def test_added_tokens(folder: Path) -> None:
    decoder = {"5": {"content": "hello"}, "8": {"content": "[EN]", "special": True}, "9": {"content": "tag"}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))
    tokenizer = load_tokenizer(folder)
    assert tokenizer("hellos[EN]tag")["input_ids"].tolist() == [[2, 5, 1, 8, 9, 3]]
    assert tokenizer.vocab_size == 10
    decoder["20"] = {"content": "far"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))
    with pytest.raises(CheckpointError, match="far"):
        load_tokenizer(folder)


def test_names_of_special_tokens_come_from_the_files(folder: Path) -> None:
    (folder / "vocab.txt").write_text(VOCAB.replace("[CLS]", "<cls>"))
    (folder / "special_tokens_map.json").write_text('{"cls_token": {"content": "<cls>"}, "pad_token": "[PAD]"}')
    tokenizer = load_tokenizer(folder)
    assert tokenizer.cls_token_id == 2
    assert tokenizer("hello")["input_ids"].tolist() == [[2, 5, 3]]


@pytest.mark.parametrize("missing", ["[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_token_of_the_layout(missing: str, folder: Path) -> None:
    (folder / "vocab.txt").write_text(VOCAB.replace(missing, "other"))
    with pytest.raises(CheckpointError, match=missing[1:-1]):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    ("limit", "expected"), [("512", 512), ("1e30", None), ("null", None), ("0", None), ('"512"', ZooError)]
)
def test_longest_row(limit: str, expected: Any, folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(f'{{"model_max_length": {limit}}}')
    if expected is ZooError:
        with pytest.raises(ZooError, match="model_max_length"):
            load_tokenizer(folder)
        return
    assert load_tokenizer(folder).max_length == expected
    assert load_tokenizer(folder, max_length=7).max_length == 7


def test_save_copies_what_it_was_built_from(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    target = tmp_path / "runs" / "saved"
    tokenizer = load_tokenizer(folder)
    tokenizer.save(target)
    tokenizer.save(folder)
    again = load_tokenizer(target)
    visible = sorted(p.name for p in target.iterdir() if not p.name.startswith("."))
    assert visible == ["tokenizer_config.json", "vocab.txt"]
    assert again("Hello hello")["input_ids"].tolist() == tokenizer("Hello hello")["input_ids"].tolist()


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        load_tokenizer(tmp_path)
    with pytest.raises(UsageError, match="letters"):
        load_tokenizer(tmp_path, "letters")
    with pytest.raises(CheckpointError, match="no tokenizer"):
        load_tokenizer(tmp_path / "nowhere")


DAMAGED = {
    "vocab.txt": [b"", b"\xff\xfe[PAD]\n", b"\0" * 100],
    "tokenizer.json": [b"", b"{}", b"[]", b'{"model": {"type": "Unigram", "vocab": [["<s>"]]}}', b"\xff"],
}
FIRST = '["<s>",0],["<pad>",0],["</s>",0],["<unk>",0]'
UNIGRAM = '{"version":"1.0","model":{"type":"Unigram","unk_id":3,"vocab":[' + FIRST + "%s]}%s}"
DAMAGED["tokenizer.json"] += [
    (UNIGRAM % (piece, normalizer)).encode()
    for piece in ("", ',["a",1e99]', ',["a","b"]', ",[1,2]", ',["\\ud800",0]')
    for normalizer in (
        ',"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}',
        ',"normalizer":{"type":"Precompiled","precompiled_charsmap":"//////////8="}',
        ',"normalizer":{"type":"Precompiled","precompiled_charsmap":7}',
    )
]


@pytest.mark.parametrize(("name", "content"), [(n, c) for n, contents in DAMAGED.items() for c in contents])
def test_damaged_files(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ZooError, match=name.replace(".", r"\.")):
        load_tokenizer(tmp_path)("hello wörld")


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b"9" * 5000])
def test_damaged_options(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    "options",
    [
        '{"added_tokens_decoder": {"5": {}}}',
        '{"added_tokens_decoder": {"5": {"content": 3}}}',
        '{"added_tokens_decoder": {"x": {"content": "a"}}}',
        '{"strip_accents": "no"}',
        '{"do_lower_case": "false"}',
        '{"model_max_length": []}',
    ],
)
def test_options_that_cannot_be(options: str, folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(options)
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json"):
        load_tokenizer(folder)

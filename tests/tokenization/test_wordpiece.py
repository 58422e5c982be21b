"""WordPiece against BERT's own rules, written again in `reference.py`, and against transformers."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import vocabularies
from tests.tokenization import reference
from zoo.errors import CheckpointError
from zoo.tokenization import Tokenizer, load_tokenizer

Published = Callable[[str], Tokenizer]
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MODELS = ("english", "chinese")
# What BERT and the library may see differently, glued together at random.
HARD = (
    "aZéÉİßΣςÅ\u0301\u0308\u0345 \t\n\r\0\x01\x1c\x7f\x85\xa0\xad\u200b\u200d\u2028\u3000\ufeff\ufffd"
    "'-._@中国㐀𠀀𫠠豈한ᄒ가ひﾊﾟ㎏ﬁ😀🏽\ue000\U000f0000\u0897\u1c89"
)
WORDS = st.lists(
    st.one_of(st.sampled_from([*HARD, *SPECIALS, "un", "##able", "ΑΣ"]), st.text(max_size=3)), max_size=25
)


def differing(tokenizer: Tokenizer, texts: list[str], lower: bool = True) -> list[str]:
    """Texts whose ids are not those of BERT's rules."""
    vocab = tokenizer.engine.vocab
    ours = tokenizer(texts, padding=False, truncation=False)["input_ids"]
    ids = [[vocab[p] for p in reference.tokenize(text, vocab, SPECIALS, lower)] for text in texts]
    return [text for text, a, b in zip(texts, ours, ids, strict=True) if a[1:-1].tolist() != b]


@pytest.mark.parametrize("model", MODELS)
def test_equals_berts_rules_on_lines_of_many_kinds(
    model: str, sample: list[str], request: pytest.FixtureRequest
) -> None:
    assert differing(request.getfixturevalue(model), sample) == []


def characters(step: int) -> list[str]:
    codes = [
        *range(0, 0x3000, max(step // 64, 1)),
        *range(0x3000, sys.maxunicode + 1, step),
        *range(0xE000, 0xE010),
    ]
    return [chr(code) for code in codes if not 0xD800 <= code < 0xE000]


@pytest.mark.parametrize("model", MODELS)
def test_equals_berts_rules_on_single_characters(model: str, request: pytest.FixtureRequest) -> None:
    texts = [f"a{char}b {char}" for char in characters(97)]
    assert differing(request.getfixturevalue(model), texts) == []


@pytest.mark.slow
@pytest.mark.parametrize("lower", [True, False])
def test_equals_berts_rules_on_all_of_unicode(lower: bool, tmp_path: Path) -> None:
    vocabularies.english(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(f'{{"do_lower_case": {str(lower).lower()}}}')
    texts = [f"a{char}b {char}" for char in characters(1)]
    assert len(texts) > 1_100_000
    assert differing(load_tokenizer(tmp_path), texts, lower) == []


@settings(max_examples=300, deadline=None)
@given(words=WORDS)
def test_equals_berts_rules_on_any_text(words: list[str], english: Tokenizer, chinese: Tokenizer) -> None:
    text = "".join(words)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert differing(english, [text]) == []
    assert differing(chinese, [text]) == []


@settings(max_examples=200, deadline=None)
@given(words=WORDS)
def test_offsets_are_characters_of_the_text(words: list[str], english: Tokenizer) -> None:
    text = "".join(words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    batch = english(text, return_offsets=True)
    tokens = english.convert_ids_to_tokens(batch["input_ids"][0])
    spans = batch["offsets"][0].tolist()
    last = 0
    for token, (start, stop) in list(zip(tokens, spans, strict=True))[1:-1]:
        assert last <= start < stop <= len(text)
        if token not in SPECIALS:
            read = "".join(reference.words(text[start:stop]))  # alone, a sigma is not the last letter of a word
            # A Hangul syllable is three letters to BERT, each with the syllable's offsets.
            assert token.removeprefix("##").replace("ς", "σ") in read.replace("ς", "σ")
        last = start


def test_longest_word(english: Tokenizer) -> None:
    assert english.tokenize("a" * 100) == reference.pieces("a" * 100, english.engine.vocab)
    assert len(english.tokenize("a" * 100)) > 1
    assert english.tokenize("a" * 101) == ["[UNK]"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("unaffable", ["una", "##ffa", "##ble"]),
        ("x[SEP]y [sep]", ["x", "[SEP]", "y", "[", "sep", "]"]),
        ("ΑΣ ΑΣΑ Σ", ["α", "##ς", "α", "##σ", "##α", "σ"]),
        ("a\ue000b", ["[UNK]"]),
        ("ça İ", ["ca", "i"]),
        ("", []),
        (" \u2028 ", []),
    ],
)
def test_examples(text: str, tokens: list[str], english: Tokenizer) -> None:
    assert english.tokenize(text) == tokens


def test_a_cased_model_keeps_case_and_accents(tmp_path: Path) -> None:
    vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nÇa\nça\nca\nΣ\n"
    (tmp_path / "vocab.txt").write_text(vocab, "utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "strip_accents": null}')
    cased = load_tokenizer(tmp_path)
    assert cased.tokenize("Ça ça ca Ca Σ") == ["Ça", "ça", "ca", "[UNK]", "Σ"]
    assert load_tokenizer(tmp_path, lower=True).tokenize("Ça") == ["Ça"], "the file wins over the family"


def test_a_line_separator_is_a_token_of_the_chinese_vocabulary(chinese: Tokenizer) -> None:
    last = chinese.vocab_size - 1
    assert chinese.convert_ids_to_tokens([last]) == ["##😎"]
    assert chinese.convert_tokens_to_ids("\u2028") == last - 1


@pytest.mark.torch
def test_equals_transformers_on_lines_of_many_kinds(
    minilm_snapshot: Path, sample: list[str], english: Tokenizer
) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertTokenizer.from_pretrained(minilm_snapshot)
    # Where the two are known to differ, BERT's rules decide (tested above).
    usual = [t for t in sample if not any(c in "Σ𫠠" or unicodedata.category(c) == "Co" for c in t)]
    ours = english(usual, usual[::-1], max_length=128, return_offsets=True, padding="max_length")
    other = theirs(
        usual, usual[::-1], max_length=128, truncation=True, padding="max_length",
        return_offsets_mapping=True, return_token_type_ids=True,
    )  # fmt: skip
    assert ours["input_ids"].tolist() == other["input_ids"]
    assert ours["token_type_ids"].tolist() == other["token_type_ids"]
    assert ours["attention_mask"].tolist() == other["attention_mask"]
    assert ours["offsets"].tolist() == [[list(pair) for pair in row] for row in other["offset_mapping"]]


def test_a_vocabulary_without_unknown_token(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(CheckpointError, match=r"\[UNK\]"):
        load_tokenizer(tmp_path)

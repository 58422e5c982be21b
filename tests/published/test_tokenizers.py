"""Published vocabularies: ids as fairseq's README has them, and whole corpora by the references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.texts import files, lines
from tests.tokenization.test_sentencepiece import library
from tests.tokenization.test_wordpiece import differing
from zoo.tokenization import Tokenizer

Loads = Callable[[str], Tokenizer]

# From fairseq's README of XLM-R.
GOLDEN = {
    "Hello world!": [0, 35378, 8999, 38, 2],
    "你好，世界": [0, 6, 124084, 4, 3221, 2],
    "नमस्ते दुनिया": [0, 68700, 97883, 29405, 2],
    "مرحبا بالعالم": [0, 665, 193478, 258, 1705, 77796, 2],
    "Bonjour le monde": [0, 84602, 95, 11146, 2],
}


def test_golden_ids_of_fairseq(tokenizer_of: Loads) -> None:
    xlmr = tokenizer_of("xlm-roberta-base")
    assert {text: xlmr(text)["input_ids"][0].tolist() for text in GOLDEN} == GOLDEN
    assert (xlmr.vocab_size, xlmr.mask_token_id) == (250002, 250001)


def test_equals_the_library_on_whole_corpora(data: Path, model_file: Path, tokenizer_of: Loads) -> None:
    xlmr, seen = tokenizer_of("xlm-roberta-base"), 0
    reference = library(model_file)
    for file in files(data):
        texts = lines(file)
        seen += len(texts)
        ours = xlmr(texts, padding=False, truncation=False)["input_ids"]
        assert [t for t, ids in zip(texts, ours, strict=True) if ids.tolist() != reference(t)] == [], file
    assert seen > 2_000_000


@pytest.mark.parametrize("model", ["bert-base-uncased", "bert-base-chinese"])
def test_equals_berts_rules_on_whole_corpora(model: str, data: Path, tokenizer_of: Loads) -> None:
    tokenizer, seen = tokenizer_of(model), 0
    for file in files(data):
        texts = [line[:3000] for line in lines(file)[:20000]]
        seen += len(texts)
        assert differing(tokenizer, texts) == [], file
    assert seen > 500_000


def test_ids_of_the_published_chinese_vocabulary(tokenizer_of: Loads) -> None:
    chinese = tokenizer_of("bert-base-chinese")
    assert chinese.vocab_size == 21128
    assert chinese.convert_tokens_to_ids("\u2028") == 343
    assert chinese.convert_ids_to_tokens([21127]) == ["##😎"]

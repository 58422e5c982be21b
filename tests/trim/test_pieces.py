"""Which pieces a text needs: with them nothing changes, bit by bit, whatever else is gone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
import sentencepiece

import zoo
from tests import vocabularies
from tests.texts import own
from tests.tokenization import tiny as tokenizers
from tests.trim.small import MAKERS, corpus, model, states, tensors, trim
from zoo.trim.__main__ import main
from zoo.trim.pieces import PieceRules


@pytest.mark.parametrize("maker", MAKERS)
def test_kept_texts_are_equal_bit_by_bit(maker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", MAKERS[maker])
    texts = [*tokenizers.LINES, *own()[:200]]
    texts = [text for text in texts if text.strip()]
    learned, held_out = texts[::2], texts[1::2]
    done = trim(source, tmp_path / "small", learned, [*held_out, *learned], capsys)
    assert done["pieces"]["after"] < done["pieces"]["before"]
    assert done["held_out"]["texts"] == len(texts) and done["held_out"]["kept"] >= len(learned)

    whole, small = zoo.load(source, task="mlm"), zoo.load(tmp_path / "small", task="mlm")
    kept = [whole.tokenizer.engine.vocab[token] for token in small.tokenizer.engine.tokens]
    assert kept == sorted(kept)
    old, new = (found.tokenizer(learned, return_tensors="np") for found in (whole, small))
    assert np.array_equal(np.array(kept)[new["input_ids"]], old["input_ids"])
    assert states(whole, learned[:16]).tobytes() == states(small, learned[:16]).tobytes()
    with paddle.no_grad():  # a kept piece keeps its score, too
        scores = [found(**found.tokenizer(learned[:4])).logits.numpy() for found in (whole, small)]
    assert np.allclose(scores[0][..., kept], scores[1], atol=1e-5)

    before, after = tensors(source), tensors(tmp_path / "small")
    cut = {"encoder.embeddings.word.weight", "mlm.bias"}
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert np.array_equal(array[kept] if name in cut else array, after[name]), name


def test_an_unknown_word_stays_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def vocabulary(folder: Path) -> Path:
        folder.mkdir()
        # "abc": "ab", then no "##c": unknown. Without "ab" it would be "a", "##bc".
        pieces = [*vocabularies.SPECIALS, "ab", "a", "##bc", "x", "y", "unused", "##unused"]
        (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
        return folder

    source = model(tmp_path / "whole", vocabulary)
    done = trim(source, tmp_path / "small", ["abc x", "a", "abc"], ["abc", "x abc"], capsys)
    assert done["held_out"]["kept"] == 2
    assert zoo.load(tmp_path / "small").tokenizer.tokenize("abc x") == ["[UNK]", "x"]
    # Where no text had "ab" on the way, the word is listed: the smaller vocabulary may read it otherwise.
    done = trim(source, tmp_path / "other", ["x", "y a"], ["abc", "x"], capsys)
    assert done["held_out"]["kept"] == 1
    assert json.loads((tmp_path / "other/uncovered.jsonl").read_text("utf-8"))["missing"] == ["ab"]


def test_characters_that_the_vocabulary_treats_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A private-use character of the vocabulary is dropped from a text; any other makes its word unknown."""

    def vocabulary(folder: Path) -> Path:
        folder.mkdir()
        pieces = [*vocabularies.SPECIALS, "a", "x", "unused", "##\ue000"]
        (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
        return folder

    source = model(tmp_path / "whole", vocabulary)
    assert zoo.load(source).tokenizer.tokenize("a\ue000") == ["a"]
    done = trim(source, tmp_path / "small", ["a", "x"], ["a\ue000"], capsys)
    assert done["held_out"]["kept"] == 1


def test_a_spelled_unknown_token_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = model(tmp_path / "whole", vocabularies.english)
    done = trim(source, tmp_path / "small", ["a film"], ["a [UNK] film"], capsys)
    assert done["held_out"]["kept"] == 1


def test_unknown_characters_keep_their_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the piece of the lowest score, an unknown Ω before "yz" would score better than "Ωy" before "z"."""

    def vocabulary(folder: Path) -> Path:
        tokenizers.xlmr_document(folder)
        document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        pieces = [["▁", -2.0], ["yz", -1.0], ["z", -25.0], ["Ωy", -15.0], ["worst", -40.0]]
        document["model"]["vocab"][4:-1] = pieces
        (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
        return folder

    source = model(tmp_path / "whole", vocabulary)
    done = trim(source, tmp_path / "small", ["yz", "Ωyz"], ["Ωyz"], capsys)
    assert done["held_out"]["kept"] == 1
    assert zoo.load(tmp_path / "small").tokenizer.tokenize("Ωyz") == ["▁", "Ωy", "z"]
    monkeypatch.setattr(PieceRules, "_of_the_rules", lambda self: ())
    words = ["--corpus", str(tmp_path / "small.txt"), "--held-out", str(tmp_path / "small.held.txt")]
    assert main([str(source), *words, "--out", str(tmp_path / "other")]) == 3
    assert "gets other ids" in capsys.readouterr().err


def test_a_model_of_merged_pieces_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def merged(folder: Path) -> Path:
        folder.mkdir()
        with (folder / "sentencepiece.bpe.model").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(tokenizers.LINES * 20),
                model_writer=file,
                vocab_size=90,
                model_type="bpe",
                minloglevel=2,
            )
        return folder

    source = model(tmp_path / "whole", merged)
    file = corpus(tmp_path / "corpus.txt", ["the cat"] * 10)
    assert main([str(source), "--corpus", str(file), "--out", str(tmp_path / "small")]) == 1
    assert "not unigram: its pieces are merged from others" in capsys.readouterr().err

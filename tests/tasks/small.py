"""A lower-casing WordPiece tokenizer of a few characters, for tests that need no published vocabulary."""

from __future__ import annotations

from pathlib import Path

from zoo.tokenization import Tokenizer, load_tokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
OTHERS = ".,:;!?-'\"()|在北京小明他是哪个大学年月日क"


def tokenizer(folder: Path) -> Tokenizer:
    """Every letter is a piece; others of OTHERS too; accents and vowel signs are stripped."""
    pieces = [*SPECIALS, *LETTERS, *(f"##{c}" for c in LETTERS), *OTHERS, *(f"##{c}" for c in OTHERS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', "utf-8")
    return load_tokenizer(folder, "wordpiece")

"""Builds BERT's WordPiece on the `tokenizers` library, and mends the characters on which it and BERT disagree.

A folder with a tokenizer.json means the library, as transformers reads it. A vocab.txt alone means BERT. The
library's tables are those of an old Unicode, it drops private-use characters, which BERT keeps, leaves some
ideographs of extension E uncut, and lower-cases every sigma alike. A text with such a character is then given a
stand-in for it, character by character so that offsets stay right, that the library treats as BERT treats the
original. Vocabularies do not hold these characters, and neither do they hold the stand-ins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from zoo.tokenization.added import AddedToken
from zoo.tokenization.fast import FastEngine, add_tokens

# Blocks with a character on which they disagree for any Unicode from 13 to 16; found by comparing all of Unicode.
DISPUTED_CHARACTERS = (
    "\u061d\u07fd\u0890-\u0897\u0898-\u089f\u08c8-\u08e2\u09fd-\u09fe\u0a76\u0afa-\u0aff\u0b55\u0c04\u0c3c\u0c77\u0c84"
    "\u0cf3\u0d00\u0d3b-\u0d3c\u0d81\u0eba\u0ece\u166d\u1734\u180f\u1885-\u1886\u1abf-\u1aff\u1b4e-\u1b4f\u1b7d-\u1b7f"
    "\u1c89-\u1c8a\u1df6-\u1dfb\u2e43-\u2e5d\ua7cb-\ua7dc\ua82c\ua8c5\ua8ff\ua9bd\ue000-\uf8ff"
    "\U00010000-\U0001efff\U0002b820-\U0002ceaf\U000e0000-\U0010ffff"
)
CAPITAL_SIGMA = "Σ"
# A character of one of these blocks stands in for others of its kind: runic letters, punctuation, ideographs.
LETTER_CODES, PUNCTUATION_CODES, IDEOGRAPH_CODES = (
    range(0x16A0, 0x16EB),
    range(0x2E18, 0x2E2F),
    range(0x20000, 0x2A6D7),
)
STRIPPED_ACCENT, REMOVED_CHARACTER = "\u0301", "\u200d"


class CharacterReplacer:
    """A replacer of the characters that the library gets wrong; see the top of the file.

    Args:
        vocab, whole: tokens, and those of them that a text may spell out; their characters stay as they are.
        lower, strip: as the tokenizer does it.
    """

    def __init__(self, vocab: Iterable[str], lower: bool, strip: bool, whole: Iterable[str] = ()) -> None:
        spelled = set().union(*whole)
        alphabet = spelled.union(*vocab)
        self._letter, self._sign, self._ideograph = (
            next(chr(code) for code in block if chr(code) not in alphabet)
            for block in (LETTER_CODES, PUNCTUATION_CODES, IDEOGRAPH_CODES)
        )
        self._alphabet, self._lower, self._strip = alphabet, lower and CAPITAL_SIGMA not in spelled, strip
        self._pattern = re.compile(f"[{DISPUTED_CHARACTERS}{CAPITAL_SIGMA if lower else ''}]")

    def __call__(self, text: str) -> str:
        """Gives a text of the same length."""
        if text.isascii() or not self._pattern.search(text):
            return text
        if self._lower and CAPITAL_SIGMA in text:
            text = _lower_sigmas(text)
        return self._pattern.sub(self._stand_in, text)

    def _stand_in(self, found: re.Match[str]) -> str:
        char = found.group()
        category = unicodedata.category(char)
        if char in self._alphabet:
            return char
        if _is_removed(char):
            return REMOVED_CHARACTER
        if category.startswith("P"):
            return self._sign
        if 0x2B820 <= ord(char) <= 0x2CEAF:
            return self._ideograph
        return STRIPPED_ACCENT if self._strip and category == "Mn" else self._letter


def _is_removed(char: str) -> bool:
    return char in "\0\ufffd" or (unicodedata.category(char) in ("Cc", "Cf") and char not in "\t\n\r")


def _lower_sigmas(text: str) -> str:
    """Lower-cases the sigmas alone: the last letter of a word has a form of its own."""
    # İ is the one letter whose lower case is longer than itself.
    kept = "".join(c for c in text if not _is_removed(c)).replace("İ", "I")
    lowered = iter([low for char, low in zip(kept, kept.lower(), strict=True) if char == CAPITAL_SIGMA])
    return "".join(next(lowered) if char == CAPITAL_SIGMA else char for char in text)


def wordpiece(
    vocab: dict[str, int],
    added: Sequence[AddedToken],
    file: Path,
    unk: str = "[UNK]",
    lower: bool = True,
    strip: bool | None = None,
    chinese: bool = True,
    as_bert: bool = True,
) -> FastEngine:
    """Builds BERT's rules over a vocabulary.

    Args:
        vocab: token -> id, line by line of vocab.txt.
        added: special and added tokens; kept whole where a text spells them.
        file: named in errors.
        unk: the token of what the vocabulary cannot spell.
        lower: lower-case.
        strip: remove accents; as `lower` says when None.
        chinese: cut around every ideograph.
        as_bert: BERT's rules also where the library's differ.

    Raises:
        CheckpointError: an added token would get another id than its file says.
    """
    inner = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=unk, max_input_chars_per_word=100))
    inner.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower
    )
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    add_tokens(inner, added)
    if not as_bert:
        return FastEngine(inner, file)
    whole = [token.content for token in added]
    return FastEngine(inner, file, CharacterReplacer(vocab, lower, lower if strip is None else strip, whole))

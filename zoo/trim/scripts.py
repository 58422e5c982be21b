"""Tells which characters a language is written with, by the names that Unicode gives them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from zoo.errors import UsageError
from zoo.files import quote

# How the names of a script's characters begin -> the languages that are written in it (ISO 639), as far as
# XLM-R's training data (arXiv 1911.02116, appendix A) and Tatoeba have them.
LANGUAGES = {
    (
        "LATIN",
        "COMBINING",
    ): "af az br bs ca cs cy da de en eo es et eu fi fr fy ga gd gl ha hr hu id is it jv ku "
    "la lt lv mg ms nb nl nn no om pl pt ro sk sl so sq sr su sv sw tl tr uz vi xh yo",
    ("CYRILLIC", "COMBINING"): "be bg kk ky mk mn ru sr tg uk uz",
    ("ARABIC",): "ar fa ku ps sd ug ur",
    ("CJK", "IDEOGRAPHIC"): "ja yue zh",
    ("HIRAGANA", "KATAKANA"): "ja",
    ("HANGUL",): "ko",
    ("DEVANAGARI",): "hi mr ne sa",
    ("BENGALI",): "as bn",
    ("GREEK", "COMBINING"): "el",
    ("HEBREW",): "he yi",
    ("ETHIOPIC",): "am ti",
    ("ARMENIAN",): "hy",
    ("GEORGIAN",): "ka",
    ("GUJARATI",): "gu",
    ("GURMUKHI",): "pa",
    ("KANNADA",): "kn",
    ("KHMER",): "km",
    ("LAO",): "lo",
    ("MALAYALAM",): "ml",
    ("MYANMAR",): "my",
    ("ORIYA",): "or",
    ("SINHALA",): "si",
    ("TAMIL",): "ta",
    ("TELUGU",): "te",
    ("THAI",): "th",
}
PUNCTUATION = ("P", "Sc")  # of every script, and signs of currencies: Unicode's categories


class Scripts:
    """The characters of some languages, and punctuation.

    Args:
        languages: their codes, such as "zh" and "en".

    Raises:
        UsageError: the code of a language is not known.

    Attributes:
        languages: their codes, each once.

    Example:
        >>> [Scripts(["ja"]).has(character) for character in "語あЖ、"]
        [True, True, False, True]
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self.languages = tuple(dict.fromkeys(languages))
        known = {code for codes in LANGUAGES.values() for code in codes.split()}
        if unknown := [code for code in self.languages if code not in known]:
            raise UsageError(
                f"The language {quote(unknown[0])} is not known here.",
                f"Leave it out, and its characters in the corpus stay. Known: {' '.join(sorted(known))}.",
            )
        self._names = tuple(_names(self.languages))

    def has(self, character: str) -> bool:
        """Tells whether a character belongs to the languages; nothing does to none."""
        if not self.languages:
            return False
        named = unicodedata.name(character, "").startswith(self._names)
        return named or unicodedata.category(character).startswith(PUNCTUATION)


def _names(languages: Collection[str]) -> Iterable[str]:
    for names, codes in LANGUAGES.items():
        if not set(codes.split()).isdisjoint(languages):
            yield from names

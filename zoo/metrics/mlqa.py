"""Cuts answers into words as MLQA's script mlqa_evaluation_v1.py does (Lewis et al. 2020), by their language.

Lower case, then punctuation goes, then the language's articles, then words are cut: Chinese characters one by one.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

from zoo.errors import InputError
from zoo.files import quote

# Hindi and Chinese have none. Of Arabic the two letters go wherever they stand, as the script has it.
ARTICLES = {
    "ar": re.compile("ال"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "en": re.compile(r"\b(a|an|the)\b"),
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
}
LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
CHINESE_CHARACTER = re.compile(r"([\u4e00-\u9fa5])")


def check(language: str) -> None:
    """Raises InputError for a language that MLQA has no rules for."""
    if language not in LANGUAGES:
        raise InputError(
            f"MLQA's metric has no rules for the language {quote(language)}.", f"One of {', '.join(LANGUAGES)}."
        )


def pieces(text: str, language: str) -> list[str]:
    """Gives the words of an answer that count."""
    kept = "".join(c for c in text.lower() if not _is_punctuation(c))
    if language in ARTICLES:
        kept = ARTICLES[language].sub(" ", kept)
    if language == "zh":
        kept = CHINESE_CHARACTER.sub(r" \1 ", kept)
    return kept.split()


@lru_cache(maxsize=4096)
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character)[0] == "P"

"""Cuts lower-case English text into words as NLTK's word_tokenize does (the Penn Treebank's rules).

Rules for signs that CMRC 2018's script takes out before it cuts words (dashes, colons, stars, curly double quotes)
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SPACES_AROUND = r" \g<0> "
TREEBANK_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Quotes that open.
        ("[«‘„]", SPACES_AROUND),
        ('^"', " `` "),
        (r"([ (\[{<])(?:\"|'')", r"\1 `` "),
        (r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
        # Punctuation; a full stop only at the end of a sentence.
        (r"(?<=[^.])\.(?=[\])}>\"'»” ]*\s*$)", SPACES_AROUND),
        (r",(\D)", r" , \1"),
        (",$", " , "),
        (r"\.{2,}", SPACES_AROUND),
        ("[;@#$%&\u2012-\u2015?!]", SPACES_AROUND),
        (r"(?<=[^'])'(?= )", " '"),
        (r"[\[\](){}<>]", SPACES_AROUND),
        ("^|$", " "),
        # Quotes that close, and what English contracts.
        ("»", SPACES_AROUND),
        ("''|\"", " '' "),
        (r"\s+", " "),
        (r"(?<=[^' ])'(?:s|m|d|) ", r" \g<0>"),
        (r"(?<=[^' ])(?:'ll|'re|'ve|n't) ", r" \g<0>"),
        (r"\b(can)(not)\b|\b(d)('ye)\b|\b(gim|lem)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(more)('n)\b", ""),
        (r"\b(wan)(na)(?=\s)", ""),
        (r" ('t)(is|was)\b", ""),
    )
)
# A full stop behind these ends no sentence; NLTK learns its list from newspapers. Initials and numbers are others.
ABBREVIATION_TEXT = """mr mrs ms dr prof st jr sr co corp inc ltd vs etc al no vol fig gen col gov rep sen rev hon
lt sgt capt dept est jan feb mar apr aug sept oct nov dec"""
ABBREVIATIONS = frozenset(ABBREVIATION_TEXT.split())
FULL_STOP = re.compile(r"(\S*?)\.[\"')\]}]*\s+(?=\S)")
INITIALS_PATTERN = re.compile(r"\w(?:\.\w)*")


def words(text: str) -> list[str]:
    """Gives the words and signs of a text; an English text in lower case is what the rules are for."""
    return [word for sentence in _sentences(text) for word in _words(sentence)]


def _words(sentence: str) -> list[str]:
    for pattern, replacement in TREEBANK_RULES:
        if replacement:
            sentence = pattern.sub(replacement, sentence)
        else:
            sentence = pattern.sub(lambda found: f" {' '.join(filter(None, found.groups()))} ", sentence)
    return sentence.split()


def _sentences(text: str) -> Iterator[str]:
    """Cuts behind a full stop and a space, except after abbreviations, initials, and numbers before a word."""
    begin = 0
    for found in FULL_STOP.finditer(text):
        word = found[1].lstrip("\"'([{<«‘„")
        number = word[:1].isdigit() and not text[found.end()].isdigit()
        if word and not (word.endswith(".") or number or word in ABBREVIATIONS or INITIALS_PATTERN.fullmatch(word)):
            yield text[begin : found.end()]
            begin = found.end()
    yield text[begin:]

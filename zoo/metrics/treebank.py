"""English words as NLTK's word_tokenize cuts them (the Penn Treebank's rules), of text in lower case.

Rules for signs that CMRC 2018's script takes out before it cuts words (dashes, colons, stars, curly double quotes)
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

APART = r" \g<0> "
RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Quotes that open.
        ("[«‘„]", APART),
        ('^"', " `` "),
        (r"([ (\[{<])(?:\"|'')", r"\1 `` "),
        (r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
        # Punctuation; a full stop only at the end of a sentence.
        (r"(?<=[^.])\.(?=[\])}>\"'»” ]*\s*$)", APART),
        (r",(\D)", r" , \1"),
        (",$", " , "),
        (r"\.{2,}", APART),
        ("[;@#$%&\u2012-\u2015?!]", APART),
        (r"(?<=[^'])'(?= )", " '"),
        (r"[\[\](){}<>]", APART),
        ("^|$", " "),
        # Quotes that close, and what English contracts.
        ("»", APART),
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
SHORT = """mr mrs ms dr prof st jr sr co corp inc ltd vs etc al no vol fig gen col gov rep sen rev hon lt sgt capt
dept est jan feb mar apr aug sept oct nov dec"""
ABBREVIATIONS = frozenset(SHORT.split())
STOP = re.compile(r"(\S*?)\.[\"')\]}]*\s+(?=\S)")
INITIALS = re.compile(r"\w(?:\.\w)*")


def words(text: str) -> list[str]:
    """Gives the words and signs of a text; an English text in lower case is what the rules are for."""
    return [word for sentence in _sentences(text) for word in _words(sentence)]


def _words(sentence: str) -> list[str]:
    for pattern, replacement in RULES:
        if replacement:
            sentence = pattern.sub(replacement, sentence)
        else:
            sentence = pattern.sub(lambda found: f" {' '.join(filter(None, found.groups()))} ", sentence)
    return sentence.split()


def _sentences(text: str) -> Iterator[str]:
    """Cuts behind a full stop and a space, except after abbreviations, initials, and numbers before a word."""
    begin = 0
    for found in STOP.finditer(text):
        word = found[1].lstrip("\"'([{<«‘„")
        number = word[:1].isdigit() and not text[found.end()].isdigit()
        if word and not (word.endswith(".") or number or word in ABBREVIATIONS or INITIALS.fullmatch(word)):
            yield text[begin : found.end()]
            begin = found.end()
    yield text[begin:]

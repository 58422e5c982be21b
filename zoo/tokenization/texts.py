"""Checks what is to be tokenized (text, lists of text, lists of words); errors name the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import InputError


def listed(text: object, words: bool) -> list[Any]:
    """Gives a list of texts, also from a single one."""
    if isinstance(text, str):
        return [text.split()] if words else [text]
    if not isinstance(text, Sequence) or isinstance(text, (bytes, bytearray)):
        raise InputError(f"A {type(text).__name__} is not a text.", "Give a str or a list of str.")
    return [text] if words and (not text or isinstance(text[0], str)) else list(text)


def check(texts: list[Any], words: bool) -> None:
    """Raises InputError for the first item that is not text."""
    for n, text in enumerate(texts):
        if words and (not isinstance(text, Sequence) or isinstance(text, (str, bytes))):
            raise InputError(f"Item {n} is a {type(text).__name__}, not a list of words.")
        for word in text if words else (text,):
            if not isinstance(word, str):
                raise InputError(f"Item {n} is {_name(word)}, not a text.", "Give a str for each item.")
            if not word.isascii():
                try:
                    word.encode()
                except UnicodeEncodeError as error:
                    raise InputError(
                        f"Item {n} has {word[error.start]!a} at character {error.start}: half of a surrogate pair, "
                        "which is not a character.",
                        "Replace it first: text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace').",
                    ) from None


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"

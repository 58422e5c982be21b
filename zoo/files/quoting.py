"""Quotes text from outside for a message: short, on one line, and without what a terminal obeys."""

from __future__ import annotations

from collections.abc import Collection

QUOTED_CHARACTERS = 80  # of a file's own text that a message repeats
_QUOTED_LEVELS = 4  # levels of a nested value that are looked at
_QUOTED_ITEMS = 8  # items of a level that are looked at
_BRACKETS = {dict: ("{", "}"), list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("{", "}")}


def quote(value: object, limit: int = QUOTED_CHARACTERS) -> str:
    """Gives a value as a message shows it: a text in single quotes, anything else as Python writes it.

    At most `limit` characters, whatever the value's size: a nested value is cut before it is written out. Control
    characters, marks that turn the direction of writing, and lone surrogates are escaped.

    >>> quote("a\\x1b[31m")
    "'a\\\\x1b[31m'"
    >>> quote("x" * 1000, 10)
    "'xxxxx...'"
    """
    if isinstance(value, str):
        return f"'{clean(value, max(1, limit - 2))}'"
    return clean(_short(value, limit, _QUOTED_LEVELS), limit)


def clean(text: str, limit: int = QUOTED_CHARACTERS) -> str:
    """Gives a text without quotes, cut to `limit` characters and escaped as `quote` does it."""
    made = text[: limit + 1]
    if not made.isprintable():
        made = "".join(map(_escape, made))
    return made if len(made) <= limit else made[: max(1, limit - 3)] + "..."


def printable(text: str) -> str:
    """Gives a text of any length as a terminal may show it: escaped as `quote` does it, with its line ends."""
    if text.isprintable():
        return text
    return "\n".join("".join(map(_escape, line)) for line in text.split("\n"))


def _escape(character: str) -> str:
    # Not printable: control and format characters, surrogates, private ones, spaces that are not the plain one.
    if character == "\u200d" or character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def _short(value: object, limit: int, depth: int) -> str:
    """Gives what `repr` would, without ever writing out more than is shown."""
    if isinstance(value, str | bytes):
        return repr(value[: limit + 1])
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 4 * limit else f"a number of {value.bit_length()} bits"
    opening, closing = next((b for kind, b in _BRACKETS.items() if type(value) is kind), ("", ""))
    if not opening or not isinstance(value, Collection):
        return f"<{type(value).__name__}>"
    if depth == 0:
        return f"{opening}...{closing}"
    pairs = value.items() if isinstance(value, dict) else ((item,) for item in value)
    parts: list[str] = []
    for n, pair in enumerate(pairs):
        if n == _QUOTED_ITEMS or sum(map(len, parts)) > limit:
            parts.append("...")
            break
        parts.append(": ".join(_short(part, limit, depth - 1) for part in pair))
    return f"{opening}{', '.join(parts)}{closing}"

"""What a user may give as an item: texts, pairs of texts, and answers to anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import InputError
from zoo.errors import whole as whole
from zoo.tasks.classification import TextExample
from zoo.tokenization.texts import check

TEXT, PAIR = "text", "text_pair"


def text_of(value: Any, what: str = "") -> str:
    """A text that has something to read.

    Args:
        what: what an error calls it, for items of several texts.

    Raises:
        InputError: it is no text, an empty one, or holds half of a surrogate pair.
    """
    try:
        check([value], False)
    except InputError as error:
        raise InputError(f"{what}{error.message.removeprefix('Item 0')}".strip(), error.hint) from None
    if not value.strip():
        raise InputError(f"{what} is empty.".strip(), "Leave it out, or give on_error='return'.")
    return value


def example_of(item: Any, pairs: bool) -> TextExample:
    """A text, or (with `pairs`) a pair of texts: a tuple of two, or a dict with text and text_pair.

    Raises:
        InputError: something else.
    """
    if isinstance(item, Mapping):
        first, second = fields_of(item, (TEXT,), (PAIR,)).values()
    elif isinstance(item, tuple):
        if len(item) != 2:
            raise InputError(f"is a tuple of {len(item)}, not a text.", "A pair of texts is a tuple of two.")
        first, second = item
    else:
        return TextExample("", text_of(item))
    if second is None:
        return TextExample("", text_of(first, TEXT))
    if not pairs:
        raise InputError("is a pair of texts.", "This pipeline takes single texts.")
    return TextExample("", text_of(first, TEXT), text_of(second, PAIR))


def fields_of(item: Mapping[str, Any], needed: tuple[str, ...], also: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a dict's keys, in this order; None for one of `also` that is not there.

    Raises:
        InputError: a key is missing, or one is unknown.
    """
    for name in needed:
        if name not in item:
            raise InputError(f"has no '{name}'; it has {', '.join(map(str, item)) or 'nothing'}.")
    for name in item:
        if name not in (*needed, *also):
            raise InputError(f"has '{name}', which is unknown.", f"Expected: {', '.join((*needed, *also))}.")
    return {name: item.get(name) for name in (*needed, *also)}


def both_of(item: Any, first: str, second: str) -> tuple[Any, Any]:
    """The two parts of an item: a dict with these keys, or a tuple of two.

    Raises:
        InputError: it is neither.
    """
    if isinstance(item, Mapping):
        return tuple(fields_of(item, (first, second)).values())  # type: ignore[return-value]
    if isinstance(item, tuple) and len(item) == 2:
        return item
    raise InputError(f"is {item!r:.60}.", f'Give {{"{first}": ..., "{second}": ...}}, or a tuple of the two.')

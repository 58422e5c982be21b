"""Reads tokens that were added to a vocabulary, with the flags that say where a text spells them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import tokenizers

from zoo.errors import CheckpointError
from zoo.files import Fields, quote

MOST_IDS = 1 << 22  # no vocabulary has so many tokens; a list of as many is still small
MOST_ADDED = 100_000  # tokens that files beside a vocabulary add


@dataclass(frozen=True)
class AddedToken:
    """A token that is kept whole where a text spells it.

    Attributes:
        content: what the text must spell.
        id: None for a token that has a place in the vocabulary or gets the next free one.
        special: left out when ids are decoded.
        normalized: looked for in the text after normalisation, itself normalised.
        single_word: only where no letter, digit or underscore stands beside it.
        lstrip, rstrip: takes the white space before it, after it, along.
    """

    content: str
    id: int | None = None
    special: bool = False
    normalized: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False

    @property
    def token(self) -> tokenizers.AddedToken:
        """Gives the token as the tokenizers library has it."""
        return tokenizers.AddedToken(
            self.content,
            single_word=self.single_word,
            lstrip=self.lstrip,
            rstrip=self.rstrip,
            normalized=self.normalized,
            special=self.special,
        )


def read_added(value: object, source: str, number: object = None, special: bool = False) -> AddedToken | None:
    """Reads a token: a text, or an object with its content and flags. Null and empty ones give None.

    Args:
        value: what the file has.
        source: what a message calls the place, such as "mask_token of 'a/tokenizer_config.json'".
        number: its id, where the file says it.
        special: what it is where the object does not say; such tokens are looked for before normalisation.

    Raises:
        CheckpointError: something else, or an id that cannot be.
    """
    if isinstance(value, str):
        value = {"content": value}
    if not isinstance(value, dict | None):
        raise CheckpointError(f"{source} is {quote(value)}; it must be a token.")
    fields = Fields(value or {}, source)
    content = fields.text("content", "")
    if value is not None and "content" not in fields:
        raise CheckpointError(f"{source} has no content: it must be a token.")
    if not content:
        return None
    is_special = fields.flag("special", special) or special
    return AddedToken(
        content,
        read_id(number, f"the token {quote(content)} in {source}"),
        is_special,
        fields.flag("normalized", not is_special),
        fields.flag("single_word", False),
        fields.flag("lstrip", False),
        fields.flag("rstrip", False),
    )


def read_id(number: object, source: str) -> int | None:
    """Reads an id, also one that is written as text.

    Raises:
        CheckpointError: no whole number, or one beyond every vocabulary.
    """
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 20:
        number = int(number)
    if number is not None and (type(number) is not int or not 0 <= number < MOST_IDS):
        raise CheckpointError(f"{source} has the id {quote(number)}; ids go from 0 to {MOST_IDS - 1:,}.")
    return number


def merge(lists: Iterable[Iterable[AddedToken | None]], roles: Collection[str]) -> list[AddedToken]:
    """Puts the tokens of several files together, in the order of their ids; those without one come last.

    Args:
        lists: of a token that comes twice the later one counts, with the earlier one's id where it has none.
        roles: tokens that have a role; they are special whatever their flags say.

    Raises:
        CheckpointError: there are more than any tokenizer has.
    """
    found: dict[str, AddedToken] = {}
    for token in (token for tokens in lists for token in tokens if token is not None):
        if len(found) >= MOST_ADDED:
            raise CheckpointError(f"The tokenizer's files add more than {MOST_ADDED:,} tokens, which none does.")
        before = found.get(token.content)
        number = before.id if token.id is None and before else token.id
        found[token.content] = replace(token, id=number, special=token.special or token.content in roles)
    return sorted(found.values(), key=lambda token: MOST_IDS if token.id is None else token.id)


def place(tokens: Iterable[AddedToken], vocab: Mapping[str, int], size: int) -> list[AddedToken]:
    """Gives every token its id: that of the vocabulary, or the next one behind it.

    Args:
        tokens: as `merge` orders them.
        vocab: token -> id.
        size: the first id that is free.

    Raises:
        CheckpointError: a token would get another id than its file says.
    """
    placed, following = [], size
    for token in tokens:
        number = vocab.get(token.content, following)
        if token.id not in (None, number):
            raise CheckpointError(
                f"The added token {quote(token.content)} has the id {token.id} and would get {number}.",
                "The ids of added tokens must follow the vocabulary without a gap.",
            )
        following += number == following
        placed.append(replace(token, id=number))
    return placed

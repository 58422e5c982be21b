"""Reads the small files beside a vocabulary: the class, its options, special and added tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import CheckpointError, NotYetError
from zoo.files import Fields, JsonObject, quote, read_object
from zoo.tokenization.added import AddedToken, merge, read_added
from zoo.tokenization.classes import ONLY_JSON, TokenizerRules, rules_of

log = logging.getLogger("zoo")

CONFIG_FILE, ROLES_FILE, ADDED_FILE = SETTINGS_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
TOKEN_ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")
EXTRA_TOKEN_KEYS = ("additional_special_tokens", "extra_special_tokens")
FLAG_KEYS = ("do_lower_case", "tokenize_chinese_chars", "strip_accents", "add_prefix_space", "trim_offsets")
MAX_VOCABULARY_BYTES = 128 << 20  # XLM-R's tokenizer.json has 17 million bytes
NO_LIMIT = 10**6  # "no limit" is written as 1e30
# Options that would make other ids, and the values that do not.
ALLOWED_VALUES: Mapping[str, tuple[object, ...]] = {
    "word_tokenizer_type": ("basic",),
    "subword_tokenizer_type": ("wordpiece",),
    "wordpieces_prefix": ("##",),
    "clean_text": (True,),
    "split_special_tokens": (False,),
}
SIDE_KEYS = ("padding_side", "truncation_side")


@dataclass(frozen=True)
class TokenizerSettings:
    """The facts about a tokenizer beside its vocabulary.

    Attributes:
        rules: of the class that the files name; None when they name none.
        named: role -> token, as the files name them.
        added: tokens with their ids and flags, from every file that has some.
        flags: of FLAG_KEYS those that tokenizer_config.json has.
        max_length: longest row; None for no limit.
        types: False where the files say that batches have no token types.
        only_json: the other files of this folder mean other ids.
        document: tokenizer.json; empty without one.
    """

    rules: TokenizerRules | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    added: tuple[AddedToken, ...] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)
    max_length: int | None = None
    types: bool = True
    only_json: bool = False
    document: JsonObject = field(default_factory=dict)


def read_settings(folder: Path) -> TokenizerSettings:
    """Reads the small files of a folder; none of them must be there.

    Raises:
        CheckpointError: a file is damaged.
        NotYetError: a class or an option that is not implemented.
    """
    options, special, added = (read_if_there(folder / name) for name in SETTINGS_FILES)
    document = read_if_there(folder / "tokenizer.json")
    fields = Fields(options, quote(str(folder / CONFIG_FILE), 200))
    config = Fields(read_if_there(folder / "config.json"), quote(str(folder / "config.json"), 200))
    rules = next(
        (rules_of(name, file.source) for file in (fields, config) if (name := file.text("tokenizer_class", ""))),
        None,
    )
    _check_options(fields)
    limit = fields.number("model_max_length", 0.0, -1e300, 1e300)
    names = fields.items("model_input_names", None, str)
    # Who writes added_tokens_decoder writes the roles beside it; an older special_tokens_map.json is out of date.
    decoder = fields.object("added_tokens_decoder", None)
    maps = [fields] if decoder is not None else [fields, Fields(special, quote(str(folder / ROLES_FILE), 200))]
    roles = [token for file in maps for token in _roles(file)]
    named = {role: token.content for role, token in roles}
    extra = [token for file in maps for token in _extra(file) if token]
    spelled = {*named.values(), *(token.content for token in extra)}
    lists = [
        (token for _, token in roles),
        extra,
        _numbered(added.items(), folder / ADDED_FILE, spelled),
        _of_document(document, folder / "tokenizer.json"),
        _decoded(decoder or {}, folder / CONFIG_FILE),
    ]
    return TokenizerSettings(
        rules,
        named,
        tuple(merge(lists, spelled)),
        {name: flag for name in FLAG_KEYS if (flag := fields.flag(name, None)) is not None},
        int(limit) if 0 < limit < NO_LIMIT else None,
        names is None or "token_type_ids" in names,
        config.content.get("model_type") in ONLY_JSON or bool(rules and rules.alone),
        document,
    )


def read_if_there(file: Path) -> JsonObject:
    """Reads a JSON object; empty where there is no such file.

    Raises:
        CheckpointError: the file is damaged.
    """
    return read_object(file, limit=MAX_VOCABULARY_BYTES) if file.exists() else {}


def _check_options(fields: Fields) -> None:
    for name, known in ALLOWED_VALUES.items():
        value = fields.content.get(name)
        if value is not None and value not in known:
            raise NotYetError(
                f"{fields.source} has {name}={quote(value)}, which is not implemented.",
                f"{name}={known[0]!r} is.",
            )
    for name in SIDE_KEYS:
        if fields.choice(name, "right", ("left", "right")) == "left":
            log.warning("%s has %s='left', which is not implemented: it is right here", fields.source, name)


def _roles(fields: Fields) -> Iterator[tuple[str, AddedToken]]:
    for role in TOKEN_ROLES:
        place = f"{role}_token of {fields.source}"
        if token := read_added(fields.content.get(f"{role}_token"), place, special=True):
            yield role, token


def _extra(fields: Fields) -> Iterator[AddedToken | None]:
    """Gives special tokens without a role of ours: of a list or an object, and further names ending in _token."""
    named = {f"{role}_token" for role in TOKEN_ROLES}
    for name, value in fields.content.items():
        if name in EXTRA_TOKEN_KEYS:
            values = list(value.values()) if isinstance(value, dict) else value or []
            if not isinstance(values, list):
                raise CheckpointError(f"{fields.source} has {name}={quote(value)}; it must be a list of tokens.")
            yield from (read_added(item, f"{name} of {fields.source}", special=True) for item in values)
        elif name.endswith("_token") and name not in named and isinstance(value, str):
            yield read_added(value, f"{name} of {fields.source}", special=True)


def _numbered(pairs: Iterable[tuple[str, object]], file: Path, special: set[str]) -> Iterator[AddedToken | None]:
    for content, number in pairs:
        yield read_added(content, quote(str(file), 200), number, content in special)


def _decoded(pairs: JsonObject, file: Path) -> Iterator[AddedToken | None]:
    for number, token in pairs.items():
        yield read_added(token, f"added_tokens_decoder of {quote(str(file), 200)}", number)


def _of_document(document: JsonObject, file: Path) -> Iterator[AddedToken | None]:
    fields = Fields(document, quote(str(file), 200))
    for token in fields.items("added_tokens", (), dict):
        yield read_added(token, f"added_tokens of {fields.source}", token.get("id"))

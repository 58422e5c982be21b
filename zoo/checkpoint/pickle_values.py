"""Defines the plain values of checkpoints' pickles, and the names that a pickle may use for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from zoo.files import quote

SCALAR_TYPES = (str, int, float, type(None))
_LARGE_KEY, _LONG_KEY = 60, 8  # bits of a number, items of a tuple
_TUPLE_KEYS = 64  # of a list of pairs: tuples can be made to have one hash, and each is compared with all then


@dataclass(frozen=True)
class Blob:
    """Bytes that stay in the file. `utf8`: they are the UTF-8 form of a text whose Latin-1 form is meant."""

    start: int
    size: int
    utf8: bool = False


@dataclass(frozen=True)
class Builder:
    """An allowed name of a pickle, with the function of ours that stands for it."""

    name: str
    make: Callable[..., object]


class Namespace(dict):
    """A stand-in for argparse.Namespace: its attributes."""


@dataclass
class Opaque:
    """A value of an allowed type that no tensor needs; what it held is not kept."""

    name: str


Allowed = Mapping[str, object]


def _pairs(items: object = ()) -> dict:
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple):
        raise TypeError("not a list of pairs")
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in items):
        raise TypeError("not a list of pairs")
    if sum(isinstance(key, tuple) for key, _ in items) > _TUPLE_KEYS:
        raise TypeError("many keys that are tuples")
    return {dict_key(key): value for key, value in items}


def dict_key(key: object) -> Hashable:
    """Gives a key back when it is a name, a number or a short tuple of them, as keys of checkpoints are.

    Nested tuples that share parts take for ever to hash, and so do numbers that were made to have one hash.

    Raises:
        TypeError: it is something else.
    """
    if type(key) is str:
        return key
    for part in key if isinstance(key, tuple) and len(key) <= _LONG_KEY else (key,):
        if not isinstance(part, SCALAR_TYPES) or (isinstance(part, int) and part.bit_length() > _LARGE_KEY):
            raise TypeError(f"a dict key of type {type(part).__name__}")
    return key


def _encode(text: object, codec: object = "utf-8") -> bytes | Blob:
    if not isinstance(codec, str) or codec not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise ValueError(f"codec {quote(codec)}")
    if isinstance(text, Blob):
        return Blob(text.start, text.size, utf8=codec.startswith("latin"))
    if not isinstance(text, str):
        raise TypeError("not a text")
    return text.encode(codec)


def items_of(values: object = ()) -> list:
    """Copies a list or tuple.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(values, list | tuple):
        raise TypeError("not a list")
    return list(values)


def _reconstruct(kind: object, base: object = None, state: object = None) -> Namespace:
    if isinstance(kind, Builder) and kind.name == "argparse.Namespace":
        return Namespace()
    raise TypeError(f"an object of {quote(getattr(kind, 'name', kind))}")


def _builders(table: Mapping[str, Callable[..., object]]) -> dict[str, Builder]:
    return {name: Builder(name, make) for name, make in table.items()}


_BUILTINS: dict[str, Callable[..., object]] = {
    "object": lambda: Opaque("object"),
    "tuple": lambda values=(): tuple(items_of(values)),
    "list": items_of,
    "set": items_of,
    "frozenset": items_of,
    "dict": _pairs,
    "bytearray": lambda *args: Opaque("bytearray"),
    "bytes": lambda *args: Opaque("bytes") if args else b"",
    "complex": lambda *args: Opaque("complex"),
    "slice": lambda *args: Opaque("slice"),
    "int": lambda *args: Opaque("int"),
    "float": lambda *args: Opaque("float"),
    "bool": lambda *args: Opaque("bool"),
    "str": lambda *args: Opaque("str"),
}
# Plain values that any checkpoint may hold. Sets become lists: nobody needs them, and members may not be hashable.
PLAIN_NAMES: Allowed = _builders(
    {
        "collections.OrderedDict": _pairs,
        "collections.Counter": _pairs,
        "collections.defaultdict": lambda factory=None, *rest: {},
        "argparse.Namespace": lambda: Namespace(),
        "copyreg._reconstructor": _reconstruct,
        "copy_reg._reconstructor": _reconstruct,
        "_codecs.encode": _encode,
        **{f"{module}.{name}": make for module in ("builtins", "__builtin__") for name, make in _BUILTINS.items()},
    }
)

"""What pickles of checkpoints are made of: plain values, and the names that a pickle may use for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SCALARS = (str, int, float, type(None))


@dataclass(frozen=True)
class Blob:
    """Bytes that stay in the file. `utf8`: they are the UTF-8 form of a text whose Latin-1 form is meant."""

    start: int
    size: int
    utf8: bool = False


@dataclass(frozen=True)
class Builder:
    """An allowed name of a pickle, and the function of ours that stands for it."""

    name: str
    make: Callable[..., Any]


class Namespace(dict):
    """Stands for argparse.Namespace: its attributes."""


@dataclass
class Opaque:
    """A value of an allowed type that no tensor needs; what it held is not kept."""

    name: str


Allowed = Mapping[str, Any]


def _pairs(items: Any = ()) -> dict:
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple):
        raise TypeError("not a list of pairs")
    done: dict = {}
    for key, value in items:
        done[dict_key(key)] = value
    return done


def dict_key(key: Any) -> Any:
    # Nested tuples that share parts take for ever to hash; keys of checkpoints are names and numbers.
    if isinstance(key, SCALARS) or (isinstance(key, tuple) and all(isinstance(k, SCALARS) for k in key)):
        return key
    raise TypeError(f"a dict key of type {type(key).__name__}")


def _encode(text: Any, codec: str = "utf-8") -> bytes | Blob:
    if codec not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise ValueError(f"codec '{codec}'")
    if isinstance(text, Blob):
        return Blob(text.start, text.size, utf8=codec.startswith("latin"))
    return text.encode(codec)


def _items(values: Any = ()) -> list:
    if not isinstance(values, list | tuple):
        raise TypeError("not a list")
    return list(values)


def _reconstruct(kind: Any, base: Any = None, state: Any = None) -> Any:
    if isinstance(kind, Builder) and kind.make is Namespace:
        return Namespace()
    raise TypeError(f"an object of {getattr(kind, 'name', kind)!r}")


def _builders(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Builder(name, make) for name, make in table.items()}


# Plain values that any checkpoint may hold. Sets become lists: nobody needs them, and members may not be hashable.
PLAIN: Allowed = _builders(
    {
        "collections.OrderedDict": _pairs,
        "collections.Counter": _pairs,
        "collections.defaultdict": lambda factory=None, *rest: {},
        "argparse.Namespace": Namespace,
        "copyreg._reconstructor": _reconstruct,
        "copy_reg._reconstructor": _reconstruct,
        "_codecs.encode": _encode,
        **{
            f"{module}.{name}": make
            for module in ("builtins", "__builtin__")
            for name, make in {
                "object": lambda: Opaque("object"),
                "tuple": lambda values=(): tuple(_items(values)),
                "list": _items,
                "set": _items,
                "frozenset": _items,
                "dict": _pairs,
                "bytearray": lambda *args: Opaque("bytearray"),
                "bytes": lambda *args: Opaque("bytes") if args else b"",
                "complex": lambda *args: Opaque("complex"),
                "slice": lambda *args: Opaque("slice"),
                "int": lambda *args: Opaque("int"),
                "float": lambda *args: Opaque("float"),
                "bool": lambda *args: Opaque("bool"),
                "str": lambda *args: Opaque("str"),
            }.items()
        },
    }
)

"""Defines what each operation of a pickle does to our machine; Python's `pickletools` describes them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from zoo.checkpoint.machine import STACK_MARK, Machine
from zoo.checkpoint.pickle_values import Blob, Namespace, Opaque, dict_key
from zoo.files import quote

TUPLE_KEY_STEPS = 200  # that a tuple costs as a key: tuples can be made to have one hash
MAX_MEMO_PLACE = 1 << 32
UINT8, UINT16, UINT32, UINT64, INT32, FLOAT64 = map(struct.Struct, ("<B", "<H", "<I", "<Q", "<i", ">d"))
_Operation = Callable[[Machine], None]
OPERATION_BY_CODE: dict[int, _Operation] = {}


def _op(*codes: bytes) -> Callable[[_Operation], _Operation]:
    def register(function: _Operation) -> _Operation:
        for code in codes:
            OPERATION_BY_CODE[code[0]] = function
        return function

    return register


def _put(machine: Machine, value: object) -> None:
    machine.stack.append(value)


@_op(b".")
def _stop(m: Machine) -> None:
    m.top()
    m.done = True


@_op(b"\x80")
def _protocol(m: Machine) -> None:
    if (version := m.number(UINT8)) > 5:
        raise m.fail(f"is of protocol {version}, the newest there is is 5")


@_op(b"\x95")
def _frame(m: Machine) -> None:
    if m.number(UINT64) > len(m.data) - m.at:
        raise m.fail("is cut off")


_CONSTANTS: dict[bytes, Callable[[], object]] = {
    b"(": lambda: STACK_MARK,
    b"N": lambda: None,
    b"\x88": lambda: True,
    b"\x89": lambda: False,
    b"]": list,
    b")": tuple,
    b"}": dict,
    b"\x8f": list,
}
for _code, _make in _CONSTANTS.items():
    _op(_code)(lambda m, make=_make: m.stack.append(make()))  # type: ignore[misc]

_NUMBERS = {b"J": INT32, b"K": UINT8, b"M": UINT16, b"G": FLOAT64}
for _code, _form in _NUMBERS.items():
    _op(_code)(lambda m, form=_form: m.stack.append(m.number(form)))  # type: ignore[misc]

_TEXTS = {b"X": UINT32, b"\x8c": UINT8, b"\x8d": UINT64}
for _code, _form in _TEXTS.items():
    _op(_code)(lambda m, form=_form: m.stack.append(m.string(m.number(form))))  # type: ignore[misc]

_BYTES = {b"B": UINT32, b"C": UINT8, b"\x8e": UINT64, b"\x96": UINT64}
for _code, _form in _BYTES.items():
    _op(_code)(lambda m, form=_form: m.stack.append(m.blob(m.number(form))))  # type: ignore[misc]


@_op(b"T", b"U")
def _byte_string(m: Machine) -> None:
    # Python 2 wrote names and raw data alike with these: what is no text is data.
    size = m.number(INT32) if m.data[m.at - 1] == ord("T") else m.number(UINT8)
    start = m.at
    try:
        _put(m, m.string(size))
    except UnicodeDecodeError:
        _put(m, Blob(start, size))


@_op(b"S")
def _text_string(m: Machine) -> None:
    line = m.line()
    if len(line) < 2 or line[0] != line[-1] or line[0] not in "'\"":
        raise m.fail("has a string without quotes")
    if "\\" in line:
        raise m.fail("has a string with escapes, which names do not need")
    _put(m, line[1:-1])


@_op(b"V")
def _text_unicode(m: Machine) -> None:
    line = m.line()
    if "\\" in line:
        raise m.fail("has a string with escapes, which names do not need")
    _put(m, line)


@_op(b"I", b"L")
def _text_integer(m: Machine) -> None:
    line = m.line().removesuffix("L")
    if len(line) > 100:
        raise m.fail("has a number of more than 100 digits")
    _put(m, {"00": False, "01": True}[line] if line in ("00", "01") else int(line))


@_op(b"F")
def _text_float(m: Machine) -> None:
    _put(m, float(m.line()))


@_op(b"\x8a", b"\x8b")
def _long(m: Machine) -> None:
    size = m.number(UINT8) if m.data[m.at - 1] == 0x8A else m.number(INT32)
    if not 0 <= size <= 255:
        raise m.fail("has a number of more than 255 bytes")
    _put(m, int.from_bytes(m.take(size), "little", signed=True))


@_op(b"0")
def _drop(m: Machine) -> None:
    if not m.stack:
        raise m.fail("takes a value that is not there")
    m.stack.pop()


@_op(b"1")
def _drop_group(m: Machine) -> None:
    m.since_mark()


@_op(b"2")
def _duplicate(m: Machine) -> None:
    _put(m, m.top())


@_op(b"t")
def _tuple(m: Machine) -> None:
    _put(m, tuple(m.since_mark()))


@_op(b"\x85", b"\x86", b"\x87")
def _short_tuple(m: Machine) -> None:
    size = m.data[m.at - 1] - 0x84
    _put(m, tuple([m.pop() for _ in range(size)][::-1]))


@_op(b"l", b"\x91")
def _list(m: Machine) -> None:
    _put(m, m.since_mark())


@_op(b"d")
def _dict(m: Machine) -> None:
    items = m.since_mark()
    _put(m, {})
    _store(m, items)


@_op(b"a")
def _append(m: Machine) -> None:
    value = m.pop()
    _extend(m, [value])


@_op(b"e", b"\x90")
def _appends(m: Machine) -> None:
    items = m.since_mark()
    _extend(m, items)


def _extend(m: Machine, items: list[Any]) -> None:
    if not isinstance(m.top(), list):
        raise m.fail(f"appends to a {type(m.top()).__name__}")
    m.top().extend(items)


@_op(b"s")
def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    _store(m, [key, value])


@_op(b"u")
def _set_items(m: Machine) -> None:
    items = m.since_mark()
    _store(m, items)


def _store(m: Machine, items: list[Any]) -> None:
    target = m.top()
    if not isinstance(target, dict) or len(items) % 2:
        raise m.fail(f"stores items in a {type(target).__name__}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, tuple):
            m.spend(TUPLE_KEY_STEPS)
        target[dict_key(key)] = value


@_op(b"p")
def _text_memo(m: Machine) -> None:
    place = int(m.line())
    if not 0 <= place < MAX_MEMO_PLACE:
        raise m.fail("has a place in its memo that no pickle has")
    m.memo[place] = m.top()


@_op(b"q")
def _memo(m: Machine) -> None:
    m.memo[m.number(UINT8)] = m.top()


@_op(b"r")
def _long_memo(m: Machine) -> None:
    m.memo[m.number(UINT32)] = m.top()


@_op(b"\x94")
def _next_memo(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


@_op(b"g", b"h", b"j")
def _recall(m: Machine) -> None:
    code = m.data[m.at - 1]
    index = int(m.line()) if code == ord("g") else m.number(UINT8 if code == ord("h") else UINT32)
    if index not in m.memo:
        raise m.fail(f"refers to its value {quote(index)}, which is not there")
    _put(m, m.memo[index])


@_op(b"c")
def _global(m: Machine) -> None:
    module = m.line()
    _put(m, m.find(module, m.line()))


@_op(b"\x93")
def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    _put(m, m.find(module, name))


@_op(b"R", b"\x81")
def _reduce(m: Machine) -> None:
    args, builder = m.pop(), m.pop()
    _put(m, m.call(builder, args))


@_op(b"\x92")
def _new_with_keywords(m: Machine) -> None:
    keywords, args, builder = m.pop(), m.pop(), m.pop()
    if keywords:
        raise m.fail("calls a function with keywords")
    _put(m, m.call(builder, args))


@_op(b"i")
def _instance(m: Machine) -> None:
    module = m.line()
    builder = m.find(module, m.line())
    _put(m, m.call(builder, m.since_mark()))


@_op(b"o")
def _object(m: Machine) -> None:
    items = m.since_mark()
    if not items:
        raise m.fail("takes a value that is not there")
    _put(m, m.call(items[0], items[1:]))


@_op(b"b")
def _build(m: Machine) -> None:
    state, target = m.pop(), m.top()
    if isinstance(target, Namespace):
        if not isinstance(state, dict):
            raise m.fail("gives a Namespace something else than attributes")
        m.spend(len(state))
        target.update(state)
    elif hasattr(target, "set_state"):
        target.set_state(state)
    elif not isinstance(target, dict | Opaque):  # attributes of a dict (torch's _metadata) are not needed
        raise m.fail(f"sets attributes of a {type(target).__name__}")


@_op(b"P", b"Q")
def _persistent(m: Machine) -> None:
    key = m.line() if m.data[m.at - 1] == ord("P") else m.pop()
    if m.persistent is None:
        raise m.fail("refers to data outside of it")
    _put(m, m.persistent(key))

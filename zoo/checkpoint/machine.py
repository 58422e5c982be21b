"""Keeps what a pickle builds while it is read: a stack, a memo, and a budget that bounds both."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zoo.checkpoint.pickle_values import Allowed, Blob, Builder
from zoo.errors import CheckpointError
from zoo.files import clean, quote

MAX_OPERATIONS = 2_000_000  # operations and copied items; each costs up to some 200 bytes
MAX_TEXT_BYTES = 128 << 20  # of all texts in memory
STACK_MARK = object()  # where a group of values begins
LONG_STRING_BYTES = 1 << 16  # from here on a string stays in the file
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, OverflowError, struct.error)
T = TypeVar("T", str, bytes)


@dataclass
class Budget:
    """The steps of work and bytes of text that the pickles of one file may still take."""

    steps: int = field(default_factory=lambda: MAX_OPERATIONS)
    bytes: int = field(default_factory=lambda: MAX_TEXT_BYTES)


class Machine:
    """The state of one pickle while it is read: `unpickle` runs the operations on it.

    Args:
        data: the whole file.
        source: what a message calls the file.
        allowed: "module.name" -> `Builder` or a plain value.
        persistent: what a persistent id stands for (torch's storages); None where there are none.
        start: where the pickle begins in `data`.
        budget: shared by the pickles of a file; a fresh one by default.
    """

    def __init__(
        self,
        data: memoryview,
        source: str,
        allowed: Allowed,
        persistent: Callable[[object], object] | None = None,
        start: int = 0,
        budget: Budget | None = None,
    ) -> None:
        self.data, self.source, self.allowed, self.persistent = data, source, allowed, persistent
        self.at = self.where = start
        self.budget = budget or Budget()
        self.stack: list[Any] = []
        self.memo: dict[int, object] = {}
        self.done = False

    def fail(self, problem: str) -> CheckpointError:
        """Makes an error that names the file and the operation's place in it."""
        return CheckpointError(
            f"{self.source}: the pickle in it {problem}, at byte {self.where}.",
            "The file is damaged or is not a checkpoint: get it again, if possible as .safetensors.",
        )

    def too_long(self) -> CheckpointError:
        """Makes the error for a budget that is used up."""
        return self.fail(f"has more than {MAX_OPERATIONS:,} operations")

    def spend(self, steps: int) -> None:
        """Counts work that one operation does many times, such as copying a list.

        Raises:
            CheckpointError: the budget is used up.
        """
        self.budget.steps -= steps
        if self.budget.steps < 0:
            raise self.too_long()

    def keep(self, text: T) -> T:
        """Gives a text or bytes back and counts the memory it takes.

        Raises:
            CheckpointError: the budget is used up.
        """
        self.budget.bytes -= sys.getsizeof(text)
        if self.budget.bytes < 0:
            raise self.fail(f"has more than {MAX_TEXT_BYTES >> 20} MB of strings")
        return text

    def take(self, size: int) -> memoryview:
        """Gives the next bytes."""
        if size < 0 or self.at + size > len(self.data):
            raise self.fail("is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: struct.Struct) -> Any:
        """Gives the next number."""
        start = self.at
        self.at = start + form.size
        if self.at > len(self.data):
            raise self.fail("is cut off")
        return form.unpack_from(self.data, start)[0]

    def line(self) -> str:
        """Gives the next line of the text protocol, without its end."""
        for size in (256, LONG_STRING_BYTES):
            head = bytes(self.data[self.at : self.at + size])
            if (end := head.find(b"\n")) >= 0:
                self.at += end + 1
                return self.keep(head[:end].decode("utf-8"))
        raise self.fail("has a line that is too long or cut off")

    def string(self, size: int) -> str | Blob:
        """Gives the next text; a long one stays in the file."""
        if size >= LONG_STRING_BYTES:
            return self.blob(size)
        return self.keep(str(self.take(size), "utf-8", "surrogatepass"))

    def blob(self, size: int) -> Blob:
        """Gives the place of the next bytes, which stay in the file."""
        self.take(size)
        return Blob(self.at - size, size)

    def pop(self) -> Any:
        """Takes the top of the stack."""
        if not self.stack or self.stack[-1] is STACK_MARK:
            raise self.fail("takes a value that is not there")
        return self.stack.pop()

    def top(self) -> Any:
        """Looks at the top of the stack."""
        if not self.stack or self.stack[-1] is STACK_MARK:
            raise self.fail("takes a value that is not there")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """Takes everything down to the last mark."""
        for n in range(len(self.stack) - 1, -1, -1):
            if self.stack[n] is STACK_MARK:
                items = self.stack[n + 1 :]
                del self.stack[n:]
                return items
        raise self.fail("closes a group that was not opened")

    def find(self, module: object, name: object) -> object:
        """Looks a name up in the table of allowed ones; imports nothing."""
        wanted = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else None
        if wanted is None or wanted not in self.allowed:
            called = (
                quote(f"{clean(str(module))}.{clean(str(name))}", 200) if wanted else "something without a name"
            )
            raise CheckpointError(
                f"{self.source} asks to run {called}, which is not among the names a checkpoint needs; "
                "nothing was run.",
                "If you trust its publisher, ask for a .safetensors file; do not load this one with pickle.",
            )
        return self.allowed[wanted]

    def call(self, builder: object, args: object) -> object:
        """Gives what our own builder makes of the arguments."""
        if not isinstance(builder, Builder):
            raise self.fail(f"calls {type(builder).__name__}, which is no function")
        if not isinstance(args, tuple | list):
            raise self.fail("calls a function without a list of arguments")
        self.spend(len(args) + sum(len(arg) for arg in args if isinstance(arg, (list, tuple, dict))))
        try:
            made = builder.make(*args)
        except MALFORMED as error:
            reason = clean(str(error))
            raise self.fail(f"calls '{builder.name}' in a way that makes no sense ({reason})") from None
        return self.keep(made) if isinstance(made, bytes) else made

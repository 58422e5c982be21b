"""Reads pickles without running anything: every operation is interpreted here and only builds plain data.

A pickle names the functions it wants called. Here a name is looked up in a table of our own builders, and a name
that is not in it is an error; the real `os.system` or `torch.nn.Module` is never imported. Long byte strings stay
where they are in the file (`Blob`), so a pickle of gigabytes costs no memory. What a small pickle can grow to is
bounded by a `Budget`. The format is described in the standard library's `pickletools`.
"""

from __future__ import annotations

from typing import Any

from zoo.checkpoint.machine import MALFORMED, Machine
from zoo.checkpoint.opcodes import OPERATION_BY_CODE
from zoo.files import clean


def unpickle(machine: Machine) -> Any:
    """Gives the value of a machine's pickle; `machine.at` is then the first byte behind it.

    Raises:
        CheckpointError: it is cut off, malformed, too large, or asks for a name that is not allowed.
    """
    data, size, budget = machine.data, len(machine.data), machine.budget
    try:
        while not machine.done:
            where = machine.where = machine.at
            if where >= size:
                raise machine.fail("is cut off")
            operation = OPERATION_BY_CODE.get(data[where])
            if operation is None:
                raise machine.fail(f"has the opcode 0x{data[where]:02x}, which checkpoints do not use")
            budget.steps -= 1
            if budget.steps < 0:
                raise machine.too_long()
            machine.at = where + 1
            operation(machine)
    except MALFORMED as error:
        raise machine.fail(f"cannot be understood ({clean(str(error))})") from None
    return machine.stack.pop()

"""One operator of Paddle's static program, as the functions that make OpenVINO's see it, and their constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
from openvino import opset15 as ops

Output = Any  # `openvino.Output`: a tensor of the graph
ELEMENT_TYPES = {
    "bool": "boolean",
    "uint8": "u8",
    "int32": "i32",
    "int64": "i64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
}


class UnknownOperator(Exception):
    """What Paddle's program has and `OPERATORS` has not; says which."""


@dataclass(frozen=True)
class Call:
    """One operator of a program.

    Attributes:
        inputs: its operands: a tensor, a list of them, or None for one that is left out.
        options: its attributes.
        kind: element type of its first result, as OpenVINO writes it.
    """

    inputs: Sequence[Any]
    options: Mapping[str, Any]
    kind: str

    @property
    def x(self) -> Output:
        """The first operand."""
        return self.inputs[0]

    def constant(self, operand: int) -> np.ndarray:
        """The values of an operand that the program fixes.

        Raises:
            UnknownOperator: it is computed.
        """
        node = self.inputs[operand].get_node()
        if node.get_type_name() != "Constant":
            raise UnknownOperator("with a computed argument")
        return np.asarray(node.data)

    def number(self, operand: int) -> int:
        """A whole number that the program fixes."""
        return int(self.constant(operand).reshape(()))

    def only(self, **wanted: Any) -> None:
        """Raises UnknownOperator where an attribute has another value than the one that is known here."""
        for name, value in wanted.items():
            if self.options.get(name, value) != value:
                raise UnknownOperator(f"with {name}={self.options[name]}")


Make = Callable[[Call], Any]  # what comes back is a node, or a list of tensors


def element_type(dtype: Any) -> str:
    """Paddle's name of a type as OpenVINO's."""
    name = str(dtype).rpartition(".")[2].lower()
    if name not in ELEMENT_TYPES:
        raise UnknownOperator(f"of {name}")
    return ELEMENT_TYPES[name]


def whole(values: Any) -> Output:
    """A constant of int64."""
    return ops.constant(np.asarray(values, np.int64))


def fixed(values: Any, kind: str) -> Output:
    """A constant of an element type."""
    return ops.constant(np.asarray(values), getattr(openvino.Type, kind))


def scalar(value: Output) -> Output:
    """A tensor of one element without its dimensions."""
    return ops.reshape(value, whole([]), False)

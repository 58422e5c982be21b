"""Builds OpenVINO's graph of a layer from Paddle's static program, without a file in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino
from openvino import opset15 as ops
from openvino.passes import ConstantFolding, Manager
from paddle import Tensor, nn

from zoo.inference.engines.openvino_call import Call, Output, UnknownOperator, element_type
from zoo.inference.engines.openvino_operators import OPERATORS
from zoo.inference.graph import NoCounterpartError
from zoo.inference.traced import program_of

Known = dict[str, Any]  # id of a value of the program -> a tensor of the graph, or a list of them


def build_graph(layer: nn.Layer, specs: Sequence[Any], names: Sequence[str]) -> Any:
    """Traces a layer and gives it as an `openvino.Model`, whose constants share the weights' memory.

    Args:
        layer: in eval mode.
        specs: of its arguments, `paddle.static.InputSpec` or lists of them.
        names: of its outputs, in their order.

    Raises:
        NoCounterpartError: the layer computes with an operator of Paddle that is not in `OPERATORS`.
    """
    program = program_of(layer, specs)
    known: Known = {value.id: _constant(tensor) for tensor, value in zip(*program.parameters, strict=True)}
    parameters = []
    outputs = _flat(program.outputs)
    for op in _needed(program.main_program.global_block().ops, outputs):
        if op.name() == "pd_op.data":
            parameters.append(_parameter(op))
            known[op.results()[0].id] = parameters[-1].output(0)
        elif op.name() != "builtin.parameter":
            _add(op, known)
    results = [_result(known[value.id], name) for value, name in zip(outputs, names, strict=True)]
    made = openvino.Model(results, parameters, type(layer).__name__)
    steps = Manager()
    steps.register_pass(ConstantFolding())  # NNCF takes a weight that is turned at run time for one that is not
    steps.run_passes(made)
    return made


def _needed(operators: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The inputs of a program, and of the others those that its outputs come from."""
    wanted, kept = {value.id for value in outputs}, []
    for op in reversed(operators):
        if op.name() == "pd_op.data" or any(value.id in wanted for value in op.results()):
            wanted.update(value.source().id for value in op.operands() if value.source().initialized())
            kept.append(op)
    return kept[::-1]


def _add(op: Any, known: Known) -> None:
    """Makes what stands for an operator of the program."""
    name = op.name().partition(".")[2]
    results = op.results()
    try:
        if name not in OPERATORS:
            raise UnknownOperator("")
        inputs = [_operand(value.source(), known) for value in op.operands()]
        kind = element_type(results[0].dtype) if results[0].is_dense_tensor_type() else ""
        made = OPERATORS[name](Call(inputs, op.attrs(), kind))
    except UnknownOperator as problem:
        raise NoCounterpartError(
            f"OpenVINO's graph has nothing for Paddle's operator {name}{f' {problem}' if str(problem) else ''}.",
            "engine='paddle', or --to paddle for an export.",
        ) from None
    made = made if isinstance(made, list) else made.outputs()
    known.update(zip((value.id for value in results), made, strict=False))  # what nobody uses is not made


def _operand(value: Any, known: Mapping[str, Any]) -> Any:
    return known[value.id] if value.initialized() else None


def _constant(tensor: Tensor) -> Output:
    """A weight; in the memory that it has, as long as the tensor lives."""
    where = tensor.detach()
    array = np.from_dlpack(where) if where.place.is_cpu_place() and "float" in str(where.dtype) else where.numpy()
    return openvino.op.Constant(np.ascontiguousarray(array), shared_memory=True).output(0)


def _parameter(op: Any) -> Any:
    options = op.attrs()
    shape = openvino.PartialShape([openvino.Dimension() if size < 0 else size for size in options["shape"]])
    made = ops.parameter(shape, getattr(openvino.Type, element_type(options["dtype"])), options["name"])
    made.output(0).get_tensor().set_names({options["name"]})
    return made


def _result(value: Output, name: str) -> Any:
    made = ops.result(value, name)
    made.output(0).get_tensor().set_names({name})
    return made


def _flat(outputs: Any) -> list[Any]:
    """The values of a program's outputs, which are a value, or a list or a tuple of outputs."""
    return [value for part in outputs for value in _flat(part)] if isinstance(outputs, list | tuple) else [outputs]

"""Paddle's static operators in OpenVINO's, one function each: `OPERATORS`.

Sources: Paddle's operator definitions (paddle/phi/ops/yaml), OpenVINO's operation set 15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from openvino import opset15 as ops

from zoo.inference.engines.openvino_call import Call, Make, UnknownOperator, fixed, scalar, whole


def _plain(name: str) -> Make:
    """An operator of the same meaning on all of its operands."""
    function = getattr(ops, name)
    return lambda call: function(*call.inputs)


def _reduce(name: str) -> Make:
    function = getattr(ops, name)

    def make(call: Call) -> Any:
        axes = call.options["axis"] if "axis" in call.options else call.constant(1)
        axes = whole(axes if len(axes) else range(len(call.x.get_partial_shape())))
        x = call.x if call.kind == "boolean" else ops.convert(call.x, call.kind)
        return function(x, axes, call.options["keepdim"])

    return make


def _bits(name: str) -> Make:
    """A bitwise operator, which is the logical one for truth values."""
    return lambda call: getattr(ops, f"{'logical' if call.kind == 'boolean' else 'bitwise'}_{name}")(*call.inputs)


def _floor_divide(call: Call) -> Any:
    made = ops.divide(*call.inputs)
    return made if "i" in call.kind else ops.floor(made)


def _full(call: Call) -> Any:
    return fixed(np.full(tuple(call.options["shape"]), call.options["value"]), call.kind)


def _scale(call: Call) -> Any:
    """x * scale + bias, in the type of x."""
    first, second = float(call.constant(1).reshape(())), float(call.options["bias"])
    if "i" in call.kind and not (first.is_integer() and second.is_integer()):
        raise UnknownOperator("of integers by a fraction")
    factor, bias = fixed(first, call.kind), fixed(second, call.kind)
    if not call.options["bias_after_scale"]:
        return ops.multiply(ops.add(call.x, bias), factor)
    if first != 1:
        product = ops.multiply(call.x, factor)
        return ops.add(product, bias) if second else product
    return ops.add(call.x, bias) if second else [call.x]


def _slice(call: Call) -> Any:
    x, starts, ends = call.inputs[:3]
    axes = call.options["axes"]
    steps = call.inputs[3] if len(call.inputs) > 3 else whole([1] * len(axes))
    made = ops.slice(x, starts, ends, steps, whole(axes))
    return ops.squeeze(made, whole(lost)) if (lost := call.options.get("decrease_axis")) else made


def _layer_norm(call: Call) -> Any:
    rank, begin = len(call.x.get_partial_shape()), call.options["begin_norm_axis"]
    if begin != rank - 1:
        raise UnknownOperator(f"over {rank - begin} dimensions")
    made = ops.mvn(call.x, whole([-1]), True, call.options["epsilon"], "inside_sqrt")
    for operand, function in zip(call.inputs[1:3], (ops.multiply, ops.add), strict=True):
        made = made if operand is None else function(made, operand)
    return made


def _dropout(call: Call) -> Any:
    call.only(is_test=True, mode="upscale_in_train")
    return [call.x]


def _embedding(call: Call) -> Any:
    call.only(padding_idx=-1)
    return ops.gather(call.inputs[1], call.x, whole(0))


def _matmul(call: Call) -> Any:
    return ops.matmul(*call.inputs, call.options["transpose_x"], call.options["transpose_y"])


def _clip(call: Call) -> Any:
    low, high = (ops.convert(value, call.kind) for value in call.inputs[1:])
    return ops.minimum(ops.maximum(call.x, low), high)


def _norm(call: Call) -> Any:
    call.only(porder=2.0, asvector=False)
    return ops.reduce_l2(call.x, whole([call.options["axis"]]), call.options["keepdim"])


def _cumsum(call: Call) -> Any:
    call.only(flatten=False)
    return ops.cumsum(call.x, whole(call.number(1)), call.options["exclusive"], call.options["reverse"])


def _arange(call: Call) -> Any:
    bounds = (scalar(ops.convert(bound, call.kind)) for bound in call.inputs)
    return ops.range(*bounds, call.kind)


def _flatten(call: Call) -> Any:
    """Some neighbouring dimensions as one."""
    start, stop = (
        n % len(call.x.get_partial_shape()) for n in (call.options["start_axis"], call.options["stop_axis"])
    )
    shape = ops.shape_of(call.x)
    parts = [
        ops.slice(shape, whole([0]), whole([start]), whole([1])),
        whole([-1]),
        ops.slice(shape, whole([stop + 1]), whole([2**31]), whole([1])),
    ]
    return ops.reshape(call.x, ops.concat(parts, 0), False)


def _expand(call: Call) -> Any:
    """To a shape in which -1 keeps a dimension."""
    return ops.broadcast(call.x, ops.maximum(call.inputs[1], whole(1)), broadcast_spec="BIDIRECTIONAL")


def _full_like(call: Call) -> Any:
    return ops.broadcast(ops.convert(scalar(call.inputs[1]), call.kind), ops.shape_of(call.x))


def _concat(call: Call) -> Any:
    return ops.concat(call.x, call.number(1))


def _stack(call: Call) -> Any:
    axis = call.options["axis"]
    return ops.concat([ops.unsqueeze(one, whole([axis])).output(0) for one in call.x], axis)


def _split_with_num(call: Call) -> Any:
    return [ops.split(call.x, whole(call.number(1)), call.options["num"]).outputs()]


def _split(call: Call) -> Any:
    return [ops.variadic_split(call.x, whole(call.number(2)), call.inputs[1]).outputs()]


def _unbind(call: Call) -> Any:
    axis = call.options["axis"]
    count = call.x.get_partial_shape()[axis].get_length()
    parts = ops.split(call.x, whole(axis), count).outputs()
    return [[ops.squeeze(part, whole([axis])).output(0) for part in parts]]


def _one_hot(call: Call) -> Any:
    return ops.one_hot(call.x, whole(call.number(1)), fixed(1, call.kind), fixed(0, call.kind), -1)


def _gather(call: Call) -> Any:
    return ops.gather(call.x, call.inputs[1], whole(call.number(2)))


def _along_axis(call: Call) -> Any:
    return ops.gather_elements(call.x, call.inputs[1], call.options.get("axis", 1))


def _topk(call: Call) -> Any:
    mode = "max" if call.options["largest"] else "min"
    return ops.topk(call.x, scalar(call.inputs[1]), call.options["axis"], mode, "value", "i64").outputs()


def _gelu(call: Call) -> Any:
    return ops.gelu(call.x, "TANH" if call.options["approximate"] else "ERF")


# Operators that OpenVINO has too, by the same name or another.
SAME = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum"),
    *("equal", "not_equal", "less_equal", "greater_equal"),
    *("logical_and", "logical_or", "logical_not", "unsqueeze", "squeeze"),
    *("sin", "cos", "exp", "log", "sqrt", "abs", "erf", "relu", "tanh", "sigmoid"),
)
RENAMED = {
    "elementwise_pow": "power",
    "greater_than": "greater",
    "less_than": "less",
    "remainder": "floor_mod",
    "silu": "swish",
    "where": "select",
}

OPERATORS: dict[str, Make] = {
    **{name: _plain(RENAMED.get(name, name)) for name in (*SAME, *RENAMED)},
    "floor_divide": _floor_divide,
    **{f"bitwise_{name}": _bits(name) for name in ("and", "or", "xor", "not")},
    **{name: _reduce(f"reduce_{name}") for name in ("sum", "mean", "max", "min", "prod")},
    "any": _reduce("reduce_logical_or"),
    "all": _reduce("reduce_logical_and"),
    # constants and shapes
    "full": _full,
    "assign_value_": lambda call: fixed(np.reshape(call.options["values"], call.options["shape"]), call.kind),
    "full_int_array": lambda call: whole(call.options["value"]),
    "full_like": _full_like,
    "arange": _arange,
    "shape64": lambda call: ops.shape_of(call.x, "i64"),
    "shape": lambda call: ops.shape_of(call.x, "i32"),
    "assign": lambda call: [call.x],
    "cast": lambda call: ops.convert(call.x, call.kind),
    "reshape": lambda call: ops.reshape(call.x, call.inputs[1], True),
    "transpose": lambda call: ops.transpose(call.x, whole(call.options["perm"])),
    "flatten": _flatten,
    "expand": _expand,
    "tile": lambda call: ops.tile(call.x, call.inputs[1]),
    # several tensors in one, and parts of one
    "combine": lambda call: [list(call.inputs)],
    "concat": _concat,
    "stack": _stack,
    "split": lambda call: call.x if isinstance(call.x, list) else _split(call),
    "split_with_num": _split_with_num,
    "unbind": _unbind,
    "slice": _slice,
    "strided_slice": _slice,
    "gather": _gather,
    "one_hot": _one_hot,
    "index_select": lambda call: ops.gather(call.x, call.inputs[1], whole(call.options["axis"])),
    "gather_nd": lambda call: ops.gather_nd(call.x, call.inputs[1]),
    "take_along_axis": _along_axis,
    "index_sample": _along_axis,
    "topk": _topk,
    # layers
    "embedding": _embedding,
    "matmul": _matmul,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "softmax": lambda call: ops.softmax(call.x, call.options["axis"]),
    "gelu": _gelu,
    "scale": _scale,
    "clip": _clip,
    "p_norm": _norm,
    "cumsum": _cumsum,
}

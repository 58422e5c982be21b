"""Layers as Paddle's static programs on disk, with names for their outputs, and never cut off by a full disk."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paddle
from paddle import nn

BYTES_PER_ELEMENT = {
    "0.t_f32": 4,
    "0.t_f64": 8,
    "0.t_i64": 8,
    "0.t_i32": 4,
    "0.t_f16": 2,
    "0.t_bf16": 2,
    "0.t_bool": 1,
}
MAX_SOURCE_BYTES = 1 << 18  # bytes: more than the code of any layer


def save_traced(layer: nn.Layer, specs: Sequence[Any], stem: Path, outputs: Sequence[str]) -> None:
    """Traces a layer into STEM.json and STEM.pdiparams.

    Args:
        layer: in eval mode.
        specs: of its arguments, `paddle.static.InputSpec` or lists of them.
        stem: the files' path without their suffixes.
        outputs: names of its outputs, in their order.

    Raises:
        OSError: the disk is full.
    """
    with _temporary_files():
        paddle.jit.save(_static(layer, specs), str(stem))
    file, weights = stem.with_suffix(".json"), stem.with_suffix(".pdiparams")
    text = file.read_text("utf-8", "replace")
    try:
        program = json.loads(text)
    except ValueError:
        raise full(file) from None
    if weights.stat().st_size != _weight_bytes(program):  # paddle writes on where a disk is full, and says nothing
        raise full(weights)
    for number, name in enumerate(outputs):  # paddle numbers them, and has no argument for names
        text = text.replace(f'"fetch_name_{number}"', f'"{name}"')
    file.write_text(text, "utf-8")


def program_of(layer: nn.Layer, specs: Sequence[Any]) -> Any:
    """Traces a layer, as `save_traced`, and gives Paddle's `ConcreteProgram`: operators, weights and outputs.

    Raises:
        OSError: the disk is full.
    """
    with _temporary_files():
        return _static(layer, specs).forward.concrete_program


def _static(layer: nn.Layer, specs: Sequence[Any]) -> Any:
    return paddle.jit.to_static(layer, input_spec=specs, full_graph=True)


@contextmanager
def _temporary_files() -> Iterator[None]:
    """Raises OSError where a temporary file cannot be written, before and after what fails within.

    Paddle writes a layer's code, made static, to such files; where it cannot it traces the code as it is, and what
    comes out fails or is another graph.
    """
    _check_temporary()
    try:
        yield
    except Exception:
        _check_temporary()
        raise


def _check_temporary() -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(bytes(MAX_SOURCE_BYTES))
        stream.flush()


def full(file: Path) -> OSError:
    """What a writer should have said that left a file cut off."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))


def _weight_bytes(program: Mapping[str, Any]) -> int:
    """What the .pdiparams of a program takes: for each tensor a head, its shape in a protobuf, and its values."""
    total = 0
    for op in program["program"]["regions"][0]["blocks"][0]["ops"]:
        if op["#"] == "p":
            kind, shape = op["O"]["TT"]["D"][0]["#"], op["O"]["TT"]["D"][1]
            varints = sum(max(1, -(-size.bit_length() // 7)) for size in shape)
            total += 22 + len(shape) + varints + math.prod(shape) * BYTES_PER_ELEMENT[kind]
    return total

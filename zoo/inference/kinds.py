"""The engines there are, and what of them is installed. Imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Kind:
    """What is known about an engine without importing it.

    Attributes:
        title: what people call it.
        packages: the distributions it needs, the one that gives its version first.
        precisions: what it computes with; a graph that was quantised on disk is "int8" besides.
    """

    title: str
    packages: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32",)


# Each is a module of zoo/inference/engines with `write(model, folder) -> Graph` and
# `open_graph(graph, precision) -> Engine`.
ENGINES = {
    "eager": Kind("Paddle eager", ("paddlepaddle",)),
    "paddle": Kind("Paddle Inference", ("paddlepaddle",), ("fp32", "bf16")),
    "openvino": Kind("OpenVINO", ("openvino",), ("fp32", "bf16")),
    "onnxruntime": Kind("ONNX Runtime", ("onnxruntime", "paddle2onnx")),
}


def versions(engine: str) -> dict[str, str]:
    """Of an engine's packages that are installed."""
    found = {}
    for name in ENGINES[engine].packages:
        for spelled in (name, f"{name}-gpu"):
            try:
                found[name] = version(spelled)
                break
            except PackageNotFoundError:
                continue
    return found


def to_get(engine: str) -> str:
    """The command that brings what an engine lacks."""
    return f"pip install {' '.join(missing(engine))}"


def missing(engine: str) -> list[str]:
    """The packages that an engine lacks."""
    return [name for name in ENGINES[engine].packages if name not in versions(engine)]

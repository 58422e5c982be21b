"""The engines that run a network, and which of them a machine should use."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from zoo import env
from zoo.errors import UsageError
from zoo.inference.engines.base import Engine
from zoo.models.common.base import Model
from zoo.models.common.seq2seq import Seq2Seq

__all__ = ["ENGINES", "Choice", "Engine", "choose", "compile", "installed", "module_of"]


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


PADDLE = ("paddlepaddle",)
# Each is a module of this folder with `write(model, folder) -> Graph` and `open_graph(graph, precision) -> Engine`.
ENGINES = {
    "eager": Kind("Paddle eager", PADDLE),
    "paddle": Kind("Paddle Inference", PADDLE, ("fp32", "bf16")),
}
PRECISIONS = ("fp32", "bf16", "int8")
FASTEST = ("paddle", "eager")  # of what is installed, the first is taken


@dataclass(frozen=True)
class Choice:
    """What runs a network, and why, in one line."""

    engine: str
    precision: str
    why: str

    def __str__(self) -> str:
        kind = ENGINES[self.engine]
        release = version_of(kind)
        return f"{kind.title}{f' {release}' if release else ''}, {self.precision}, {env.threads()} threads"


def version_of(kind: Kind) -> str:
    """Of an engine's package; empty when it is not installed."""
    for name in (kind.packages[0], f"{kind.packages[0]}-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def installed(engine: str) -> bool:
    """True when every package of an engine is there. Imports nothing."""
    return all(version_of(replace(ENGINES[engine], packages=(name,))) for name in ENGINES[engine].packages)


def module_of(engine: str) -> ModuleType:
    """The module of an engine, which imports its package."""
    return import_module(f"{__name__}.{engine}")


def choose(model: Model, engine: str = "auto", precision: str = "auto") -> Choice:
    """The fastest engine and precision that are installed, that the processor supports and that the caller allows.

    Args:
        model: the network.
        engine: "auto", or a name of ENGINES.
        precision: "auto" (bf16 where the processor multiplies in it), "fp32" or "bf16".

    Raises:
        UsageError: a name that is unknown, not installed, or not possible together.
    """
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value != "auto" and value not in known:
            raise UsageError(f"{name}={value!r} is unknown.", f"One of auto, {', '.join(known)}.")
    if precision == "int8":
        raise UsageError(
            "precision='int8' needs a graph that was quantised, with its score checked.",
            "python -m zoo.export DIR --to openvino --precision int8 --guard DATA --out OUT, then give OUT.",
        )
    found = next(e for e in FASTEST if installed(e)) if engine == "auto" else engine
    if precision == "auto":
        precision = "bf16" if "bf16" in ENGINES[found].precisions and env.computes_bf16() else "fp32"
    return Choice(found, precision, "the fastest installed" if engine == "auto" else "asked for")


def compile(model: Model, engine: str = "auto", precision: str = "auto") -> Engine:
    """A network as an engine; the graph is kept on disk, see zoo/inference/cache.py.

    Args:
        model: any network but an encoder-decoder, see `zoo.inference.decoder`; its weights as they are now.
        engine, precision: see `choose`.

    Raises:
        UsageError: see `choose`.
    """
    return build(model, choose(model, engine, precision))[0]


def build(model: Model, choice: Choice) -> tuple[Engine, str]:
    """The engine of a choice, and how it came about ("compiled in 3.1 s")."""
    import tempfile
    from pathlib import Path

    from zoo.inference.decoder import compile_decoder

    start = time.perf_counter()
    folder = Path(tempfile.mkdtemp())
    if choice.engine == "eager":
        made = model if isinstance(model, Seq2Seq) else module_of("eager").Eager(model)
    elif isinstance(model, Seq2Seq):
        made = compile_decoder(model, folder / "g", choice.precision)
    else:
        module = module_of(choice.engine)
        made = module.open_graph(module.write(model, folder), choice.precision)
    return made, f"compiled in {time.perf_counter() - start:.1f} s"

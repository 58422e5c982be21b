"""The engines that run a network, and which of them a machine should use."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo import env
from zoo.errors import DiskError, UsageError
from zoo.inference import cache, trust
from zoo.inference.choice import Choice
from zoo.inference.engines.base import Engine
from zoo.inference.graph import Graph, NoCounterpartError
from zoo.inference.kinds import ENGINES, Kind, missing, to_get, versions

if TYPE_CHECKING:
    from zoo.models.common.base import Model

__all__ = [
    "ENGINES",
    "Choice",
    "Engine",
    "Kind",
    "build",
    "choose",
    "compile",
    "missing",
    "module_of",
    "refusal",
    "versions",
]


PRECISIONS = ("fp32", "bf16", "int8")
NO_PADDLE = ("openvino", "onnxruntime")  # engines that import no paddle, but for an encoder-decoder


def _writes(model: Any) -> bool:
    """Tells whether a network is an encoder-decoder."""
    from zoo.models.common.seq2seq import Seq2Seq

    return isinstance(model, Seq2Seq)


def _is_too_large(model: Model) -> bool:
    from zoo.inference.static import ONNX_LIMIT, weight_bytes

    return weight_bytes(model) >= ONNX_LIMIT


# Engines and precisions, which networks they cannot run, and why. `auto` passes over them.
REFUSED: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[Model], bool], str], ...] = (
    (("onnxruntime",), PRECISIONS, _writes, "generation runs in eager, paddle and openvino"),
    (("onnxruntime",), PRECISIONS, _is_too_large, "it is over ONNX's 2 GB"),
)
ASKED_FOR = "asked for"
FASTEST = ("openvino", "paddle", "onnxruntime", "eager")  # as measured; of what is installed, the first is taken

log = logging.getLogger("zoo")


def module_of(engine: str, generates: bool = False) -> ModuleType:
    """The module of an engine, which imports its package, for encoder-decoders or for all others."""
    return import_module(f"{__name__}.{engine}{'_decoder' if generates else ''}")


def choose(model: Model, engine: str = "auto", precision: str = "auto") -> Choice:
    """The fastest engine and precision that are installed, that the processor supports and that the caller allows.

    Args:
        model: the network.
        engine: "auto", or a name of ENGINES.
        precision: "auto" (bf16 where the processor multiplies in it), "fp32" or "bf16".

    Raises:
        UsageError: a name that is unknown, an engine that is not installed or cannot run this network, or a
            precision that it does not have.
    """
    check_names(engine, precision)
    if precision == "int8":
        raise UsageError(
            "precision='int8' needs a graph that was quantised, with its score checked.",
            "zoo export DIR --to openvino --precision int8 --guard DATA --out OUT, then give OUT.",
        )
    if engine != "auto":
        if reason := refusal(model, engine, precision):
            raise reason
        return Choice(engine, _precision(engine, precision), ASKED_FOR)
    passed = {name: refusal(model, name, precision) for name in FASTEST}
    found = next((name for name, reason in passed.items() if reason is None), None)
    if found is None:  # bf16, and nothing that has it
        raise UsageError(f"No engine runs this network in {precision}.", "precision='fp32'")
    faster = [name for name in FASTEST[: FASTEST.index(found)] if missing(name)]
    why = f"the fastest that is installed; {', '.join(faster)} would be faster" if faster else "the fastest"
    return Choice(found, _precision(found, precision), why)


def check_names(engine: str, precision: str) -> None:
    """Raises UsageError for an engine or a precision that is unknown, or an engine that is not installed."""
    _check("engine", engine, tuple(ENGINES))
    _check("precision", precision, PRECISIONS)
    if engine != "auto" and (lacks := missing(engine)):
        raise UsageError(f"engine='{engine}' needs {' and '.join(lacks)}.", to_get(engine))


def refusal(model: Model, engine: str, precision: str = "auto") -> UsageError | None:
    """Why an engine does not run a network in a precision; None when it does."""
    kind = ENGINES[engine]
    if lacks := missing(engine):
        return UsageError(f"engine='{engine}' needs {' and '.join(lacks)}.", to_get(engine))
    settled = _precision(engine, precision)
    for engines, kinds, is_so, why in REFUSED:
        if engine in engines and settled in kinds and is_so(model):
            return UsageError(f"engine='{engine}' does not run this network: {why}.", "engine='auto'")
    if precision not in ("auto", *kind.precisions):
        able = [name for name in FASTEST if precision in ENGINES[name].precisions]
        return UsageError(
            f"engine='{engine}' computes in {' or '.join(kind.precisions)}, not in {precision}.",
            f"precision='{kind.precisions[0]}', or engine={' or '.join(map(repr, able))}.",
        )
    return None


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in ("auto", *known):
        raise UsageError(f"{name}={value!r} is unknown.", f"One of auto, {', '.join(known)}.")


def _precision(engine: str, precision: str) -> str:
    if precision != "auto":
        return precision
    return "bf16" if "bf16" in ENGINES[engine].precisions and env.computes_bf16() else "fp32"


def compile(model: Model, engine: str = "auto", precision: str = "auto") -> Engine:
    """A network as an engine; its graph is kept on disk, see zoo/inference/cache.py.

    Args:
        model: its weights are taken as they are now. An encoder-decoder gives what has its `generate`.
        engine, precision: see `choose`.

    Raises:
        UsageError: see `choose`.
    """
    return build(model, choose(model, engine, precision)).engine


@dataclass(frozen=True)
class Built:
    """A network that was made ready.

    Attributes:
        engine: an Engine; of an encoder-decoder what has its `generate`.
        choice: what it is in the end.
        how: it came about ("compiled in 3.1 s").
        graph: its name in the cache, where it opens without the network; else empty.
    """

    engine: Any
    choice: Choice
    how: str
    graph: str = ""


def build(model: Model, choice: Choice) -> Built:
    """The engine of a choice.

    In float32 where reduced precision is wrong on this machine (see zoo/inference/trust.py), and the network as it
    is where no disk has room for its graph; both are said.
    """
    start = time.perf_counter()
    if choice.engine == "eager":
        return Built(_eager(model), choice, "as it is")
    module = module_of(choice.engine, _writes(model))
    try:
        with cache.graph_of(model, choice.engine, versions(choice.engine), module.write) as (graph, found):

            def opens(precision: str) -> Any:
                return open_graph(graph, replace(choice, precision=precision), model)

            made, chosen = trust.opened(opens, choice, model, graph.folder)
            # The decoder of an encoder-decoder takes layers of the network.
            stays = graph.folder.parent == cache.folder() and not _writes(model)
            name = graph.folder.name if stays else ""
    except NoCounterpartError as error:
        if choice.why == ASKED_FOR:
            raise
        log.warning("%s Paddle Inference computes instead.", error.message)
        other = Choice("paddle", choice.precision, "the fastest that has every operator")
        return replace(build(model, other), graph="")  # so that the next start says it too
    except DiskError as error:
        log.warning("%s The network runs uncompiled, which is slower.", error.message)
        return Built(_eager(model), Choice("eager", "fp32", "no room for a graph"), "as it is")
    how = "from the cache" if found else "compiled"
    return Built(made, chosen, f"{how} in {time.perf_counter() - start:.1f} s", name)


def _eager(model: Model) -> Any:
    return model if _writes(model) else module_of("eager").Eager(model)


def open_graph(graph: Graph, choice: Choice, model: Any) -> Any:
    """The engine of a graph on disk. Of the model no weight is used; where it does not generate the config alone.

    Raises:
        UsageError: a file of the graph is not there.
    """
    if graph.generates:
        return module_of(choice.engine, generates=True).open_graph(graph, choice.precision, model)
    return module_of(choice.engine).open_graph(replace(graph, limits=model.config.limits), choice.precision)

"""Reduced precision only where it computes what float32 does on this machine."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo import env
from zoo.inference import output_check, verdicts
from zoo.inference.choice import Choice
from zoo.inference.kinds import ENGINES, versions
from zoo.inference.verdicts import Verdict

log = logging.getLogger("zoo")

Open = Callable[[str], Any]  # a precision -> the engine of a graph


def opened(
    open_graph: Open, choice: Choice, model: Any, kept: Path, exact: Callable[[], Any] | None = None
) -> tuple[Any, Choice]:
    """The engine of a graph, in float32 where the precision that was chosen is wrong here.

    The first time a few rows are computed in both; what came out is kept, so that the next start compares nothing.

    Args:
        open_graph: opens the graph in a precision.
        choice: engine and precision.
        model: the network; whatever has its config and task where `exact` is given.
        kept: folder for the verdict.
        exact: gives what computes in float32; the network itself when None.

    Returns:
        The engine, and what it computes in.
    """
    if choice.precision == "fp32" or (choice.precision == "int8" and not env.computes_bf16()):
        return open_graph(choice.precision), choice
    verdict, made = verdicts.read(kept, choice.engine, choice.precision), None
    if verdict is None:
        made = open_graph(choice.precision)
        verdict = compared(made, choice, model, None if exact is None else exact())
        verdicts.write(kept, verdict)
    if verdict.trusted:
        return made or open_graph(choice.precision), choice
    kind = ENGINES[choice.engine]
    log.warning(
        "%s %s computes wrong numbers in %s on this processor (%s): it computes in float32 instead.",
        kind.title,
        versions(choice.engine).get(kind.packages[0], ""),
        choice.precision if choice.precision == "bf16" else "the bf16 beside int8",
        verdict,
    )
    return open_graph("fp32"), replace(choice, precision="fp32", why=f"{choice.precision} is wrong here")


def compared(run: Any, choice: Choice, model: Any, exact: Any = None) -> Verdict:
    """A few rows in reduced precision beside float32; of the indices of beams there is nothing to compare."""
    # A processor without bfloat16 simulates it, half a second for each token; a beam needs the longer rows.
    shapes = (
        output_check.FEW_SHAPES if env.computes_bf16() or model.task == "qa-beam" else output_check.FEW_SHAPES[:1]
    )
    try:
        found = output_check.compare(model, run, shapes, exact)
    except RuntimeError as error:
        log.debug("%s in %s fails: %s", choice.engine, choice.precision, error)
        return Verdict(choice.engine, choice.precision, math.nan, math.nan)
    counted = [one for name, one in found.items() if name not in output_check.BEAM_OUTPUTS]
    cosine = min((one.cosine for one in counted), key=_nan_first(1))
    largest = max((one.largest / max(one.scale, 1e-6) for one in counted), key=_nan_first(-1))
    return Verdict(choice.engine, choice.precision, cosine, largest)


def _nan_first(sign: int) -> Callable[[float], float]:
    """For min (1) and max (-1): what is no number is the worst."""
    return lambda value: -sign * math.inf if math.isnan(value) else value

"""int8 by NNCF's post-training quantisation of an OpenVINO graph: a ladder from the plain recipe to careful ones.

Needs nncf and openvino (extra `int8`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError, to_install
from zoo.inference.engines.openvino import save_model

Rows = Sequence[Mapping[str, np.ndarray]]
PROBE_ROWS = 32  # rows on which the error of single layers is measured


@dataclass(frozen=True)
class LadderStep:
    """One recipe.

    Attributes:
        name: for tables.
        smooth: how much of the activations' range SmoothQuant moves into the weights (Xiao et al. 2022, equation
            4), 0 to 1.
        fast: bias correction from statistics; else by running the quantised network layer by layer.
        kept: share of the weighted products that stay in floating point, those with the largest error first.
    """

    name: str
    smooth: float = 0.95  # NNCF's own
    fast: bool = True
    kept: float = 0.0


RECIPE_LADDER = (
    LadderStep("plain"),
    LadderStep("SmoothQuant 0.5", smooth=0.5),
    LadderStep("full bias correction", fast=False),
    LadderStep("1/10 of the layers kept", kept=0.1),
    LadderStep("1/4 of the layers kept", kept=0.25),
    LadderStep("1/2 of the layers kept", kept=0.5),
)


def climb(
    source: Path,
    folder: Path,
    rows: Rows,
    judge: Callable[[LadderStep, Path], float],
    enough: Callable[[float], bool],
) -> Path | None:
    """Tries the recipes of RECIPE_LADDER until one is good enough.

    The recipes that keep layers build on the best of those before them.

    Args:
        source: model.xml in float32.
        folder: is given a folder for each recipe, with model.xml and model.bin.
        rows: to calibrate on, one row each: arrays [1, T] by the graph's names.
        judge: the metric of a recipe's folder, higher is better.
        enough: whether a metric will do.

    Returns:
        The folder that was good enough, or None.

    Raises:
        UsageError: nncf or openvino is not installed.
    """
    nncf, openvino = _packages()
    core = openvino.Core()
    tried: list[tuple[float, LadderStep, Path]] = []
    for number, rung in enumerate(RECIPE_LADDER):
        model, ignored = core.read_model(source), []
        if rung.kept and tried:
            _, best, place = max(tried, key=lambda one: one[0])
            order = sensitive(core.read_model(source), core.read_model(place / "model.xml"), rows[:PROBE_ROWS])
            ignored = order[: max(1, round(rung.kept * len(order)))]
            rung = LadderStep(f"{rung.name} ({len(ignored)} of {len(order)})", best.smooth, best.fast, rung.kept)
        place = folder / f"int8-{number}"
        place.mkdir()
        made = _quantised(nncf, model, rows, rung, ignored)
        save_model(made, place)
        value = judge(rung, place)
        if enough(value):
            return place
        if not rung.kept:
            tried.append((value, rung, place))
    return None


def sensitive(model: Any, quantised: Any, rows: Rows) -> list[str]:
    """The products with weights of a graph, those that add the most error first.

    What a layer adds is the relative error of its output less that of its input, over the same rows.

    Args:
        model, quantised: openvino.Model, of which the second was made from the first; both are changed.
    """
    _, openvino = _packages()
    layers = _weighted(model)
    taps = list(dict.fromkeys(tap for name, before in layers.items() for tap in (before, (name, 0))))
    error, norm = np.zeros(len(taps)), np.zeros(len(taps))
    runs = [openvino.compile_model(_tapped(each, taps), "CPU") for each in (model, quantised)]
    for row in rows:
        exact, rounded = (list(run(dict(row)).values())[-len(taps) :] for run in runs)
        error += [float(np.square(a - b).sum()) for a, b in zip(exact, rounded, strict=True)]
        norm += [float(np.square(a).sum()) for a in exact]
    share = dict(zip(taps, np.sqrt(error / np.maximum(norm, 1e-30)), strict=True))
    return sorted(layers, key=lambda name: float(share[layers[name]] - share[(name, 0)]))


def _weighted(model: Any) -> dict[str, tuple[str, int]]:
    """Name of each product with weights -> name and output of the node that its other side comes from."""
    found = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        sides = [node.input_value(n) for n in range(2)]
        constant = [side.get_node().get_type_name() == "Constant" for side in sides]
        if sum(constant) == 1:
            data = sides[constant.index(False)]
            found[node.get_friendly_name()] = (data.get_node().get_friendly_name(), data.get_index())
    return found


def _tapped(model: Any, taps: Sequence[tuple[str, int]]) -> Any:
    """The graph with some inner values as outputs after its own."""
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    for name, index in taps:
        model.add_outputs([nodes[name].output(index)])
    return model


def _quantised(nncf: Any, model: Any, rows: Rows, rung: LadderStep, ignored: Sequence[str]) -> Any:
    return nncf.quantize(
        model,
        nncf.Dataset([dict(row) for row in rows]),
        model_type=nncf.ModelType.TRANSFORMER,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(rows),
        fast_bias_correction=rung.fast,
        ignored_scope=nncf.IgnoredScope(names=list(ignored)),
        advanced_parameters=_advanced(nncf, rung),
    )


def _advanced(nncf: Any, rung: LadderStep) -> Any:
    from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters

    return nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=rung.smooth)
    )


def _packages() -> tuple[Any, Any]:
    os.environ.setdefault("NNCF_CI", "1")  # else it reports its use to its makers, unasked
    try:
        import nncf
        import openvino
    except ImportError:
        raise UsageError("int8 needs nncf and openvino.", to_install("int8")) from None
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own set_log_level changes handlers of others
    return nncf, openvino

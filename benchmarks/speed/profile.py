"""Where a forward pass goes in OpenVINO, by kind of operation: `python -m benchmarks.speed.profile [--save]`

Random weights: XLM-R base and Funnel small at two shapes, and a BERT of MiniLM's size with short rows. Graph and
options are those that a pipeline takes; OpenVINO's own counters are switched on. A minute.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from benchmarks import common
from benchmarks.speed.funnel import FUNNELS, SHAPES, XLMR
from zoo import env
from zoo.inference.engines import module_of
from zoo.inference.engines.openvino import compiled
from zoo.models.common.base import Model
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.funnel.model import build as build_funnel
from zoo.models.structbert.config import Config as BertConfig
from zoo.models.structbert.model import build as build_bert
from zoo.models.xlmr.config import Config as XLMRConfig
from zoo.models.xlmr.model import build as build_xlmr

COMMAND = "python -m benchmarks.speed.profile"
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536, "model_type": "bert"}
SHORT_ROWS = ((128, 32),)
WARM = 3
LEAST_SHARE = 0.01
# Operations of OpenVINO -> what they are.
KINDS = {
    "FullyConnected": "products with weights, and the GELU behind them",
    "MatMul": "other products",
    "Subgraph": "attention, fused",
    "ScaledDotProductAttention": "attention, fused",
    "Softmax": "softmax",
    "MVN": "norms",
    "Add": "sums",
    "Eltwise": "sums",
    "Gather": "look-ups and Funnel's shift",
    **dict.fromkeys(("Reorder", "Transpose", "Reshape", "Concatenation", "StridedSlice"), "copies"),
}


def networks() -> dict[str, tuple[Model, tuple[tuple[int, int], ...]]]:
    """The networks and the shapes that they are given."""
    funnels = {
        name: build_funnel(FunnelConfig.from_dict({"architectures": [kind]})) for name, kind in FUNNELS.items()
    }
    bases: dict[str, Model] = {"XLM-R base": build_xlmr(XLMRConfig.from_dict(XLMR)), **funnels}
    minilm = build_bert(BertConfig.from_dict(MINILM))
    return {**{name: (model, SHAPES) for name, model in bases.items()}, "MiniLM's size": (minilm, SHORT_ROWS)}


def shares(request: Any, given: Mapping[str, np.ndarray], rounds: int) -> Counter[tuple[str, str]]:
    """Seconds by kind of operation and what it computes in."""
    spent: Counter[tuple[str, str]] = Counter()
    for n in range(WARM + rounds):
        request.infer(given)
        for step in request.profiling_info if n >= WARM else ():
            kind = KINDS.get(step.node_type, step.node_type)
            spent[kind, step.exec_type.rpartition("_")[2].lower()] += step.real_time.total_seconds()
    return spent


def measure(rounds: int) -> list[dict[str, object]]:
    """A row for each network, shape, precision and kind."""
    rows: list[dict[str, object]] = []
    for name, (model, shapes) in networks().items():
        with tempfile.TemporaryDirectory() as folder:
            graph = module_of("openvino").write(model.eval(), Path(folder))
            read = openvino.Core().read_model(Path(folder) / "model.xml")
            for precision in ("fp32", "bf16") if env.computes_bf16() else ("fp32",):
                request = compiled(read, precision, PERF_COUNT=True).create_infer_request()
                for batch, length in shapes:
                    ids = np.random.default_rng(length).integers(5, 30000, (batch, length))
                    given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids * 0}
                    spent = shares(request, {part: given[part] for part in graph.inputs}, rounds)
                    for (kind, computed), seconds in spent.most_common():
                        if (share := seconds / spent.total()) >= LEAST_SHARE:
                            about = {"network": name, "batch": batch, "length": length, "precision": precision}
                            rows.append({**about, "kind": kind, "computes": computed, "share": round(share, 3)})
                            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measures, prints, and with --save writes results/profile.*"""
    given = common.parser(COMMAND, __doc__, 10).parse_args()
    rows = measure(given.rounds)
    if given.save:
        print(f"wrote {common.write('profile', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

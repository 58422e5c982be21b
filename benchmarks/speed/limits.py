"""What this machine can do at most: `python -m benchmarks.speed.limits [--save]`, a minute.

Matrix products in each precision, by OpenVINO and by torch, with weights of a base network's feed-forward layer and
with large squares; and how fast memory is read. docs/results/limits.md compares what is measured elsewhere with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import openvino
import torch
from openvino import opset13

from benchmarks import common
from zoo import env
from zoo.inference.engines.openvino import compiled

COMMAND = "python -m benchmarks.speed.limits"
SHAPES = {"1024 x 768 by 768 x 3072": (1024, 768, 3072), "2048 x 2048 by 2048 x 2048": (2048, 2048, 2048)}
TORCH = {"fp32": torch.float32, "bf16": torch.bfloat16}
CALLS = 20  # products in a timed run
READ = 1 << 28  # float32 numbers, 1 GB


def by_openvino(shape: tuple[int, int, int], precision: str) -> Callable[[], object]:
    """A product with a constant, as a layer has it."""
    rows, inner, columns = shape
    weights = np.random.default_rng(0).standard_normal((inner, columns), dtype="float32")
    given = opset13.parameter([-1, inner], np.float32)
    model = openvino.Model([opset13.matmul(given, opset13.constant(weights), False, False)], [given])
    request = compiled(model, precision).create_infer_request()
    batch = np.ones((rows, inner), "float32")
    return lambda: [request.infer([batch], share_inputs=True, share_outputs=True) for _ in range(CALLS)]


def by_torch(shape: tuple[int, int, int], precision: str) -> Callable[[], object]:
    """The same in torch."""
    rows, inner, columns = shape
    given, weights = (torch.ones(size, dtype=TORCH[precision]) for size in ((rows, inner), (columns, inner)))

    @torch.inference_mode()
    def run() -> None:
        for _ in range(CALLS):
            torch.nn.functional.linear(given, weights)

    return run


def products(rounds: int) -> list[dict[str, object]]:
    """A row for each shape, library and precision, with GFLOP per second."""
    runs = {
        (label, library, precision): make(shape, precision)
        for label, shape in SHAPES.items()
        for precision in (("fp32", "bf16") if env.computes_bf16() else ("fp32",))
        for library, make in (("openvino", by_openvino), ("torch", by_torch))
    }
    found = common.interleave({"; ".join(key): run for key, run in runs.items()}, rounds)
    rows: list[dict[str, object]] = []
    for key in runs:
        label, library, precision = key
        rate = CALLS * 2 * float(np.prod(SHAPES[label])) / found["; ".join(key)].median / 1e9
        rows.append(
            {"what": label, "by": library, "precision": precision, "rate": round(rate, 1), "unit": "GFLOP/s"}
        )
    return rows


def memory(rounds: int) -> dict[str, object]:
    """The row of a sum over 1 GB."""
    numbers = torch.ones(READ)
    timing = common.interleave({"read": partial(torch.sum, numbers)}, rounds)["read"]
    rate = round(4 * READ / timing.median / 1e9, 1)
    return {"what": "memory is read", "by": "torch", "precision": "fp32", "rate": rate, "unit": "GB/s"}


def main() -> None:
    """Measures, prints, and with --save writes results/limits.*"""
    given = common.parser(COMMAND, __doc__, 9).parse_args()
    torch.set_num_threads(env.use_all_cores())
    rows = [*products(given.rounds), memory(given.rounds)]
    for row in rows:
        print(row, flush=True)
    if given.save:
        print(f"wrote {common.write('limits', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

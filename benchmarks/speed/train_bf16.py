"""Whether training can compute in bfloat16 on this processor: `python -m benchmarks.speed.train_bf16 [--save]`

A Linear of a base network's feed-forward layer, forward and backward, by paddle and by torch: in float32, under
autocast, and with everything in bfloat16; paddle's also with oneDNN switched on. A minute.
"""

from __future__ import annotations

from collections.abc import Callable

import paddle
import torch

from benchmarks import common
from zoo import env

COMMAND = "python -m benchmarks.speed.train_bf16"
ROWS, WIDTH, INNER = 1024, 768, 3072
FLOPS = 3 * 2 * ROWS * WIDTH * INNER  # the product, and two for its gradients
ONEDNN = "FLAGS_use_mkldnn"


def by_paddle(kind: str) -> Callable[[], str]:
    """An update of paddle; returns the dtype that was computed in."""
    dtype = "bfloat16" if kind == "all bfloat16" else "float32"
    layer = paddle.nn.Linear(WIDTH, INNER)
    layer.to(dtype=dtype)
    given = paddle.ones([ROWS, WIDTH], dtype)
    given.stop_gradient = False

    def run() -> str:
        with paddle.amp.auto_cast(kind == "autocast", dtype="bfloat16", level="O1"):
            out = layer(given)
        out.sum().backward()
        return str(out.dtype).removeprefix("paddle.")

    return run


def by_torch(kind: str) -> Callable[[], str]:
    """The same of torch."""
    dtype = torch.bfloat16 if kind == "all bfloat16" else torch.float32
    layer = torch.nn.Linear(WIDTH, INNER, dtype=dtype)
    given = torch.ones(ROWS, WIDTH, dtype=dtype, requires_grad=True)

    def run() -> str:
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
            out = layer(given)
        out.sum().backward()
        return str(out.dtype).removeprefix("torch.")

    return run


def measured(library: str, kind: str, onednn: bool, rounds: int) -> dict[str, object]:
    """A row: what was computed in and how fast, or why not."""
    row: dict[str, object] = {"library": library, "kind": kind, "oneDNN": onednn}
    if library == "paddle":
        paddle.set_flags({ONEDNN: onednn})
    try:
        run = (by_paddle if library == "paddle" else by_torch)(kind)
        computed = run()
        timing = common.interleave({kind: run}, rounds, warmup=3)[kind]
    except Exception as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        return {**row, "computes": "", "GFLOP/s": None, "error": next((x for x in said if "Error" in x), said[0])}
    finally:
        paddle.set_flags({ONEDNN: False})
    return {**row, "computes": computed, "GFLOP/s": round(FLOPS / timing.median / 1e9, 1), "error": ""}


def main() -> None:
    """Measures, prints, and with --save writes results/train_bf16.*"""
    given = common.parser(COMMAND, __doc__, 15).parse_args()
    torch.set_num_threads(env.use_all_cores())
    rows = []
    for kind in ("float32", "autocast", "all bfloat16"):
        for library, onednn in (("paddle", False), ("paddle", True), ("torch", True)):
            rows.append(measured(library, kind, onednn, given.rounds))
            print(rows[-1], flush=True)
    if given.save:
        print(f"wrote {common.write('train_bf16', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

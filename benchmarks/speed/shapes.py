"""Memory over 1,000 different shapes of a batch, real weights of MiniLM: for every engine and precision.

Memory that stays flat after the first hundred shapes is what a service needs. Each side has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import common

COMMAND = "python -m benchmarks.speed.shapes"
MODEL = "all-MiniLM-L6-v2"
SIDES = ("paddle fp32", "paddle bf16", "openvino fp32", "openvino bf16", "onnxruntime fp32")
ROWS, LENGTH = 16, 66  # the largest batch
EVERY = 50
SETTLED = 100  # shapes after which memory should not grow
MB = 2**20


def shapes(count: int) -> list[tuple[int, int]]:
    """Different (batch, length), in an order without a pattern."""
    every = [(b, t) for b in range(1, ROWS + 1) for t in range(4, LENGTH + 1)]
    order = np.random.default_rng(0).permutation(len(every))
    return [(ROWS, LENGTH), *(every[n] for n in order if every[n] != (ROWS, LENGTH))][:count]  # the largest first


def rss() -> float:
    """Memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def child(side: str, count: int) -> None:
    """Runs the shapes, and prints a line of JSON every EVERY of them."""
    from zoo import load
    from zoo.inference.engines import compile

    engine, precision = side.split()
    run = compile(load(MODEL), engine, precision)
    random = np.random.default_rng(1)
    start, tokens = time.perf_counter(), 0
    for n, shape in enumerate(shapes(count), 1):
        ids = random.integers(1000, 30000, shape)
        run({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})
        tokens += ids.size
        if n % EVERY == 0:
            seconds = time.perf_counter() - start
            print(json.dumps({"shapes": n, "MB": round(rss()), "tokens per second": round(tokens / seconds)}))
            sys.stdout.flush()
            start, tokens = time.perf_counter(), 0


def measure(sides: tuple[str, ...], count: int) -> list[dict[str, object]]:
    """A row for each side and every EVERY shapes."""
    rows: list[dict[str, object]] = []
    for side in sides:
        command = [sys.executable, "-m", "benchmarks.speed.shapes", "--child", side, "--count", str(count)]
        lines = [json.loads(line) for line in common.run_process(command).output.splitlines() if line[:1] == "{"]
        engine, precision = side.split()
        rows += [{"engine": engine, "precision": precision, **line} for line in lines]
        settled = next(line["MB"] for line in lines if line["shapes"] >= SETTLED)
        common.compare(f"{side}: memory after {count} shapes and after {SETTLED}", lines[-1]["MB"], settled, " MB")
    return rows


def main() -> None:
    """Measures and writes benchmarks/results/shapes.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", choices=SIDES, action="append", help="only this; may be repeated; writes nothing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.count)
        return
    rows = measure(tuple(arguments.side or SIDES), arguments.count)
    if not arguments.side:
        common.write("shapes", COMMAND, rows)


if __name__ == "__main__":
    main()

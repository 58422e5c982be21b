"""Seconds after imports until a BERT-base-size network answers: compiled anew, and from the compile cache.

Random weights, real tokenizer (MiniLM's), every start in a fresh process. The goal is 2 s from the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import common

COMMAND = "python -m benchmarks.speed.cold_start"
GOAL = 2.0
SIDES = ("paddle fp32", "paddle bf16", "openvino fp32", "openvino bf16", "onnxruntime fp32")
PACKAGES = {"openvino": "openvino", "onnxruntime": "onnxruntime", "paddle": "paddle.inference"}


def make(folder: Path) -> None:
    """Writes a BERT-base classifier with random weights."""
    import paddle

    from zoo import load
    from zoo.models.common.base import Origin
    from zoo.models.structbert.config import Config
    from zoo.models.structbert.model import build

    paddle.seed(0)
    model = build(Config.from_dict({}), "classification")
    origin = load("all-MiniLM-L6-v2").origin
    assert origin is not None
    model.origin = Origin(
        "structbert", "BertForSequenceClassification", "zoo.models.structbert", origin.folder, None
    )
    model.save(folder)


def child(folder: str, side: str) -> None:
    """Starts once, and prints what it took as a line of JSON."""
    from importlib import import_module

    from zoo.inference.deployed import deploy
    from zoo.inference.engines import module_of

    engine, precision = side.split()
    import_module(PACKAGES[engine])
    module_of(engine)
    start, used = time.perf_counter(), time.process_time()
    deployed = deploy(folder, None, engine, precision)
    ready, cpu = time.perf_counter() - start, time.process_time() - used
    deployed.engine(deployed.tokenizer(["A short text."], return_tensors="np"))
    answered = time.perf_counter() - start
    print(json.dumps({"ready": ready, "cpu": cpu, "answered": answered, "summary": deployed.summary}))


def measure(rounds: int) -> list[dict[str, object]]:
    """A row for each engine and precision."""
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as work:
        make(Path(work, "model"))
        first = {side: _start(work, side) for side in SIDES}
        later: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                later[side].append(_start(work, side))
    for side in SIDES:
        ready, cpu, answered = (
            statistics.median(start[what] for start in later[side]) for what in ("ready", "cpu", "answered")
        )
        engine, precision = side.split()
        common.compare(f"{side}: ready from the cache, and the goal", ready, GOAL, " s")
        rows.append(
            {
                "engine": engine,
                "precision": precision,
                "first start s": round(first[side]["ready"], 2),
                "ready s": round(ready, 2),
                "least ready s": round(min(start["ready"] for start in later[side]), 2),
                "ready, cpu s": round(cpu, 2),
                "answered s": round(answered, 2),
                "rounds": rounds,
                "load": round(os.getloadavg()[0], 1),
                "within goal": ready < GOAL,
            }
        )
    return rows


def _start(work: str, side: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.speed.cold_start", "--child", f"{work}/model", side]
    # A home for each side: bf16 and fp32 use the same graph, and each first start shall compile.
    output = common.run_process(command, {"ZOO_HOME": f"{work}/home {side}"}).output
    return json.loads(next(line for line in output.splitlines() if line[:1] == "{"))


def main() -> int:
    """Measures, writes benchmarks/results/cold_start.*, and fails if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return 0
    rows = measure(arguments.rounds)
    common.write("cold_start", COMMAND, rows)
    return 0 if all(row["within goal"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

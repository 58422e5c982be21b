"""int8 beside bfloat16 in OpenVINO at BERT-base's size: `python -m benchmarks.speed.int8`

Random weights and ids, so speed only; what int8 costs in score is for the gate of `zoo export`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import paddle

from benchmarks import common
from zoo.export import quantise
from zoo.inference.engines import Choice, module_of, open_graph
from zoo.models.structbert.config import Config
from zoo.models.structbert.model import build

COMMAND = "python -m benchmarks.speed.int8"
SHAPES = ((8, 128), (32, 32), (1, 64))
WORDS = 2000  # the vocabulary does not count: its rows are looked up
CALIBRATION = (16, 64)


def batch(rows: int, length: int) -> dict[str, np.ndarray]:
    """Random ids [B, T], nothing padded."""
    ids = np.random.default_rng(rows * 1000 + length).integers(5, WORDS, (rows, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def main() -> None:
    """Times both, writes results/int8_speed.*"""
    argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0]).parse_args()
    paddle.seed(0)
    config = Config.from_dict({"model_type": "bert", "architectures": ["BertModel"], "vocab_size": WORDS})
    model = build(config, None).eval()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "exact")
        folder.mkdir()
        graph = module_of("openvino").write(model, folder)
        count, length = CALIBRATION
        rows = [{name: ids[n : n + 1] for name, ids in batch(count, length).items()} for n in range(count)]
        small = quantise.climb(folder / "model.xml", Path(scratch), rows, lambda *_: 0.0, lambda _: True)
        assert small is not None
        graphs = {"bf16": graph, "int8": replace(graph, folder=small)}
        runs = {name: open_graph(each, Choice("openvino", name, ""), model) for name, each in graphs.items()}
        found = []
        for shape in SHAPES:
            given = batch(*shape)
            timed = {name: partial(run, given) for name, run in runs.items()}
            times = common.interleave(timed, rounds=9)
            label = f"{shape[0]} x {shape[1]}: bf16 over int8"
            common.compare(label, times["bf16"].median, times["int8"].median, " s")
            found.append(
                {
                    "batch": shape[0],
                    "length": shape[1],
                    **{f"{name}_ms": round(1000 * timing.median, 2) for name, timing in times.items()},
                    "times_bf16": round(times["bf16"].median / times["int8"].median, 3),
                    "times_bf16_least": round(times["bf16"].least / times["int8"].least, 3),
                }
            )
    print(f"wrote {common.write('int8_speed', COMMAND, found).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

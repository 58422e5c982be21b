"""Exported Funnel against the same model run eagerly. `python -m benchmarks.speed.funnel_export`

Every length from 5 to 40 and around 128 and 512, with padding and two segments; random weights. A tiny network goes
through all batches, heads and kinds of attention; one of funnel-transformer/small's size through fewer of them.
Equal is within 1e-5. Needs paddle2onnx and onnxruntime (the extra `export`); without them ONNX is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import paddle

from benchmarks import common
from zoo.inference.engines.paddle import PaddleInference
from zoo.inference.static import fields, to_onnx, to_static
from zoo.models.common.base import Model
from zoo.models.funnel.config import Config
from zoo.models.funnel.model import build

COMMAND = "python -m benchmarks.speed.funnel_export"
LENGTHS = (*range(5, 41), 127, 128, 129, 511, 512)
TINY = {"block_sizes": [1, 2, 1], "d_model": 24, "n_head": 3, "d_head": 8, "d_inner": 40}
KINDS = ("relative_shift", "factorized")
HEADS = ("classification", "tagging", "qa")
BASE, FULL = "FunnelBaseModel", "FunnelModel"
BARE = [(architecture, kind, None) for architecture in (BASE, FULL) for kind in KINDS]
LIMIT = 1e-5
# size: its config, the networks, the shapes. At true size every length once, and every batch at one length.
SETS: dict[str, tuple[dict, list, list[tuple[int, int]]]] = {
    "tiny": (
        TINY,
        BARE + [(FULL, kind, head) for kind in KINDS for head in HEADS],
        [(rows, length) for length in LENGTHS for rows in (1, 2, 7)],
    ),
    "small": (
        {},
        [(BASE, KINDS[0], None), (FULL, KINDS[0], None)],
        [*((2, n) for n in LENGTHS), (1, 128), (7, 128)],
    ),
}
Run = Callable[[Mapping[str, np.ndarray]], Sequence[np.ndarray]]


def batch(rows: int, length: int) -> dict[str, np.ndarray]:
    """Every row but the first ends in padding."""
    ids = np.random.default_rng(rows * 1000 + length).integers(5, 30000, (rows, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    types[:, length // 2 :], types[:, 0] = 1, 2
    for row in range(1, rows):
        mask[row, -min(row * length // 8 + 1, length - 1) :] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def eager(model: Model) -> Run:
    def run(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with paddle.no_grad():
            output = model(**{name: paddle.to_tensor(array) for name, array in given.items()})
        return [tensor.numpy() for tensor in fields(output, model.task).values()]

    return run


def engines(model: Model, folder: Path) -> dict[str, Run]:
    """The exported model, by what runs it."""
    compiled = PaddleInference(to_static(model, folder / "static"))
    found: dict[str, Run] = {"Paddle Inference": lambda given: tuple(compiled(given).values())}
    if find_spec("paddle2onnx") and find_spec("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # paddle2onnx leaves constants behind, and each would be named
        session = onnxruntime.InferenceSession(str(to_onnx(model, folder / "model.onnx")), options)
        found["onnxruntime"] = lambda given: session.run(None, dict(given))
    return found


def compare(size: str, architecture: str, kind: str, task: str | None) -> list[dict[str, object]]:
    """A row for each engine: the largest difference over all shapes, and the shape where it is."""
    changes, _, shapes = SETS[size]
    paddle.seed(1)
    model = build(
        Config.from_dict({**changes, "architectures": [architecture], "attention_type": kind}), task
    ).eval()
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as folder:
        reference = eager(model)
        expected = {shape: reference(batch(*shape)) for shape in shapes}
        for engine, run in engines(model, Path(folder)).items():
            worst, at, ours, theirs = -1.0, shapes[0], 0.0, 0.0
            for shape in shapes:
                for got, wanted in zip(run(batch(*shape)), expected[shape], strict=True):
                    difference = np.abs(got - wanted)
                    place = int(difference.argmax())
                    if float(difference.max()) > worst:
                        worst, at = float(difference.max()), shape
                        ours, theirs = float(got.flat[place]), float(wanted.flat[place])
            name = f"{size} {architecture}, {kind}, {task or 'no head'}, {engine}"
            print(
                f"{name}: at {at} ours {ours:.7g}, eager {theirs:.7g}, largest difference {worst:.2g}", flush=True
            )
            rows.append(
                {
                    "size": size,
                    "architecture": architecture,
                    "attention": kind,
                    "task": task,
                    "engine": engine,
                    "shapes": len(shapes),
                    "worst shape": f"{at[0]} x {at[1]}",
                    "ours": ours,
                    "eager": theirs,
                    "difference": worst,
                    "within 1e-5": worst <= LIMIT,
                }
            )
    return rows


def main() -> None:
    """Compares everything, writes results/funnel_export.*"""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.parse_args()
    rows = [row for size, (_, cases, _) in SETS.items() for case in cases for row in compare(size, *case)]
    print(f"wrote {common.write('funnel_export', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

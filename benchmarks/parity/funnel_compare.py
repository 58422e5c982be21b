"""Forward and backward of funnel-transformer/xlarge at its true size, beside a published Paddle port's figures.

    python -m benchmarks.parity.funnel_compare [--name funnel-transformer/xlarge]

The port printed the difference to transformers of the last hidden state of one sentence, and of the gradient of the
word embeddings of its sum. The first row has the same sentence and the same four figures; the second has 2 x 128
random ids with segments, the second text with 32 of padding, which the port did not try. The port had the published
weights, here they are random (those of conversion/random_snapshot.py). How far each library is from float64 says
what rounding alone makes of these weights. Writes benchmarks/results/funnel_compare.{json,csv}. Takes about
10 GB of memory.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import torch

from benchmarks.common import write
from conversion import random_snapshot
from conversion.reference import load_original, reference_of
from zoo import env, load, registry
from zoo.cards import Card
from zoo.checkpoint import forward
from zoo.models.common.base import Model
from zoo.models.common.weights import disk_names
from zoo.models.funnel.keymap import KEYMAP

NAME = "funnel-transformer/xlarge"
PORT = {
    "forward_mean": 3.7627e-07,
    "forward_max": 5.7220e-06,
    "backward_mean": 1.6635152e-08,
    "backward_max": 3.5858154e-04,
}
WORDS = "encoder.embeddings.word.weight"
Arrays = dict[str, np.ndarray]
Run = tuple[np.ndarray, Arrays]  # last hidden state, gradients by our names


def sentence() -> Arrays:
    """The port's "it is a nice day today!"."""
    return {"input_ids": np.array([[101, 2009, 2003, 1037, 3835, 2154, 2651, 999, 102]])}


def padded(length: int = 128, padding: int = 32) -> Arrays:
    rng = np.random.default_rng(0)
    mask = np.ones((2, length), "int64")
    mask[1, length - padding :] = 0
    types = (np.arange(length) >= length // 2).astype("int64") * np.ones((2, 1), "int64")
    types[:, 0] = 2
    ids = rng.integers(1000, 30000, (2, length))
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types * mask}


CASES = {"the port's sentence": sentence(), "2 x 128, padded, two segments": padded()}


def original(model: torch.nn.Module, inputs: Mapping[str, np.ndarray], store: Path) -> Run:
    """transformers' network, forward and backward. The gradients wait on disk."""
    model.zero_grad(set_to_none=True)
    out = model(**{k: torch.from_numpy(v) for k, v in inputs.items()}).last_hidden_state
    out.sum().backward()
    found = {name: p.grad.numpy() for name, p in model.named_parameters()}
    grads: Arrays = {}
    for step in KEYMAP.plan(found).steps:
        grads |= {n: kept(store / f"{n}.npy", a) for n, a in forward(step, found.__getitem__).items()}
    return out.detach().numpy(), grads


def kept(path: Path, array: np.ndarray) -> np.ndarray:
    """The array, from a file."""
    path.parent.mkdir(exist_ok=True)
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def ours(model: Model, inputs: Mapping[str, np.ndarray]) -> Run:
    """Our network, forward and backward; the gradients are gone with the next call."""
    model.clear_gradients(set_to_zero=False)
    out = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}).last_hidden_state
    out.sum().backward()
    return out.numpy(), {name: tensor.grad.numpy() for name, tensor in disk_names(model).items()}


def apart(one: Run, other: Run) -> dict[str, float]:
    """The four figures of the port."""
    gaps = {"forward": np.abs(one[0] - other[0]), "backward": np.abs(one[1][WORDS] - other[1][WORDS])}
    return {
        f"{way}_{kind}": float(getattr(np, kind)(gap, **({"dtype": np.float64} if kind == "mean" else {})))
        for way, gap in gaps.items()
        for kind in ("mean", "max")
    }


def every_gradient(one: Arrays, other: Arrays) -> dict[str, float]:
    """Of all parameters: the mean and the largest difference, and the largest gradient."""
    gaps = [np.abs(one[name] - array) for name, array in other.items()]
    total = sum(float(gap.sum(dtype=np.float64)) for gap in gaps)
    return {
        "gradients_mean": total / sum(gap.size for gap in gaps),
        "gradients_max": max(float(gap.max()) for gap in gaps),
        "largest_gradient": max(float(np.abs(array).max()) for array in other.values()),
    }


def measure(card: Card, folder: Path) -> list[dict[str, Any]]:
    """A row for each case. One network is in memory at a time."""
    random_snapshot.write(card, folder / "upstream")
    gc.collect()
    network = load_original(reference_of(card.family), card.architecture, folder / "upstream").eval()
    theirs = {name: original(network, inputs, folder / str(n)) for n, (name, inputs) in enumerate(CASES.items())}
    del network
    gc.collect()
    model = load(folder / "upstream")
    rows: dict[str, dict[str, Any]] = {}
    mine: dict[str, Run] = {}
    for name, inputs in CASES.items():
        run = ours(model, inputs)
        rows[name] = {"name": card.name, "case": name, **apart(run, theirs[name])}
        rows[name] |= every_gradient(run[1], theirs[name][1])
        mine[name] = run[0], {WORDS: run[1][WORDS].copy()}
        del run
    model.clear_gradients(set_to_zero=False)
    model.to(dtype="float64")
    for name, inputs in CASES.items():
        run = ours(model, inputs)
        rows[name] |= {f"{k}_ours_from_float64": v for k, v in apart(mine[name], run).items()}
        rows[name] |= {f"{k}_torch_from_float64": v for k, v in apart(theirs[name], run).items()}
        rows[name] |= {"mean_output": float(np.abs(run[0]).mean()), "largest_output": float(np.abs(run[0]).max())}
        del run
    rows["the port's sentence"] |= {f"port_{key}": value for key, value in PORT.items()}
    return list(rows.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--name", default=NAME)
    card = registry.info(parser.parse_args().name)
    torch.set_num_threads(env.use_all_cores())
    with tempfile.TemporaryDirectory(prefix="zoo-compare-") as work:
        rows = measure(card, Path(work))
    if card.name == NAME:
        write("funnel_compare", "python -m benchmarks.parity.funnel_compare", rows)
    for row in rows:
        for key, port in PORT.items():
            away = f"from float64: ours {row[f'{key}_ours_from_float64']:.3g}"
            away += f", torch {row[f'{key}_torch_from_float64']:.3g}"
            print(f"{row['case']}, {key}: ours {row[key]:.3g}, the port {port:.3g} ({away})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Forward and backward of funnel-transformer/xlarge at its true size, beside a published Paddle port's figures.

    python -m benchmarks.funnel_compare [--name funnel-transformer/xlarge]

The port compared the published weights on inputs it does not name; here the weights are random (those of
conversion/random_snapshot.py), and the inputs are 2 x 128 random ids with segments, the second row with 32 of
padding. The differences are over the last hidden state, and over the gradients of every parameter of the mean of
squares of that state. Writes benchmarks/results/funnel_compare.{json,csv}; ends with an error if ours are larger.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from pathlib import Path

import numpy as np
import paddle
import torch

from benchmarks.common import write
from conversion import random_snapshot
from conversion.reference import load_original, reference_of
from zoo import env, load, registry
from zoo.checkpoint import forward
from zoo.models.common.weights import disk_names
from zoo.models.funnel.keymap import KEYMAP

PORT = {
    "forward_mean": 3.7627e-07,
    "forward_max": 5.7220e-06,
    "backward_mean": 1.6635152e-08,
    "backward_max": 3.5858154e-04,
}
LENGTH, PADDING = 128, 32


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.ones((2, LENGTH), "int64")
    mask[1, LENGTH - PADDING :] = 0
    types = (np.arange(LENGTH) >= LENGTH // 2).astype("int64") * np.ones((2, 1), "int64")
    types[:, 0] = 2
    ids = rng.integers(1000, 30000, (2, LENGTH))
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types * mask}


def run_original(family: str, architecture: str, folder: Path, store: Path) -> tuple[np.ndarray, list[str], float]:
    """The last state, the names of the parameters, and the loss; gradients go to disk: two networks do not fit."""
    model = load_original(reference_of(family), architecture, folder)
    out = model(**{k: torch.from_numpy(v) for k, v in inputs().items()}).last_hidden_state
    loss = out.square().mean()
    loss.backward()
    names = []
    for name, parameter in model.named_parameters():
        np.save(store / f"{name}.npy", parameter.grad.numpy())
        names.append(name)
    return out.detach().numpy(), names, float(loss)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--name", default="funnel-transformer/xlarge")
    card = registry.find(parser.parse_args().name)
    env.use_all_cores()
    torch.set_num_threads(env.cores())
    with tempfile.TemporaryDirectory(prefix="zoo-compare-") as work:
        folder, store = Path(work) / "upstream", Path(work)
        random_snapshot.write(card, folder)
        gc.collect()
        want, names, loss = run_original(card.family, card.architecture, folder, store)
        gc.collect()
        model = load(folder)
        out = model(**{k: paddle.to_tensor(v) for k, v in inputs().items()}).last_hidden_state
        mine = out.square().mean()
        mine.backward()
        grads = {k: t.grad for k, t in disk_names(model).items()}
        total, count, largest, biggest = 0.0, 0, 0.0, 0.0
        for step in KEYMAP.plan(names).steps:
            for name, array in forward(step, lambda key: np.load(store / f"{key}.npy")).items():
                apart = np.abs(grads[name].numpy() - array)
                total, count = total + float(apart.sum(dtype=np.float64)), count + apart.size
                largest, biggest = max(largest, float(apart.max())), max(biggest, float(np.abs(array).max()))
    apart = np.abs(out.numpy() - want)
    row = {
        "name": card.name,
        "forward_mean": float(apart.mean(dtype=np.float64)),
        "forward_max": float(apart.max()),
        "backward_mean": total / count,
        "backward_max": largest,
        "largest_output": float(np.abs(want).max()),
        "largest_gradient": biggest,
        "loss_torch": loss,
        "loss_paddle": float(mine),
        "parameters": count,
    }
    if card.name == "funnel-transformer/xlarge":
        write("funnel_compare", "python -m benchmarks.funnel_compare", [{**row, "port": PORT}])
    for key, port in PORT.items():
        print(f"{key}: ours {row[key]:.3g}, the port {port:.3g}")
    return int(any(row[key] > port for key, port in PORT.items()))


if __name__ == "__main__":
    sys.exit(main())

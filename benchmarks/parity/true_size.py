"""Forward and backward of the large networks against transformers, on random weights.

    python -m benchmarks.parity.true_size [--only xlm-r-large]

Every layer's hidden state and the gradient of every parameter, with padding left and right, with a full mask and
without one. The weights are transformers' own initialisation with everything it leaves at zero or one made random:
biases, norms and the pad rows. Writes benchmarks/results/parity_full.{json,csv}; ends with an error above 1e-5.

paddle's matmul on CPU sums the rows beyond a multiple of 4 (and all rows when there are fewer than 8) one by one,
with about five times the rounding error. Such batches are listed beside the others, may differ by 3e-5, and show
for both libraries how far they are from the same network in float64.
"""

from __future__ import annotations

import argparse
import copy
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import paddle
import torch
import transformers

from benchmarks.common import write
from zoo import env
from zoo.checkpoint import forward
from zoo.checkpoint.rules import Step
from zoo.models.common.base import Model
from zoo.models.common.weights import disk_names, fill

TOLERANCE = 1e-5
RAGGED_TOLERANCE = 3e-5
# A gradient that is all rounding has no relative error: softmax does not see the key's bias, so its gradient is
# zero. Below this part of the largest gradient of the whole network, differences are counted as zero.
FLOOR = 1e-7
SHAPES = ((8, 1), (2, 1), (8, 17), (2, 17), (2, 128), (2, 512))
PADDINGS = ("none", "full mask", "right", "left")


@dataclass(frozen=True)
class Subject:
    """A network and the sizes of a published checkpoint."""

    name: str
    module: str
    prefix: str
    sizes: dict[str, object]
    padding: int
    pooler: bool


LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "attn_implementation": "eager",
}
SUBJECTS = (
    Subject(
        "xlm-r-large",
        "zoo.models.xlmr",
        "XLMRoberta",
        {
            **LARGE,
            "vocab_size": 250002,
            "max_position_embeddings": 514,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
        },
        padding=1,
        pooler=False,
    ),
    Subject(
        "structbert-large",
        "zoo.models.structbert",
        "Bert",
        {**LARGE, "vocab_size": 30522, "max_position_embeddings": 512, "layer_norm_eps": 1e-12},
        padding=0,
        pooler=True,
    ),
)


def original(subject: Subject) -> torch.nn.Module:
    """transformers' network in eval mode; no weight is a constant."""
    torch.manual_seed(20)
    config = getattr(transformers, f"{subject.prefix}Config")(**subject.sizes)
    model = getattr(transformers, f"{subject.prefix}Model")(config, add_pooling_layer=subject.pooler).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * (0.1 if "LayerNorm" in name else 0.02))
            elif name.endswith(("word_embeddings.weight", "position_embeddings.weight")):
                parameter[subject.padding].normal_(std=0.02)
    return model


def steps_of(subject: Subject, model: torch.nn.Module) -> dict[str, Step]:
    """Our name -> how it comes from torch's tensors."""
    plan = import_module(f"{subject.module}.keymap").KEYMAP.plan(dict(model.named_parameters()))
    return {target: step for step in plan.steps for target in step.targets}


def ours(subject: Subject, peer: torch.nn.Module) -> Model:
    """Our network with the same weights."""
    config = import_module(f"{subject.module}.config").Config.from_dict(peer.config.to_dict())
    build = import_module(f"{subject.module}.model").build
    with paddle.LazyGuard():
        model = build(config, pooler=subject.pooler)
    steps = steps_of(subject, peer)
    source = {name: p.detach().numpy() for name, p in peer.named_parameters()}

    def read(name: str) -> np.ndarray:
        return forward(steps[name], source.__getitem__)[name]

    fill(disk_names(model), read, (), "float32", paddle.CPUPlace())
    return model.eval()


def ragged(rows: int) -> bool:
    """True for the numbers of rows that paddle's matmul sums less exactly."""
    return rows < 8 or rows % 4 != 0


def batches(subject: Subject) -> Iterator[tuple[int, int, str, dict[str, np.ndarray]]]:
    """Random ids; the second row has padding, up to half of it."""
    vocabulary = int(str(subject.sizes["vocab_size"]))
    for batch, length in SHAPES:
        for padding in PADDINGS:
            if length == 1 and padding in ("left", "right"):
                continue
            ids = np.random.default_rng(length).integers(3, vocabulary, (batch, length))
            mask = np.ones_like(ids)
            if padding in ("left", "right"):
                where = slice(0, length // 2) if padding == "left" else slice(length - length // 2, length)
                ids[1, where], mask[1, where] = subject.padding, 0
            inputs = {"input_ids": ids, "attention_mask": mask}
            if padding == "none":
                del inputs["attention_mask"]
            yield batch, length, padding, inputs


def measure(
    subject: Subject, peer: torch.nn.Module, model: Model, inputs: dict[str, np.ndarray]
) -> dict[str, object]:
    """One batch through both, forward and backward, one after the other."""
    weights = np.random.default_rng(1).normal(size=(*inputs["input_ids"].shape, 1024)).astype("float32")
    start = time.perf_counter()
    theirs = peer(**{k: torch.from_numpy(v) for k, v in inputs.items()}, output_hidden_states=True)
    score = (theirs.last_hidden_state * torch.from_numpy(weights)).mean()
    if subject.pooler:
        score = score + theirs.pooler_output.square().mean()
    score.backward()
    middle = time.perf_counter()
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, output_hidden_states=True)
    other = (mine.last_hidden_state * paddle.to_tensor(weights)).mean()
    if subject.pooler:
        other = other + mine.pooler_output.square().mean()
    other.backward()
    end = time.perf_counter()
    states = [
        float(np.abs(a.detach().numpy() - b.numpy()).max())
        for a, b in zip(theirs.hidden_states, mine.hidden_states, strict=True)
    ]
    largest = max(float(t.detach().abs().max()) for t in theirs.hidden_states)
    exact = {}
    if ragged(inputs["input_ids"].size):
        exact = from_float64(peer, inputs, theirs.hidden_states, mine.hidden_states)
    gradients = compare_gradients(subject, peer, model)
    model.clear_gradients()
    peer.zero_grad(set_to_none=True)
    return {
        "hidden_max_abs": max(states),
        "worst_layer": int(np.argmax(states)),
        "largest_hidden": largest,
        **exact,
        **gradients,
        "torch_seconds": round(middle - start, 2),
        "paddle_seconds": round(end - middle, 2),
    }


def from_float64(
    peer: torch.nn.Module, inputs: dict[str, np.ndarray], theirs: tuple, mine: tuple
) -> dict[str, float]:
    """How far both are from the same network in float64."""
    double = copy.deepcopy(peer).double()
    with torch.no_grad():
        exact = double(
            **{k: torch.from_numpy(v) for k, v in inputs.items()}, output_hidden_states=True
        ).hidden_states
    return {
        "torch_from_float64": max(float((a - b.detach()).abs().max()) for a, b in zip(exact, theirs, strict=True)),
        "ours_from_float64": max(
            float(np.abs(a.numpy() - b.numpy()).max()) for a, b in zip(exact, mine, strict=True)
        ),
    }


def compare_gradients(subject: Subject, peer: torch.nn.Module, model: Model) -> dict[str, object]:
    """The worst parameter: largest difference over the largest gradient of that parameter."""
    steps = steps_of(subject, peer)
    grads = {n: p.grad.numpy() for n, p in peer.named_parameters() if p.grad is not None}
    whole = max(float(np.abs(g).max()) for g in grads.values())
    worst, name_of_worst, floored = 0.0, "", 0
    tensors = disk_names(model)
    for name, tensor in tensors.items():
        want = forward(steps[name], grads.__getitem__)[name]
        difference = float(np.abs(tensor.grad.numpy() - want).max())
        if difference <= FLOOR * whole:
            floored += difference > 0
            continue
        relative = difference / float(np.abs(want).max() or 1.0)
        if relative > worst:
            worst, name_of_worst = relative, name
    return {
        "gradient_max_relative": worst,
        "worst_gradient": name_of_worst,
        "largest_gradient": whole,
        "parameters": len(tensors),
        "below_floor": floored,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--only", choices=[s.name for s in SUBJECTS])
    args = parser.parse_args()
    env.use_all_cores()
    torch.set_num_threads(env.cores())
    rows = []
    for subject in SUBJECTS:
        if args.only not in (None, subject.name):
            continue
        peer = original(subject)
        model = ours(subject, peer)
        for batch, length, padding, inputs in batches(subject):
            row = {
                "model": subject.name,
                "batch": batch,
                "length": length,
                "padding": padding,
                "tolerance": RAGGED_TOLERANCE if ragged(batch * length) else TOLERANCE,
                **measure(subject, peer, model, inputs),
            }
            rows.append(row)
            print(
                f"{subject.name} {batch}x{length} {padding}: hidden {row['hidden_max_abs']:.2e}, "
                f"gradients {row['gradient_max_relative']:.2e} ({row['worst_gradient']})",
                flush=True,
            )
            gc.collect()
        del peer, model
        gc.collect()
    if args.only is None:
        write("parity_full", "python -m benchmarks.parity.true_size", rows)
    bad = [r for r in rows if max(r["hidden_max_abs"], r["gradient_max_relative"]) > r["tolerance"]]
    print(f"{len(rows) - len(bad)} of {len(rows)} batches within tolerance")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())

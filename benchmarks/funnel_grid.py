"""Funnel against transformers on the whole grid of options, lengths and padding, forward and backward.

    python -m benchmarks.funnel_grid

Small networks with random weights; every option of config.json x lengths from 5 to 512 x padding, with segment ids.
Each row of the result has the largest difference of a hidden state, and of a gradient, relative to the largest
gradient of that parameter (those below a thousandth of the network's largest are compared with that: the true
gradient of a key's bias is zero). Where float32 differs by more than 1e-5, both run again in float64 and must agree
to 1e-6: the original rounds its attention scores to float32 even there. Writes
benchmarks/results/funnel_grid.{json,csv}; ends with an error otherwise.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import paddle
import torch
import transformers

from benchmarks.common import write
from zoo import env
from zoo.checkpoint import forward
from zoo.models.common.base import Model
from zoo.models.common.weights import disk_names
from zoo.models.funnel.config import Config
from zoo.models.funnel.keymap import KEYMAP
from zoo.models.funnel.model import build

TOLERANCE = 1e-5
FLOOR = 1e-3
FIGURES = ("hidden_max_abs", "gradient_max_relative")
SIZES: Mapping[str, object] = {
    "vocab_size": 200,
    "block_sizes": [2, 2, 2],
    "num_decoder_layers": 2,
    "d_model": 64,
    "n_head": 2,
    "d_head": 32,
    "d_inner": 128,
}
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "block_repeats": {"block_repeats": [1, 2, 2]},
    "max": {"pooling_type": "max"},
    "not pool_q_only": {"pool_q_only": False},
    "not separate_cls": {"separate_cls": False},
    "not truncate_seq": {"truncate_seq": False},
    "factorized": {"attention_type": "factorized"},
}
LENGTHS = (5, 7, 12, 13, 16, 127, 128, 512)
EXACT = 1e-6  # the original rounds its attention scores to float32 even in float64
Arrays = dict[str, np.ndarray]


def original(**changes: object) -> torch.nn.Module:
    """transformers' network in eval mode; no weight is zero or one."""
    torch.manual_seed(20)
    model = transformers.FunnelModel(transformers.FunnelConfig(**{**SIZES, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
        model.embeddings.word_embeddings.weight.mul_(0.5)
    return model


def translated(state: Arrays) -> Arrays:
    """torch's tensors by our names."""
    out: Arrays = {}
    for step in KEYMAP.plan(state).steps:
        out |= forward(step, state.__getitem__)
    return out


def ours(peer: torch.nn.Module) -> Model:
    """Our network with the same weights."""
    model = build(Config.from_dict({**peer.config.to_dict(), "architectures": ["FunnelModel"]}))
    state = translated({k: v.detach().numpy() for k, v in peer.state_dict().items()})
    model.set_state_dict({k.removeprefix("encoder."): paddle.to_tensor(v) for k, v in state.items()})
    return model.eval()


def batches() -> Iterator[tuple[int, int, Arrays]]:
    """Random ids and segments; the second of two rows is padded."""
    for length in LENGTHS:
        for padding in sorted({0, 1, 3, length // 2} if length < 512 else {0, 3}):
            rng = np.random.default_rng(length)
            ids, types = rng.integers(1, 200, (2, length)), rng.integers(0, 2, (2, length))
            types[:, 0] = 2
            mask = np.ones_like(ids)
            mask[1, length - padding :] = 0
            yield length, padding, {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types * mask}


def measure(peer: torch.nn.Module, model: Model, inputs: Arrays, dtype: str = "float32") -> dict[str, Any]:
    """One batch through both, forward and backward."""
    real = inputs["attention_mask"][..., None]
    weights = (np.random.default_rng(1).normal(size=(*real.shape[:2], 64)) * real / real.sum()).astype(dtype)
    theirs = peer(**{k: torch.from_numpy(v) for k, v in inputs.items()}, output_hidden_states=True)
    (theirs.last_hidden_state * torch.from_numpy(weights)).sum().backward()
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, output_hidden_states=True)
    (mine.last_hidden_state * paddle.to_tensor(weights)).sum().backward()
    pairs = [(a.detach().numpy(), b.numpy()) for a, b in zip(theirs.hidden_states, mine.hidden_states, strict=True)]
    want = translated({n: p.grad.numpy() for n, p in peer.named_parameters()})
    floor = FLOOR * max(float(np.abs(g).max()) for g in want.values())
    worst, name_of_worst = 0.0, ""
    for name, tensor in disk_names(model).items():
        largest = max(float(np.abs(want[name]).max()), floor)
        apart = float(np.abs(tensor.grad.numpy() - want[name]).max()) / largest
        if apart > worst:
            worst, name_of_worst = apart, name
    peer.zero_grad(set_to_none=True)
    model.clear_gradients()
    return {
        "hidden_max_abs": max(float(np.abs(a - b).max()) for a, b in pairs),
        "largest_hidden": max(float(np.abs(a).max()) for a, _ in pairs),
        "gradient_max_relative": worst,
        "worst_gradient": name_of_worst,
    }


def main() -> int:
    env.use_all_cores()
    torch.set_num_threads(env.cores())
    rows = []
    for option, changes in OPTIONS.items():
        peer = original(**changes)
        model = ours(peer)
        for length, padding, inputs in batches():
            found = measure(peer, model, inputs)
            if max(found["hidden_max_abs"], found["gradient_max_relative"]) > TOLERANCE:
                exact = measure(copy.deepcopy(peer).double(), ours(peer).to(dtype="float64"), inputs, "float64")
                found |= {f"{name}_float64": exact[name] for name in FIGURES}
            rows.append({"option": option, "length": length, "padding": padding, **found})
        done = [r for r in rows if r["option"] == option]
        print(
            f"{option}: {len(done)} batches, hidden {max(r['hidden_max_abs'] for r in done):.1e}, "
            f"gradients {max(r['gradient_max_relative'] for r in done):.1e}",
            flush=True,
        )
    write("funnel_grid", "python -m benchmarks.funnel_grid", rows)
    over = [r for r in rows if f"{FIGURES[0]}_float64" in r]
    bad = [r for r in over if max(r[f"{name}_float64"] for name in FIGURES) > EXACT]
    print(f"{len(rows) - len(over)} of {len(rows)} batches within {TOLERANCE:g}; of the others {len(bad)} differ")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())

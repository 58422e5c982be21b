"""Funnel against transformers on the whole grid of options, lengths and padding, forward and backward.

    python -m benchmarks.parity.funnel_grid

Small networks with random weights: every option of config.json x lengths from 5 to 512 x padding x segment ids
given or left out. Each row has the largest difference of a hidden state, and of a gradient relative to the largest
gradient of that parameter; parameters whose largest gradient is below a thousandth of the network's are compared
with that thousandth. Biases of keys have a column of their own: a key's bias adds the same to every score of a
query, softmax takes that away, so the true gradient is zero, and in float32 both libraries have nothing but
rounding there. Both also run in float64 and must agree to 1e-9 (the original's `.float()`, which rounds scores even
there, then leaves float64 alone). Writes benchmarks/results/funnel_grid.{json,csv}; ends with an error if they do
not agree in float64: what is over 1e-5 in float32 only is listed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import paddle
import torch
import transformers

from benchmarks.common import write
from conversion.sides import wide
from zoo import env
from zoo.checkpoint import forward
from zoo.models.common.base import Model
from zoo.models.common.weights import disk_names
from zoo.models.funnel.config import Config
from zoo.models.funnel.keymap import KEYMAP
from zoo.models.funnel.model import build

TOLERANCE = 1e-5
FLOOR = 1e-3
FIGURES = ("hidden_max_abs", "gradient_max_relative", "key_bias_max_relative")
ZERO = ".key.bias"  # the end of the names of parameters whose true gradient is zero
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
EXACT = 1e-9  # in float64
Arrays = dict[str, np.ndarray]
Run = tuple[list[tuple[np.ndarray, np.ndarray]], Arrays, Arrays]


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


def batches() -> Iterator[tuple[int, int, bool, Arrays]]:
    """Random ids; the second of two rows is padded; with two segments, or without token_type_ids."""
    for length, segments in product(LENGTHS, (True, False)):
        for padding in (0, 1, 3, max(4, length // 2)):
            rng = np.random.default_rng(length)
            ids, types = rng.integers(1, 200, (2, length)), rng.integers(0, 2, (2, length))
            types[:, 0] = 2
            mask = np.ones_like(ids)
            mask[1, length - padding :] = 0
            inputs = {"input_ids": ids * mask, "attention_mask": mask}
            if segments:
                inputs["token_type_ids"] = types * mask
            yield length, padding, segments, inputs


def run(peer: torch.nn.Module, model: Model, inputs: Arrays, dtype: str) -> Run:
    """One batch through both: pairs of hidden states (theirs, ours), their gradients by our names, and ours."""
    real = inputs["attention_mask"][..., None]
    weights = (np.random.default_rng(1).normal(size=(*real.shape[:2], 64)) * real / real.sum()).astype(dtype)
    theirs = peer(**{k: torch.from_numpy(v) for k, v in inputs.items()}, output_hidden_states=True)
    (theirs.last_hidden_state * torch.from_numpy(weights)).sum().backward()
    mine = model(**{k: paddle.to_tensor(v) for k, v in inputs.items()}, output_hidden_states=True)
    (mine.last_hidden_state * paddle.to_tensor(weights)).sum().backward()
    states = [
        (a.detach().numpy(), b.numpy()) for a, b in zip(theirs.hidden_states, mine.hidden_states, strict=True)
    ]
    want = translated({n: p.grad.numpy() for n, p in peer.named_parameters()})
    got = {name: tensor.grad.numpy() for name, tensor in disk_names(model).items()}
    peer.zero_grad(set_to_none=True)
    model.clear_gradients()
    return states, want, got


def measure(peer: torch.nn.Module, model: Model, inputs: Arrays, dtype: str = "float32") -> dict[str, Any]:
    """The figures of one batch."""
    states, want, got = run(peer, model, inputs, dtype)
    floor = FLOOR * max(largest(g) for g in want.values())
    apart = {name: largest(got[name] - g) / max(largest(g), floor) for name, g in want.items()}
    zero = [name for name in apart if name.endswith(ZERO)]
    worst = max((name for name in apart if not name.endswith(ZERO)), key=apart.__getitem__)
    return {
        "hidden_max_abs": max(largest(a - b) for a, b in states),
        "largest_hidden": max(largest(a) for a, _ in states),
        "gradient_max_relative": apart[worst],
        "worst_gradient": worst,
        "key_bias_max_relative": max(apart[name] for name in zero),
        "key_bias_ours": max(largest(got[name]) for name in zero) / floor,
        "key_bias_theirs": max(largest(want[name]) for name in zero) / floor,
    }


def largest(array: np.ndarray) -> float:
    return float(np.abs(array).max())


def of_option(option: str, changes: Mapping[str, object]) -> list[dict[str, Any]]:
    """A row for each batch."""
    peer = original(**changes)
    model = ours(peer)
    doubled = copy.deepcopy(peer).double(), ours(peer).to(dtype="float64")
    rows = []
    for length, padding, segments, inputs in batches():
        found = measure(peer, model, inputs)
        with wide():
            exact = measure(*doubled, inputs, "float64")
        found |= {f"{name}_float64": exact[name] for name in FIGURES}
        rows.append({"option": option, "length": length, "padding": padding, "segments": segments, **found})
    return rows


def main() -> int:
    env.use_all_cores()
    torch.set_num_threads(env.cores())
    rows: list[dict[str, Any]] = []
    for option, changes in OPTIONS.items():
        done = of_option(option, changes)
        rows += done
        print(f"{option}: {len(done)} batches, largest", *(f"{n} {max(r[n] for r in done):.1e}" for n in FIGURES))
    write("funnel_grid", "python -m benchmarks.parity.funnel_grid", rows)
    over = [r for r in rows if max(r[name] for name in FIGURES[:2]) > TOLERANCE]
    bad = [r for r in rows if max(r[f"{name}_float64"] for name in FIGURES) > EXACT]
    print(
        f"{len(rows)} batches: in float32 {len(over)} above {TOLERANCE:g}, biases of keys aside "
        f"({', '.join(sorted({r['worst_gradient'] for r in over})) or '-'}); in float64 {len(bad)} above {EXACT:g}"
    )
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

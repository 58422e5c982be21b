"""Funnel on CPU: eager and compiled, against torch, and against XLM-R. `python -m benchmarks.speed.funnel`

Random weights, sizes of funnel-transformer/small: three blocks of four layers, width 768, with the decoder
(full) and without (base). XLM-R has the twelve layers of xlm-roberta-base, of the same width. Both have 30522 words
here: rows that are not looked up cost memory and no time. Nothing is padded. Everything runs in one process with
the same threads, in turn (`common.interleave`). A pipeline takes OpenVINO by itself. bfloat16 only where the
processor has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import paddle
import torch
import transformers

from benchmarks import common
from benchmarks.speed.flops import funnel_flops, xlmr_flops
from zoo import env
from zoo.inference.engines import compile
from zoo.models.common.base import Model
from zoo.models.funnel.config import Config as FunnelConfig
from zoo.models.funnel.model import build as build_funnel
from zoo.models.xlmr.config import Config as XLMRConfig
from zoo.models.xlmr.model import build as build_xlmr

COMMAND = "python -m benchmarks.speed.funnel"
SHAPES = ((8, 128), (2, 512))
ENGINES = ("openvino", "paddle")
FUNNELS = {"Funnel full": "FunnelModel", "Funnel base": "FunnelBaseModel"}
XLMR = {"vocab_size": 30522, "max_position_embeddings": 514, "type_vocab_size": 1}
Run = Callable[[Mapping[str, np.ndarray]], object]


def zoo_eager(model: Model) -> Run:
    def run(batch: Mapping[str, np.ndarray]) -> object:
        with paddle.no_grad():
            return model(**{n: paddle.to_tensor(a) for n, a in batch.items()}).last_hidden_state.numpy()

    return run


def torch_eager(name: str, dtype: torch.dtype) -> Run:
    model = getattr(transformers, name)(transformers.FunnelConfig()).eval().to(dtype)

    @torch.inference_mode()
    def run(batch: Mapping[str, np.ndarray]) -> object:
        return model(**{n: torch.from_numpy(a) for n, a in batch.items()}).last_hidden_state

    return run


def sides() -> tuple[dict[str, Run], dict[str, Callable[[int, int], int]]]:
    """Everything that is timed, by "network, engine", and the FLOPs by network."""
    runs: dict[str, Run] = {}
    flops: dict[str, Callable[[int, int], int]] = {}
    networks: dict[str, Model] = {}
    precisions = ("fp32", "bf16") if env.computes_bf16() else ("fp32",)
    for name, architecture in FUNNELS.items():
        config = FunnelConfig.from_dict({"architectures": [architecture]})
        networks[name] = build_funnel(config).eval()
        flops[name] = lambda b, t, c=config, d=config.has_decoder: funnel_flops(c, b, t, d)
        for precision in precisions:
            dtype = torch.float32 if precision == "fp32" else torch.bfloat16
            runs[f"{name}, torch {precision}"] = torch_eager(architecture, dtype)
    config = XLMRConfig.from_dict(XLMR)
    networks["XLM-R base"] = build_xlmr(config).eval()
    flops["XLM-R base"] = lambda b, t, c=config: xlmr_flops(c, b, t)
    for name, model in networks.items():
        runs[f"{name}, zoo eager fp32"] = zoo_eager(model)
        for engine in ENGINES:
            for precision in precisions:
                runs[f"{name}, zoo {engine} {precision}"] = compile(model, engine, precision)
    return runs, flops


def measure(rounds: int) -> list[dict[str, object]]:
    """A row for each network, engine and shape."""
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as folder:
        os.environ["ZOO_HOME"] = folder
        runs, flops = sides()
        for batch, length in SHAPES:
            ids = np.random.default_rng(length).integers(5, 30000, (batch, length))
            types = np.zeros_like(ids)
            types[:, 0] = 2
            given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            inputs = {n: given if n.startswith("XLM-R") else {**given, "token_type_ids": types} for n in runs}
            timings = common.interleave({n: partial(runs[n], inputs[n]) for n in runs}, rounds)
            for name, timing in timings.items():
                network, _, engine = name.partition(", ")
                precision = engine[-4:]
                torch_name = f"{network}, torch {precision}"
                same_engine = timings[f"XLM-R base, {engine}"].median if engine.startswith("zoo") else None
                count = flops[network](batch, length)
                rows.append(
                    {
                        "network": network,
                        "engine": engine,
                        "batch": batch,
                        "length": length,
                        "ms": round(timing.median * 1000, 1),
                        "least ms": round(timing.least * 1000, 1),
                        "gflop": round(count / 1e9, 1),
                        "flops of XLM-R": round(count / flops["XLM-R base"](batch, length), 3),
                        "time of XLM-R": round(timing.median / same_engine, 3) if same_engine else None,
                        "times torch": round(timings[torch_name].median / timing.median, 3)
                        if torch_name in timings and engine.startswith("zoo")
                        else None,
                        "rounds": rounds,
                    }
                )
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measures, prints ours beside torch's and XLM-R's, writes results/funnel_speed.* with --save"""
    given = common.parser(COMMAND, __doc__, 5).parse_args()
    torch.set_num_threads(env.use_all_cores())
    rows = measure(given.rounds)
    at = {(r["network"], r["engine"], r["length"]): float(str(r["ms"])) for r in rows}
    for (network, engine, length), ms in at.items():
        reference = at.get((network, f"torch {engine[-4:]}", length))
        if engine.startswith("zoo") and reference:
            common.compare(f"{network}, {engine}, length {length}, reference torch", ms, reference, " ms")
    if given.save:
        print(f"wrote {common.write('funnel_speed', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

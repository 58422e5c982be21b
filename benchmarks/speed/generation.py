"""Beam search on CPU: ours by its engines, against transformers. `python -m benchmarks.speed.generation`

Random weights at true sizes, sources of 128 tokens, 5 beams, 50 tokens (the end token is not allowed before). The
reference is transformers' generate with a BART of as many layers of the same width and vocabulary. All sides of a
precision run in one process with the same threads, in turn (`common.interleave`); each is warmed up with 24 tokens.
Precisions are those that the processor computes in.
Wall time and the process' CPU time are both written: on a busy machine only the second one, with one thread
(OMP_NUM_THREADS=1), can be compared.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from tempfile import TemporaryDirectory

import numpy as np
import torch
import transformers

from benchmarks import common
from benchmarks.speed.flops import decoder_weights
from zoo import env
from zoo.inference.engines import choose, compile
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.palm.config import Config as PalmConfig
from zoo.models.palm.model import build as build_palm
from zoo.models.veco.config import Config as VecoConfig
from zoo.models.veco.model import build as build_veco

COMMAND = "python -m benchmarks.speed.generation"
SOURCE, BEAMS, BOS, EOS = 128, 5, 0, 2
# Of BART: width, heads, feed-forward, encoder layers, decoder layers, vocabulary.
SIZES = {"PALM base 12+12": (768, 12, 3072, 12, 12, 21504), "VECO 24+6": (1024, 16, 4096, 24, 6, 250002)}
NETWORKS: dict[str, Callable[[], Seq2Seq]] = {
    "PALM base 12+12": lambda: build_palm(PalmConfig.from_dict({"vocab_size": 21504}), "generation"),  # type: ignore[dict-item,return-value]
    "VECO 24+6": lambda: build_veco(VecoConfig.from_dict({}), keep_decoder_layers=range(18, 24)),
}
TORCH = {"fp32": torch.float32, "bf16": torch.bfloat16}
Run = Callable[[np.ndarray, int], object]


def ours(model: object) -> Run:
    """Beam search by anything that has our generate."""
    special = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": 1}
    return lambda ids, tokens: model.generate(  # type: ignore[attr-defined]
        ids, num_beams=BEAMS, max_length=tokens, min_length=tokens, **special
    )


def reference(network: str, precision: str) -> Run:
    """The same by transformers."""
    width, heads, inner, encoder, decoder, vocabulary = SIZES[network]
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {"attention_heads": heads, "ffn_dim": inner}.items()
    }
    config = transformers.BartConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        max_position_embeddings=512,
        activation_function="gelu",
        scale_embedding=True,
        bos_token_id=BOS,
        decoder_start_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=1,
        forced_eos_token_id=None,
        **sides,
    )
    model = transformers.BartForConditionalGeneration(config).eval().to(TORCH[precision])

    @torch.inference_mode()
    def run(ids: np.ndarray, tokens: int) -> object:
        given = torch.from_numpy(ids)
        options = {"num_beams": BEAMS, "max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
        return model.generate(input_ids=given, attention_mask=torch.ones_like(given), **options)

    return run


def sides(network: str, precision: str, engines: Sequence[str]) -> dict[str, Run]:
    """Everything that is timed at a precision."""
    model = NETWORKS[network]().eval()
    chosen = [choose(model, engine, precision).engine for engine in engines]
    runs = {f"zoo {engine}": ours(compile(model, engine, precision)) for engine in chosen}
    return {**runs, "transformers": reference(network, precision)}


def timed(run: Run, ids: np.ndarray, tokens: int, spent: list[float]) -> Callable[[], object]:
    """The run, with its CPU seconds added to `spent`."""

    def call() -> None:
        start = time.process_time()
        run(ids, tokens)
        spent.append(time.process_time() - start)

    return call


def measure(
    network: str, precision: str, batches: list[int], tokens: int, rounds: int, engines: Sequence[str]
) -> list[dict]:
    """A row for each batch and side."""
    rows = []
    width, _, inner, _, layers, vocabulary = SIZES[network]
    weights = decoder_weights(width, inner, layers, vocabulary)
    with TemporaryDirectory() as folder:
        os.environ["ZOO_HOME"] = folder
        runs = sides(network, precision, engines)
        for batch in batches:
            ids = np.random.default_rng(batch).integers(5, 20000, (batch, SOURCE))
            for run in runs.values():
                run(ids, min(24, tokens))
            spent: dict[str, list[float]] = {name: [] for name in runs}
            calls = {name: timed(run, ids, tokens, spent[name]) for name, run in runs.items()}
            found = common.interleave(calls, rounds, warmup=0)
            cpu = {name: statistics.median(values) for name, values in spent.items()}
            for name, timing in found.items():
                ours_here = name != "transformers"
                rows.append(
                    {
                        "network": network,
                        "precision": precision,
                        "batch": batch,
                        "side": name,
                        "tokens": tokens,
                        "tokens per second": round(batch * tokens / timing.median, 1),
                        "cpu ms per step": round(1000 * cpu[name] / tokens, 1),
                        "times transformers": round(found["transformers"].median / timing.median, 2)
                        if ours_here
                        else None,
                        "times transformers, cpu": round(cpu["transformers"] / cpu[name], 2) if ours_here else None,
                        "beams": BEAMS,
                        "decoder weights": weights,
                        "threads": env.use_all_cores(),
                        "rounds": rounds,
                        "load": round(os.getloadavg()[0], 1),
                    }
                )
                print(rows[-1], flush=True)
    gc.collect()
    return rows


def merged(rows: list[dict]) -> list[dict]:
    """With the rows of networks, precisions and batches that were not measured now."""
    path = common.RESULTS / "generation_speed.json"
    known = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []

    def key(row: dict) -> tuple:
        return row["network"], row["precision"], row["batch"]

    new = {key(row) for row in rows}
    return [row for row in known if key(row) not in new] + rows


def main() -> None:
    """Measures, prints ours beside transformers', writes results/generation_speed.*"""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    able = [name for name in TORCH if name == "fp32" or env.computes_bf16()]
    parser.add_argument("--precisions", nargs="+", choices=TORCH, default=able)
    parser.add_argument("--batches", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["auto"], help="of ours, such as: openvino paddle eager")
    given = parser.parse_args()
    torch.set_num_threads(env.use_all_cores())
    rows: list[dict] = []
    for network in given.networks:
        for precision in given.precisions:
            found = measure(network, precision, given.batches, given.tokens, given.rounds, given.engines)
            rows += found
            common.write("generation_speed", COMMAND, merged(rows))
            at = {(row["batch"], row["side"]): row["tokens per second"] for row in found}
            for (batch, side), speed in at.items():
                if side != "transformers":
                    label = f"{network}, {precision}, batch {batch}, {side}"
                    common.compare(label, speed, at[batch, "transformers"], " tokens/s")


if __name__ == "__main__":
    main()

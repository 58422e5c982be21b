"""One engine with batches of one shape, in a process of its own: `python -m zoo.bench.cell`.

Legend of shapes: B batch, T tokens, N choices.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zoo.bench.peers import PEERS, open_peer
from zoo.bench.worker import Message, Run, limit_memory, serve
from zoo.env import peak_memory

WARMUP_CALLS = 2  # calls that are not timed: the first one of a shape makes its kernels
CHOICES_PER_ROW = 2  # N of multiple-choice
LEAST_ID = 5  # below are special tokens


def start(job: Message) -> tuple[Message, Run]:
    """Opens an engine and runs it a few times.

    Args:
        job: model, engine, precision, memory (bytes), cores; network (what an earlier child answered); batch and
            length, without which nothing runs.
    """
    limit_memory(job["memory"])
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job["cores"])
    call, network = (_peer if job["engine"] in PEERS else _ours)(job)
    if not job.get("batch"):
        return network, lambda message: {}
    batch = random_batch(network, job["batch"], job["length"])
    for _ in range(WARMUP_CALLS):
        call(batch)
    return network, lambda message: timed(call, batch, message["rounds"], message["seconds"])


def timed(call: Callable[[Any], object], batch: Any, rounds: int, seconds: float) -> Message:
    """Milliseconds of each call: `rounds` of them, fewer when they take longer than `seconds` together."""
    spent: list[float] = []
    begin = time.perf_counter()
    while len(spent) < rounds and (not spent or time.perf_counter() - begin < seconds):
        before = time.perf_counter()
        call(batch)
        spent.append(1000 * (time.perf_counter() - before))
    return {"milliseconds": spent, "peak": peak_memory()}


def random_batch(network: Mapping[str, Any], batch: int, length: int) -> dict[str, np.ndarray]:
    """Ids [B, T] ([B, N, T] for multiple-choice), nothing padded."""
    shape = (batch, CHOICES_PER_ROW, length) if network["task"] == "multiple-choice" else (batch, length)
    words = network["vocabulary"]
    ids = np.random.default_rng(0).integers(min(LEAST_ID, words - 1), words, shape)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in network["inputs"]}


def _ours(job: Message) -> tuple[Callable[[Any], object], Message]:
    from zoo.errors import UsageError
    from zoo.inference.deployed import deploy

    made = deploy(job["model"], engine=job["engine"], precision=job["precision"])
    if made.task == "generation":
        raise UsageError(f"'{made.name}' writes texts; this command measures networks that run once per batch.")
    network = {
        "name": made.name,
        "task": made.task,
        "config": made.config.to_dict(),
        "vocabulary": made.config.vocab_size,
        "inputs": made.engine.inputs,
        "max_length": made.tokenizer.max_length,
        "engine": made.choice.engine,
        "precision": made.choice.precision,
    }
    return made.engine, network


def _peer(job: Message) -> tuple[Callable[[Any], object], Message]:
    network = job["network"]
    return open_peer(job["engine"], job["precision"], network["config"], network["task"]), network


if __name__ == "__main__":
    serve(start)

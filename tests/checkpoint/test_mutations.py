"""Weight files changed at random: each is refused with an error of ours or read consistently."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.mutations import changed_bytes
from tests.checkpoint.test_damage import FORMATS, Maker
from zoo import env
from zoo.checkpoint import open_checkpoint
from zoo.checkpoint.reader import Checkpoint
from zoo.errors import CheckpointError


def attempt(path: Path, data: bytes) -> str:
    """ "refused", "read" or the name of an exception that should not be."""
    path.write_bytes(data)
    try:
        with open_checkpoint(path) as checkpoint:
            consistent(checkpoint)
    except CheckpointError as error:
        assert path.name in error.message or path.parent.name in error.message or "'" in error.message
        return "refused"
    return "read"


def consistent(checkpoint: Checkpoint) -> None:
    """What was read is what the table says, and every byte of it can be had."""
    for name, info in checkpoint.infos.items():
        array = checkpoint.read(name)
        assert array.shape == info.shape
        if array.size:
            np.array(array[tuple(n - 1 for n in array.shape)])
            np.array(array[(0,) * array.ndim])


def fuzz(make: Maker, folder: Path, cases: int, seed: int) -> Counter[str]:
    path = make(folder / "x.bin")
    whole, rng, results = path.read_bytes(), random.Random(seed), Counter[str]()
    for _ in range(cases):
        results[attempt(path, changed_bytes(whole, rng))] += 1
    return results


@pytest.mark.parametrize("name", FORMATS)
def test_mutations(name: str, tmp_path: Path) -> None:
    results = fuzz(FORMATS[name], tmp_path, 150, seed=1)
    assert set(results) <= {"refused", "read"} and results["refused"] > 15


@pytest.mark.slow
def test_many_mutations(tmp_path: Path) -> None:
    from benchmarks.common import write

    cases, seed = int(os.environ.get("FUZZ_CASES", "5000")), int(os.environ.get("FUZZ_SEED", "2"))
    before = env.peak_memory()
    rows = []
    for name, make in FORMATS.items():
        results = fuzz(make, tmp_path, cases, seed)
        rows.append({"format": name, "mutations": cases, "refused": results["refused"], "read": results["read"]})
        rows[-1]["other"] = cases - results["refused"] - results["read"]
        assert rows[-1]["other"] == 0
    grown = (env.peak_memory() - before) >> 20
    assert grown < 500, f"memory grew by {grown} MB"
    print(json.dumps(rows, indent=1))
    if cases >= 5000:
        command = f"FUZZ_CASES={cases} FUZZ_SEED={seed} make fuzz"
        write("fuzz_checkpoint", command, [{**row, "memory_mb": grown} for row in rows])

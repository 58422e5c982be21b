"""Small models, input files, and what a job wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from tests.tiny_models import network
from zoo.map.work import Summary, map_files

EAGER: dict[str, Any] = {"engine": "eager", "precision": "fp32"}
TEXTS = [f"film {'a ' * (n % 7)}number {n} was good" for n in range(23)]


def embedder(folder: Path) -> Path:
    """Writes a model of sentences."""
    zoo.load(network(folder / "base", "english"), task="embedding").save(folder / "embedder")
    return folder / "embedder"


def lines(file: Path, texts: Sequence[str]) -> Path:
    """Writes a text a line; packed where the name says so."""
    data = "".join(f"{text}\n" for text in texts).encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


def objects(file: Path, rows: Sequence[Any]) -> Path:
    """Writes a .jsonl."""
    return lines(file, [json.dumps(row) for row in rows])


def job(model: Path, inputs: Sequence[Path], out: Path, **given: Any) -> Summary:
    """Runs a job by the reference engine, in parts of four rows."""
    return map_files(model, inputs, out, **{**EAGER, "part_rows": 4, **given})


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Gives every row of the results, in the order of the parts; vectors as "vector"."""
    found: list[dict[str, Any]] = []
    for file in sorted(out.glob("part-*.jsonl.gz")):
        rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
        vectors = out / file.name.replace(".jsonl.gz", ".npy")
        for n, row in enumerate(rows):
            found.append({**row, "vector": np.load(vectors)[n]} if vectors.is_file() else row)
    return found


def errors_of(out: Path) -> list[tuple[int, str]]:
    """Gives row and reason of errors.jsonl."""
    found = [json.loads(line) for line in (out / "errors.jsonl").read_text("utf-8").splitlines()]
    return [(row["row"], row["reason"]) for row in found]


def manifest_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text("utf-8"))
    return found

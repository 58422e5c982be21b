"""Small files of texts that belong together, for a network that knows letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SYLLABLES = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]


def words(count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(SYLLABLES, 3)) for _ in range(count)]


def pair_rows(count: int = 24, negatives: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    """Anchors, their words in another order as positives, and other words as negatives."""
    others = words(count * max(1, negatives), seed + 1)
    rows = []
    for n, text in enumerate(words(count, seed)):
        row = {"anchor": f"{text} {n}", "positive": f"{n} {' '.join(reversed(text.split()))}"}
        row |= {f"negative_{k + 1}": f"{others[n * negatives + k]} {k}" for k in range(negatives)}
        rows.append(row)
    return rows


def written(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file

"""Writes examples/golden.json, numbers of torch that the demo compares with. `python -m benchmarks.golden`"""

from __future__ import annotations

import json

from benchmarks import common
from benchmarks.accuracy import stsb

PATH = common.ROOT / "examples/golden.json"
SENTENCES = [
    "A cat sleeps.",
    "The central bank raised interest rates.",
    "日本語の文",
    "x",
    "Straße, naïve café: 1,234.5 €!",
]
NUMBERS = 8


def golden() -> dict[str, object]:
    """The sentences and the first numbers of torch's embeddings of them."""
    vectors = stsb.original()(SENTENCES)[:, :NUMBERS]
    return {
        "model": stsb.NAME,
        "sentences": SENTENCES,
        "embeddings": [[round(float(x), 7) for x in v] for v in vectors],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(golden(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

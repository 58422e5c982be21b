"""A small network learns Chinese named entities from nothing, ours and torch's.

`python -m benchmarks.accuracy.learn_ner`

People's Daily: the first 1000 sentences of train and all of dev to learn from, all 4,636 of test (219,197
characters) to be scored. CLUENER: train to learn from, all of dev to be scored. Both sides begin with the same
random weights. Needs torch, transformers and accelerate. A stopped run goes on where it was.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.accuracy.finetuning import WORK, Cell, row_of, run_table

COMMAND = "python -m benchmarks.accuracy.learn_ner"
DATA = common.SHARED / "data"
CHARACTERS = 219_197  # of People's Daily's test set
REACHED = {"peoples-daily": 25.0, "cluener": 35.0}  # F1 that both sides must reach
KEPT = 200  # sentences to pick the best checkpoint on
SIZES = {
    "hidden_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "intermediate_size": 768,
    "max_position_embeddings": 256,
    "vocab_size": 21128,
}


def network() -> str:
    """A folder with random weights, drawn once."""
    import torch
    from transformers import BertConfig, BertModel

    folder = WORK / "small-chinese"
    if not (folder / "config.json").is_file():
        torch.manual_seed(1)
        BertModel(BertConfig(**SIZES)).save_pretrained(folder)
        shutil.copyfile(common.SHARED / "assets/bert-base-chinese/vocab.txt", folder / "vocab.txt")
    return str(folder)


def peoples_daily(folder: Path) -> None:
    """example.train, .dev and .test."""
    held = DATA / "peoples_daily_ner"
    names = ("example.train.head1000", "example.dev")
    sentences = [s for name in names for s in (held / name).read_text("utf-8").strip().split("\n\n")]
    step = len(sentences) // KEPT
    parts = {"train": [s for n, s in enumerate(sentences) if n % step], "dev": sentences[::step]}
    for split, kept in parts.items():
        (folder / f"example.{split}").write_text("\n\n".join(kept) + "\n", "utf-8")
    shutil.copyfile(held / "example.test", folder / "example.test")


def cluener(folder: Path) -> None:
    """train.json without its last sentences, which are dev.json; the official dev.json is test.json."""
    held = DATA / "cluener2020"
    lines = (held / "train.json").read_text("utf-8").splitlines(keepends=True)
    (folder / "train.json").write_text("".join(lines[:-KEPT]), "utf-8")
    (folder / "dev.json").write_text("".join(lines[-KEPT:]), "utf-8")
    shutil.copyfile(held / "dev.json", folder / "test.json")


SETTINGS = {"batch_size": 16, "lr": 5e-4, "warmup": 0.1, "weight_decay": 0.01}


def cells() -> dict[str, Cell]:
    """The table's rows."""
    made = (
        Cell(
            "peoples-daily", "peoples-daily", peoples_daily, network,
            {**SETTINGS, "epochs": 8.0, "max_length": 256}, "test",
        ),
        Cell("cluener", "cluener", cluener, network, {**SETTINGS, "epochs": 4.0, "max_length": 64}, "test"),
    )  # fmt: skip
    return {cell.name: cell for cell in made}


def main() -> int:
    """Runs what is missing and writes the table; with --cell one cell only."""

    def row(cell: Cell) -> dict[str, Any]:
        found = row_of(cell, "f1-lenient", "benchmarks.accuracy.learn_ner", (42,))
        return {**found, "to_reach": REACHED[cell.name]}

    rows = run_table("learn_ner", COMMAND, cells(), row)
    whole = all(row["characters"] == CHARACTERS for row in rows if row["data"] == "peoples-daily")
    return 0 if whole and all(min(r["ours"], r["torch"]) >= r["to_reach"] for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

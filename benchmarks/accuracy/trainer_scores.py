"""all-MiniLM-L6-v2 finetuned by us and by transformers' Trainer, three seeds.

`python -m benchmarks.accuracy.trainer_scores`

SST-2, MRPC, RTE and SQuAD 2.0, on samples where the data is large; one epoch. Needs torch, transformers and
accelerate. A stopped run goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks import common
from benchmarks.accuracy.finetuning import Cell, row_of, run_table

NAME = "sentence-transformers/all-MiniLM-L6-v2"
COMMAND = "python -m benchmarks.accuracy.trainer_scores"
DATA = common.SHARED / "data"
QUESTIONS = {"train": 500, "dev": 250}  # of SQuAD 2.0
COMMON = {"epochs": 1.0, "batch_size": 32, "lr": 5e-5, "warmup": 0.1, "weight_decay": 0.01}


def head(folder: Path, source: str, rows: int) -> None:
    """train.tsv: the first rows of a GLUE set; dev.tsv: all of it."""
    lines = (DATA / "glue" / source / "train.tsv").read_text("utf-8").splitlines(keepends=True)
    (folder / "train.tsv").write_text("".join(lines[: rows + 1]), "utf-8")
    shutil.copyfile(DATA / "glue" / source / "dev.tsv", folder / "dev.tsv")


def questions(folder: Path) -> None:
    """Whole paragraphs of SQuAD 2.0, every so many-th, until there are enough questions."""
    for split, source in (("train", "train-v2.0.head10.json"), ("dev", "dev-v2.0.head5.json")):
        whole = json.loads((DATA / "squad" / source).read_text("utf-8"))
        paragraphs = [p for article in whole["data"] for p in article["paragraphs"]]
        step = sum(len(p["qas"]) for p in paragraphs) / QUESTIONS[split]
        kept = [p for n, p in enumerate(paragraphs) if int((n + 1) / step) > int(n / step)]
        document = {"version": "v2.0", "data": [{"title": "sample", "paragraphs": kept}]}
        (folder / f"{split}-v2.0.json").write_text(json.dumps(document), "utf-8")


def cells() -> dict[str, Cell]:
    """The table's rows."""
    made = (
        Cell("mrpc", "mrpc", lambda f: head(f, "MRPC", 3668), lambda: NAME, {**COMMON, "max_length": 128}),
        Cell("rte", "rte", lambda f: head(f, "RTE", 2490), lambda: NAME, {**COMMON, "max_length": 128}),
        Cell("sst2", "sst2", lambda f: head(f, "SST-2", 3000), lambda: NAME, {**COMMON, "max_length": 64}),
        Cell("squad2", "squad2", questions, lambda: NAME, {**COMMON, "max_length": 256, "doc_stride": 128}),
    )
    return {cell.name: cell for cell in made}


METRICS = {"sst2": "accuracy", "mrpc": "accuracy", "rte": "accuracy", "squad2": "f1"}


def main() -> int:
    """Runs what is missing and writes the table; with --cell one cell only."""
    rows = run_table(
        "score_parity",
        COMMAND,
        cells(),
        lambda cell: row_of(cell, METRICS[cell.name], "benchmarks.accuracy.trainer_scores"),
    )
    return 0 if all(row["within_one_deviation"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

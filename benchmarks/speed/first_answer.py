"""Seconds from the start of a process to its first vector: zoo.pipeline by name and from an export, beside torch.

    python -m benchmarks.speed.first_answer --save [--peer-python OTHER]

Each start is a process of its own, in turn. "weights read" is a start whose graph is in the cache and of which
nothing else is known, as after a change of a file. OTHER is the interpreter of an environment with
sentence-transformers; without it that side is left out. The second model is a BERT of XLM-R base's size, with
random weights and MiniLM's tokenizer. Files are in the system's memory and modules compiled, as after a first use.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import common
from zoo.models import xlmr

COMMAND = "python -m benchmarks.speed.first_answer"
MINILM = "all-MiniLM-L6-v2"
XLMR_BASE = {**xlmr.BASE, "model_type": "bert"}
REPORT = """
answered = time.time() - began
print(json.dumps({"imported": imported - began, "answered": answered, "paddle": "paddle" in sys.modules}))
"""
ZOO = """
import json, sys, time
began, model = float(sys.argv[1]), sys.argv[2]
import zoo
imported = time.time()
zoo.pipeline("embeddings", model)("A short text.")
"""
TORCH = """
import json, sys, time
began, model = float(sys.argv[1]), sys.argv[2]
from sentence_transformers import SentenceTransformer
imported = time.time()
SentenceTransformer(model, device="cpu", local_files_only=True).encode("A short text.", show_progress_bar=False)
"""


def small(folder: Path) -> tuple[str, str]:
    """MiniLM, as zoo.pipeline and as sentence-transformers take it."""
    from zoo.hub import resolve

    return MINILM, str(resolve(MINILM).path)


def large(folder: Path) -> tuple[str, str]:
    """Writes a BERT of XLM-R base's size with random weights and the embedding head, for both."""
    import paddle

    from zoo import load
    from zoo.models.common.base import Origin
    from zoo.models.structbert.config import Config
    from zoo.models.structbert.model import build

    paddle.seed(0)
    model = build(Config.from_dict(XLMR_BASE), "embedding")
    origin = load(MINILM).origin
    assert origin is not None
    model.origin = Origin("structbert", "BertModel", "zoo.models.structbert", origin.folder, None)
    ours, torch = f"{folder}/zoo", f"{folder}/torch"
    model.save(ours)
    common.run_process([sys.executable, "-m", "zoo", "convert", ours, "--to", "torch", "--out", torch])
    return ours, torch


MODELS: dict[str, Callable[[Path], tuple[str, str]]] = {
    "MiniLM, 90 MB": small,
    "XLM-R base size, 1.1 GB": large,
}


def measure(
    title: str, model: str, torch_model: str, work: Path, peer: str, rounds: int
) -> list[dict[str, object]]:
    """A row for each way to start.

    Args:
        model, torch_model: what zoo.pipeline and sentence-transformers take.
        work: folder for the cache and the export.
        peer: the interpreter with sentence-transformers; empty for none.
    """
    home = work / "home"  # of the starts by name; that of the export is kept apart, as their notes are removed
    environ = {
        "ZOO_HOME": f"{work}/home of the export",
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(work / "pyc"),
    }
    export = str(work / "export")
    common.run_process(
        [sys.executable, "-m", "zoo", "export", model, "--to", "openvino", "--precision", "fp32", "--out", export],
        environ,
    )

    def start(code: str, what: str, python: str = sys.executable, **more: str) -> dict[str, float]:
        done = common.run_process([python, "-c", code + REPORT, str(time.time()), what], {**environ, **more})
        found: dict[str, float] = json.loads(next(x for x in done.output.splitlines() if x[:1] == "{"))
        return found

    def unknown() -> dict[str, float]:
        for note in (home / "compiled").glob(".known-*"):
            note.unlink()
        return named()

    def named() -> dict[str, float]:
        return start(ZOO, model, ZOO_HOME=str(home))

    ways: dict[str, Callable[[], dict[str, float]]] = {
        **({"sentence-transformers, torch": lambda: start(TORCH, torch_model, peer)} if peer else {}),
        "zoo, weights read": unknown,
        "zoo, later starts": named,
        "zoo, exported to OpenVINO": lambda: start(ZOO, export),
    }
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for n in range(-1, rounds):
        for way, run in ways.items():  # in this order: what one start leaves is what the next one finds
            took = run()
            if n >= 0:
                found[way].append(took)
    return [_row(title, way, runs) for way, runs in found.items()]


def _row(title: str, way: str, runs: list[dict[str, float]]) -> dict[str, object]:
    return {
        "model": title,
        "start": way,
        "first answer s": round(statistics.median(run["answered"] for run in runs), 2),
        "least s": round(min(run["answered"] for run in runs), 2),
        "after its import s": round(statistics.median(run["answered"] - run["imported"] for run in runs), 2),
        "imports paddle": bool(runs[0]["paddle"]),
        "rounds": len(runs),
    }


def main() -> int:
    """Measures, and writes benchmarks/results/first_answer.* with --save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-python", default="", help="interpreter with sentence-transformers")
    parser.add_argument("--only", choices=MODELS, help="one of the models; results of the other stay")
    parser.add_argument("--save", action="store_true", help="write the results")
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as name:
        for model in [given.only] if given.only else MODELS:
            ours, torch = MODELS[model](Path(name, "model"))
            rows += measure(model, ours, torch, Path(name, "work"), given.peer_python, given.rounds)
            shutil.rmtree(Path(name, "work"))
    for row in rows:
        print(", ".join(f"{key}: {value}" for key, value in row.items()))
    if given.save:
        common.write("first_answer", COMMAND, rows, key="model")
    return 0


if __name__ == "__main__":
    sys.exit(main())

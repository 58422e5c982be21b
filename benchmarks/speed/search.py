"""Time, memory and recall of search among many vectors, by every way that `zoo.search` has.

    python -m benchmarks.speed.search --rows 20000
    python -m benchmarks.speed.search --save                        1,000,000 x 384
    python -m benchmarks.speed.search --vectors "vectors/part-*.npy" --save

Ways: exact over float32; int8 and bits, alone and gone over again with the float32 vectors on disk; an index; and
sentence-transformers' `semantic_search`, with --peer-python. Each is a process of its own that opens files, so that
its memory is its own. Recall is the share of the 10 nearest that are found. Without --vectors they are made: topics
in a space of fewer dimensions, and noise, of length 1; bits lose less on such vectors than on pure noise, and about
as much as on those of texts.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from zoo import env, search
from zoo.search import vectors
from zoo.search.compare import unit

COMMAND = "python -m benchmarks.speed.search"
TOP = 10
QUERIES = 1000
TOPICS, INNER = 2000, 96  # centres, and dimensions of the space that they lie in
NOISE = 0.7  # of a vector around its centre, in that space
ROUNDS = 3
MB = 2**20
EXACT = "exact float32"
PEER = """
import json, sys, time
import numpy as np, torch
from sentence_transformers.util import semantic_search
folder, top, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
begin = time.perf_counter()
corpus = torch.from_numpy(np.load(f"{folder}/vectors.npy"))
queries = torch.from_numpy(np.load(f"{folder}/queries.npy"))
opened, taken = time.perf_counter() - begin, {}
for name, asked, times in (("many", queries, rounds), ("one", queries[:1], 3 * rounds)):
    taken[name] = []
    for _ in range(times):
        begin = time.perf_counter()
        found = semantic_search(asked, corpus, top_k=top)
        taken[name].append(time.perf_counter() - begin)
        if name == "many":
            np.save(f"{folder}/peer.npy", [[hit["corpus_id"] for hit in row] for row in found])
# Not ru_maxrss: that begins with what the parent process had.
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"prepared": 0.0, "opened": opened, "peak": peak, **taken, "rows": f"{folder}/peer.npy"}))
"""


def made_vectors(rows: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of vectors of length 1, float32."""
    fixed = np.random.default_rng(7)
    centres = fixed.normal(size=(TOPICS, INNER)).astype(np.float32)
    turn = fixed.normal(size=(INNER, width)).astype(np.float32)
    draw = np.random.default_rng(seed)
    for start in range(0, rows, vectors.BLOCK_ROWS):
        count = min(vectors.BLOCK_ROWS, rows - start)
        inner = centres[draw.integers(0, TOPICS, count)]
        inner = inner + NOISE * draw.standard_normal((count, INNER), np.float32)
        yield unit(inner @ turn + draw.standard_normal((count, width), np.float32))


def written(file: Path, blocks: Iterator[np.ndarray], rows: int, width: int, dtype: Any = np.float32) -> Path:
    """Writes blocks as one .npy file, one at a time."""
    made = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(rows, width))
    first = 0
    for block in blocks:
        made[first : first + len(block)] = block
        first += len(block)
    made.flush()
    return file


# --- the ways: each prepares its files once, and opens them ---

Searcher = Callable[[np.ndarray], search.Found]


def by_float(folder: Path) -> Searcher:
    """Every vector, in blocks."""
    return lambda queries: search.nearest(queries, folder / "vectors.npy", TOP)


def by_int8(folder: Path) -> Searcher:
    """Every int8 code."""
    ranges = np.load(folder / "ranges.npy")
    file = folder / "int8.npy"
    return lambda queries: search.nearest(queries, file, TOP, corpus_precision="int8", ranges=ranges)


def by_bits(folder: Path, **options: Any) -> Searcher:
    """Every code of bits, held in memory."""
    codes = np.load(folder / "ubinary.npy")
    return lambda queries: search.nearest(queries, codes, TOP, corpus_precision="ubinary", **options)


def by_bits_and_floats(folder: Path, times: int) -> Searcher:
    """Bits, gone over again with the float32 vectors on disk."""
    return by_bits(folder, rescore_embeddings=folder / "vectors.npy", rescore_multiplier=times)


def by_index(folder: Path) -> Searcher:
    """The graph, mapped into memory."""
    index = search.Index.open(folder / "index.usearch")
    return lambda queries: search.nearest(queries, index, TOP)


def prepare_codes(folder: Path, precision: Any) -> None:
    """Codes of all vectors, in blocks."""
    source = folder / "vectors.npy"
    ranges = search.calibrate(source) if precision == "int8" else None
    if ranges is not None:
        np.save(folder / "ranges.npy", ranges)
    made = (search.quantize_embeddings(block, precision, ranges) for block in vectors.blocks(source))
    rows, width = vectors.opened(source).shape
    numbers, dtype = (width, np.int8) if precision == "int8" else ((width + 7) // 8, np.uint8)
    written(folder / f"{precision}.npy", made, rows, numbers, dtype)


def prepare_index(folder: Path) -> None:
    """The graph, written as a file."""
    search.Index.build(folder / "vectors.npy").save(folder / "index.usearch")


WAYS: Mapping[str, tuple[Callable[[Path], Searcher], str, Callable[[Path], None] | None]] = {
    EXACT: (by_float, "vectors.npy", None),
    "int8": (by_int8, "int8.npy", lambda folder: prepare_codes(folder, "int8")),
    "bits": (lambda f: by_bits(f, rescore=False), "ubinary.npy", lambda folder: prepare_codes(folder, "ubinary")),
    "bits, rescored by bits x 4": (by_bits, "ubinary.npy", None),
    "bits, rescored by float32 x 4": (lambda f: by_bits_and_floats(f, 4), "ubinary.npy", None),
    "bits, rescored by float32 x 20": (lambda f: by_bits_and_floats(f, 20), "ubinary.npy", None),
    "index": (by_index, "index.usearch", prepare_index),
}
PEER_WAY = "sentence-transformers' semantic_search"


def work(way: str, folder: Path) -> None:
    """Measures one way, in this process, and prints what was found."""
    opener, file, prepare = WAYS[way]
    start = time.perf_counter()
    if prepare and not (folder / file).exists():
        prepare(folder)
        print(json.dumps({"prepared": time.perf_counter() - start}))
        return
    queries = np.load(folder / "queries.npy")
    start = time.perf_counter()
    searcher = opener(folder)
    opened = time.perf_counter() - start
    taken: dict[str, list[float]] = {}
    for name, asked, times in (("many", queries, ROUNDS), ("one", queries[:1], 3 * ROUNDS)):
        taken[name] = []
        for _ in range(times):
            start = time.perf_counter()
            found = searcher(asked)
            taken[name].append(time.perf_counter() - start)
        if name == "many":
            np.save(folder / "found.npy", found.rows)
    print(json.dumps({"opened": opened, "peak": env.peak_memory(), **taken, "rows": str(folder / "found.npy")}))


def asked(command: Sequence[str], ours: bool = True) -> dict[str, Any]:
    """Runs a command; gives the JSON that it prints last.

    Raises:
        RuntimeError: it failed.
    """
    environ = {**os.environ, "PYTHONPATH": str(common.ROOT) if ours else ""}
    done = subprocess.run(command, cwd=common.ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip().rpartition("\n")[2])
    made: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return made


def measured(way: str, folder: Path, peer: str) -> dict[str, Any]:
    """What a way took, in a process of its own; another one prepares its files."""
    if way == PEER_WAY:
        return asked([peer, "-c", PEER, str(folder), str(TOP), str(ROUNDS)], ours=False)
    command = [sys.executable, "-m", "benchmarks.speed.search", "--work", way, "--folder", str(folder)]
    first = asked(command)
    return {**first, **asked(command)} if "prepared" in first else first


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the vectors, and measures one way after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--vectors", default="", help="a pattern of .npy files; some rows of them are the queries")
    parser.add_argument("--way", choices=[*WAYS, PEER_WAY], action="append", help="only this; may be repeated")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter with sentence-transformers")
    parser.add_argument("--folder", type=Path, help="where the files go (some GB); a temporary one by default")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/search.csv and .json")
    parser.add_argument("--work", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.work:
        work(given.work, given.folder)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        folder = Path(made)
        rows, width = lay_out(folder, given)
        found = list(report(given, folder, rows, width))
    if given.save:
        common.write("search", f"{COMMAND} --rows {rows} --save", found)


def lay_out(folder: Path, given: argparse.Namespace) -> tuple[int, int]:
    """Writes corpus and queries; gives rows and width of the corpus."""
    if not given.vectors:
        written(folder / "vectors.npy", made_vectors(given.rows, given.width, 0), given.rows, given.width)
        np.save(folder / "queries.npy", np.concatenate(list(made_vectors(QUERIES, given.width, 1))))
        return given.rows, given.width
    parts = sorted(glob.glob(given.vectors))
    rows = sum(len(vectors.opened(part)) for part in parts)
    width = vectors.opened(parts[0]).shape[1]
    written(folder / "vectors.npy", vectors.blocks(parts), rows, width)
    held = vectors.opened(folder / "vectors.npy")
    np.save(folder / "queries.npy", held[np.sort(np.random.default_rng(0).choice(rows, min(QUERIES, rows), False))])
    return rows, width


def report(given: argparse.Namespace, folder: Path, rows: int, width: int) -> Iterator[dict[str, object]]:
    """Rows of the results."""
    exact: np.ndarray | None = None
    for way in given.way or [*WAYS, PEER_WAY]:
        try:
            said = measured(way, folder, given.peer_python)
        except RuntimeError as error:
            print(f"{way}: left out: {error}", flush=True)
            continue
        found = np.load(said["rows"])
        exact = found if way == EXACT else exact
        many, one = (statistics.median(said[name]) for name in ("many", "one"))
        size = (folder / WAYS[way][1]).stat().st_size if way in WAYS else (folder / "vectors.npy").stat().st_size
        row: dict[str, object] = {
            "way": way,
            "rows": rows,
            "width": width,
            "MB": round(size / MB, 1),
            "prepared_s": round(said.get("prepared", 0.0), 1),
            "opened_s": round(said["opened"], 2),
            "one query ms": round(1000 * one, 1),
            f"{len(found)} queries s": round(many, 2),
            "queries/s": round(len(found) / many, 1),
            "peak MB": round(said["peak"] / MB),
            f"recall@{TOP}": "" if exact is None else round(recall(found, exact), 4),
        }
        print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)
        yield row


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """The share of the exact rows that were found."""
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(found.tolist(), exact.tolist(), strict=True)]) / TOP)


if __name__ == "__main__":
    main()

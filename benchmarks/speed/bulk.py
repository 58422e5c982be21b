"""Rows per second and peak memory of `zoo map` over many short texts, beside other ways to embed them.

    python -m benchmarks.speed.bulk --rows 2000
    python -m benchmarks.speed.bulk --rows 60000 --save --peer-python OTHER --ray-python OTHER
    python -m benchmarks.speed.bulk --rows 1000000 --precision auto --side "zoo map" --side "zoo map --ray" --save

Sides: `zoo map`; a loop over `zoo.pipeline`; sentence-transformers' encode on two processes; `zoo map --ray` on two
nodes of one processor each on this machine. A side whose package is missing is left out, with the reason. Each side
first answers some rows that are not counted: the network is compiled then, and read from disk. Memory is what all
processes of a side have together, each shared page counted once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import common
from benchmarks.two_nodes import LOCAL, TwoNodes, missing
from zoo.hub import resolve
from zoo.processes import descendants

COMMAND = "python -m benchmarks.speed.bulk"
MODEL = "all-MiniLM-L6-v2"
PRECISION = "fp32"
WORDS_OF_A_ROW = (4, 16)
FEW_ROWS = 200
MB = 2**20
SAMPLE_SECONDS = 0.5  # between two looks at the memory
# What a program of one's own would do; vectors go to disk some thousand at a time.
LOOP = """
import sys
from itertools import islice
import numpy as np
import zoo
model, file, out, precision = sys.argv[1:]
embed = zoo.pipeline("embeddings", model, precision=precision)
with open(file, encoding="utf-8") as lines:
    vectors, part = embed(line.rstrip("\\n") for line in lines), 0
    while held := list(islice(vectors, 4096)):
        np.save(f"{out}-{part}.npy", np.stack(held))
        part += 1
"""
PEER = """
import sys
from itertools import islice
import numpy as np
from sentence_transformers import SentenceTransformer
if __name__ == "__main__":
    model, file, out, workers = sys.argv[1:]
    encoder = SentenceTransformer(model, device="cpu")
    pool = encoder.start_multi_process_pool(["cpu"] * int(workers))
    with open(file, encoding="utf-8") as lines:
        rows, part = (line.rstrip("\\n") for line in lines), 0
        while held := list(islice(rows, 20000)):
            np.save(f"{out}-{part}.npy", encoder.encode(held, pool=pool, show_progress_bar=False))
            part += 1
    encoder.stop_multi_process_pool(pool)
"""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        file: a text a line.
        rows: how many there are.
        model: name or folder.
        precision: of the zoo's sides.
        peer, ray: interpreters that have sentence-transformers and Ray.
    """

    file: Path
    rows: int
    model: str
    precision: str
    peer: str
    ray: str

    def words(self, out: Path) -> list[str]:
        """The words of `zoo map`."""
        return [
            "-m",
            "zoo.map",
            self.model,
            str(self.file),
            "--out",
            str(out),
            "--precision",
            self.precision,
            "--json",
        ]


@dataclass(frozen=True)
class Measured:
    """What a side took: seconds of all and of the job alone (0 where it does not say), and bytes of memory."""

    seconds: float
    job_seconds: float
    peak: int


def measure(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end and looks at the memory of all that this process has started.

    Raises:
        RuntimeError: it failed.
    """
    env = {**os.environ, "PYTHONPATH": str(common.ROOT), **(environ or {})}
    with common.highest(lambda: sum(map(_memory, descendants())), SAMPLE_SECONDS) as peak:
        start = time.perf_counter()
        done = subprocess.run(command, cwd=common.ROOT, env=env, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(
            f"{command[:4]} ended with {done.returncode}:\n{done.stdout[-500:]}{done.stderr[-1500:]}"
        )
    with suppress(ValueError, KeyError):
        return Measured(seconds, json.loads(done.stdout)["seconds"], max(peak))
    return Measured(seconds, 0.0, max(peak))


def _memory(pid: int) -> int:
    """Bytes of a process; a page that n processes share counts 1/n."""
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    return 0


# --- the sides ---


def by_map(plan: Plan, folder: Path) -> Measured:
    """`zoo map` as a user types it."""
    return measure([sys.executable, *plan.words(folder / "map")])


def by_loop(plan: Plan, folder: Path) -> Measured:
    """A loop over the pipeline, all cores."""
    return measure([sys.executable, "-c", LOOP, plan.model, str(plan.file), str(folder / "loop"), plan.precision])


def by_peer(plan: Plan, folder: Path) -> Measured:
    """sentence-transformers, a process for each core."""
    script = folder / "peer.py"
    script.write_text(PEER, "utf-8")
    model = str(resolve(plan.model).path)
    cores = str(os.cpu_count() or 1)
    environ = {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}  # else every process computes with a thread for each core
    return measure([plan.peer, str(script), model, str(plan.file), str(folder / "peer"), cores], environ)


def by_ray(plan: Plan, folder: Path) -> Measured:
    """`zoo map --ray` on two nodes; their start is not counted."""
    with TwoNodes(plan.ray) as nodes:
        environ = {**LOCAL, "RAY_ADDRESS": nodes.address}
        return measure([plan.ray, *plan.words(folder / "ray"), "--ray", "--threads", "1"], environ)


SIDES: Mapping[str, Callable[[Plan, Path], Measured]] = {
    "zoo map": by_map,
    "pipeline loop": by_loop,
    "sentence-transformers": by_peer,
    "zoo map --ray": by_ray,
}


def unable(side: str, plan: Plan) -> str:
    """Why a side cannot be measured; "" when it can."""
    if side == "zoo map --ray":
        return missing(plan.ray)
    if side == "sentence-transformers":
        command = [plan.peer, "-c", "import sentence_transformers"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    return ""


def texts(file: Path, rows: int) -> None:
    """Writes short texts of the documentation's words, no two alike."""
    words = re.findall(
        r"\b[a-z]{2,12}\b", "".join(p.read_text("utf-8") for p in sorted(common.ROOT.glob("docs/*.md")))
    )
    draw = random.Random(0)
    with file.open("w", encoding="utf-8") as stream:
        for n in range(rows):
            stream.write(f"{' '.join(draw.choices(words, k=draw.randint(*WORDS_OF_A_ROW)))} {n}\n")


def measured(side: str, plan: Plan, work: Path) -> Measured:
    """Measures a side that has answered some rows before."""
    few = work / "few.txt"
    texts(few, FEW_ROWS)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        SIDES[side](replace(plan, file=few, rows=FEW_ROWS), Path(folder))
    return SIDES[side](plan, work)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the sides one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--precision", default=PRECISION, help="of the zoo's sides (fp32, as the others compute)")
    parser.add_argument("--side", choices=SIDES, action="append", help="only this; may be repeated")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter with sentence-transformers")
    parser.add_argument(
        "--ray-python", default=sys.executable, help="an interpreter with Ray and the zoo's packages"
    )
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/bulk.*, or bulk_PRECISION.*")
    given = parser.parse_args(argv)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "texts.txt")
        texts(file, given.rows)
        plan = Plan(file, given.rows, given.model, given.precision, given.peer_python, given.ray_python)
        for side in given.side or SIDES:
            if why := unable(side, plan):
                print(f"{side}: left out: {why}", flush=True)
                continue
            found = measured(side, plan, Path(work))
            row = {
                "side": side,
                "rows": given.rows,
                "seconds": round(found.seconds, 1),
                "rows/s": round(given.rows / found.seconds, 1),
                "rows/s without start": round(given.rows / found.job_seconds, 1) if found.job_seconds else "",
                "peak MB": round(found.peak / MB),
            }
            print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)
            rows.append(row)
            if given.save:
                save(given, rows)


def save(given: argparse.Namespace, rows: Sequence[dict[str, object]]) -> None:
    """Writes what is measured so far: a side can take an hour."""
    usual = given.precision == PRECISION
    words = [*([] if usual else ["--precision", given.precision]), "--rows", str(given.rows)]
    words += [f'--side "{side}"' for side in given.side or ()]
    name = "bulk" if usual else f"bulk_{given.precision}"
    common.write(name, " ".join([COMMAND, *words, "--save"]), rows, key="side" if given.side else "")


if __name__ == "__main__":
    main()

"""Sentences per second of `zoo.pipeline("embeddings")` beside sentence-transformers' `encode`.

    python -m benchmarks.speed.embed --rows 2000
    python -m benchmarks.speed.embed --rows 100000 --save --peer-python OTHER --guard glue/STS-B

Sides: the zoo by its default, by OpenVINO in fp32 and in int8 (an export guarded on STS-B); sentence-transformers
in torch, which is its default, in OpenVINO and in ONNX Runtime, fp32 and quantised. OTHER is the interpreter of an
environment with sentence-transformers[openvino,onnx]. Each round runs every side once, as a command of its own that
reads the sentences, opens the model, embeds a few, and is then timed on all. A side that cannot run is left out,
with the reason. Sentences are drawn from the words of the vocabulary, the frequent ones more often, by a seeded
generator, and have the lengths of sentences.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import common
from zoo.hub import resolve

COMMAND = "python -m benchmarks.speed.embed"
MODEL = "all-MiniLM-L6-v2"
STSB = common.SHARED / "data/glue/STS-B"
KEPT = 256  # vectors of each side that are compared with those of the default of sentence-transformers
MEDIAN_WORDS, SPREAD, WORDS = 13, 0.55, (3, 60)  # of a sentence: log-normal, within bounds
FREQUENT = 20  # a word of rank n is drawn in proportion to 1 / (n + FREQUENT)
REFERENCE = "sentence-transformers torch"

ZOO = """
import json, sys, time
import numpy as np
import zoo
model, engine, precision, file, out, kept = sys.argv[1:]
embed = zoo.pipeline("embeddings", model, engine=engine, precision=precision)
sentences = open(file, encoding="utf-8").read().splitlines()
embed(sentences[:64])
start = time.perf_counter()
vectors = embed.encode(sentences)
seconds = time.perf_counter() - start
np.save(out, vectors[:int(kept)])
print(json.dumps({"seconds": seconds, "by": embed.deployed.summary}))
"""
PEER = """
import json, sys, time
import numpy as np
from sentence_transformers import SentenceTransformer
model, backend, name, file, out, kept = sys.argv[1:]
more = {"model_kwargs": {"file_name": name}} if name else {}
encoder = SentenceTransformer(model, device="cpu", backend=backend, local_files_only=True, **more)
sentences = open(file, encoding="utf-8").read().splitlines()
encoder.encode(sentences[:64], show_progress_bar=False)
start = time.perf_counter()
vectors = encoder.encode(sentences, show_progress_bar=False)
seconds = time.perf_counter() - start
np.save(out, vectors[:int(kept)])
print(json.dumps({"seconds": seconds, "by": f"{backend} {name}".strip()}))
"""
# Writes the graph of a backend, and its quantised form, into a copy of the model's folder.
PEER_EXPORT = """
import sys
from sentence_transformers import SentenceTransformer
model, backend, quantised = sys.argv[1:]
encoder = SentenceTransformer(model, device="cpu", backend=backend, local_files_only=True)
encoder.save_pretrained(model)
if quantised:
    from sentence_transformers import export_dynamic_quantized_onnx_model
    export_dynamic_quantized_onnx_model(encoder, quantised, model)
"""


@dataclass(frozen=True)
class Side:
    """One way to embed.

    Attributes:
        zoo: by the zoo, else by sentence-transformers.
        engine: of the zoo, or the backend.
        precision: of the zoo, or what sentence-transformers' function of quantising is asked for.
    """

    zoo: bool
    engine: str
    precision: str = ""


SIDES: Mapping[str, Side] = {
    REFERENCE: Side(False, "torch"),
    "sentence-transformers OpenVINO": Side(False, "openvino"),
    "sentence-transformers ONNX": Side(False, "onnx"),
    "sentence-transformers ONNX int8": Side(False, "onnx", "avx512_vnni"),
    "zoo": Side(True, "auto", "auto"),
    "zoo OpenVINO fp32": Side(True, "openvino", "fp32"),
    "zoo OpenVINO int8": Side(True, "openvino", "int8"),
}


@dataclass
class Plan:
    """What is measured.

    Attributes:
        model: name or folder.
        guard: STS-B, on which int8 is calibrated and guarded.
        peer: the interpreter with sentence-transformers.
        work: a temporary folder.
        folders: side -> the folder that its command opens, once it is made.
    """

    model: str
    guard: Path
    peer: str
    work: Path
    folders: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The sentences, one a line."""
        return self.work / "sentences.txt"


def sentences(words: Sequence[str], rows: int, seed: int = 0) -> Iterator[str]:
    """Sentences of words that are ordered from frequent to rare."""
    draw, weights = random.Random(seed), []
    total = 0.0
    for rank in range(len(words)):
        total += 1 / (rank + FREQUENT)
        weights.append(total)
    for _ in range(rows):
        length = min(max(round(draw.lognormvariate(math.log(MEDIAN_WORDS), SPREAD)), WORDS[0]), WORDS[1])
        yield " ".join(draw.choices(words, cum_weights=weights, k=length)).capitalize() + "."


def words_of(model: str) -> list[str]:
    """The plain words of a WordPiece vocabulary, which lists frequent ones first."""
    listed = (Path(resolve(model).path) / "vocab.txt").read_text("utf-8").split("\n")
    return [word for word in listed if re.fullmatch("[a-z]{2,12}", word)]


def prepare(plan: Plan, name: str, side: Side) -> str:
    """Makes what a side opens; gives why it cannot run, "" where it can."""
    upstream = str(resolve(plan.model).path)
    if side.zoo and side.precision != "int8":
        plan.folders[name] = plan.model
        return ""
    made = plan.work / re.sub(r"\W+", "-", name)
    if side.zoo:
        if not plan.guard.exists():
            return f"int8 is guarded on STS-B, and {plan.guard.name} is not there: --guard DATA"
        words = ["-m", "zoo", "export", plan.model, "--to", "openvino", "--precision", "int8", "--out", str(made)]
        command = [sys.executable, *words, "--guard", str(plan.guard), "--task", "stsb-sts"]
    elif side.engine == "torch":
        plan.folders[name] = upstream
        command = [plan.peer, "-c", "import sentence_transformers"]
    else:
        shutil.copytree(upstream, made, ignore=shutil.ignore_patterns("onnx", "openvino"))
        command = [plan.peer, "-c", PEER_EXPORT, str(made), side.engine, side.precision]
    done = run(plan, command, ours=side.zoo)
    plan.folders.setdefault(name, str(made))
    lines = (done.stderr + done.stdout).strip().splitlines()
    return (lines or ["it failed"])[-1] if done.returncode else ""


def run(plan: Plan, command: Sequence[str], ours: bool) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; one of another environment sees nothing of ours."""
    environ = {**os.environ, "PYTHONPATH": str(common.ROOT) if ours else "", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=plan.work, env=environ, capture_output=True, text=True, check=False)


def timed(plan: Plan, name: str, side: Side) -> tuple[float, str]:
    """Runs a side once; gives seconds, and what it says of itself.

    Raises:
        RuntimeError: it failed.
    """
    folder, out = plan.folders[name], str(plan.work / f"{re.sub(r'[^a-zA-Z0-9]+', '-', name)}.npy")
    if side.zoo:
        engine, precision = ("auto", "auto") if side.precision == "int8" else (side.engine, side.precision)
        command = [sys.executable, "-c", ZOO, folder, engine, precision, str(plan.file), out, str(KEPT)]
    else:
        quantised = f"onnx/model_qint8_{side.precision}.onnx" if side.precision else ""
        command = [plan.peer, "-c", PEER, folder, side.engine, quantised, str(plan.file), out, str(KEPT)]
    done = run(plan, command, ours=side.zoo)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    said = json.loads(done.stdout.strip().rpartition("\n")[2])
    return said["seconds"], said["by"]


def least_cosine(plan: Plan, name: str) -> float | None:
    """The least cosine between vectors of a side and those of the reference; None without one."""
    files = [plan.work / f"{re.sub(r'[^a-zA-Z0-9]+', '-', side)}.npy" for side in (name, REFERENCE)]
    if not all(file.is_file() for file in files):
        return None
    a, b = (np.load(file).astype(np.float64) for file in files)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def main(argv: Sequence[str] | None = None) -> None:
    """Measures the sides in turn, round by round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--side", choices=SIDES, action="append", help="only this; may be repeated")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter with sentence-transformers")
    parser.add_argument("--guard", type=Path, default=STSB, help="the files of STS-B, for int8")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/embed_ROWS.csv and .json")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as work:
        plan = Plan(given.model, given.guard.absolute(), given.peer_python, Path(work))
        lines = sentences(words_of(given.model), given.rows)
        plan.file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        sides = {}
        for name in given.side or SIDES:
            if why := prepare(plan, name, SIDES[name]):
                print(f"{name}: left out: {why}", flush=True)
            else:
                sides[name] = SIDES[name]
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        said: dict[str, str] = {}
        for number in range(given.rounds):
            for name in list(sides) if number % 2 == 0 else list(sides)[::-1]:
                took, said[name] = timed(plan, name, sides[name])
                seconds[name].append(took)
                print(f"round {number + 1}: {name}: {given.rows / took:,.0f} sentences/s", flush=True)
        rows = report(plan, given.rows, seconds, said)
    if given.save:
        words = [f"--rows {given.rows}", f"--rounds {given.rounds}"]
        words += [f'--side "{side}"' for side in given.side or ()]
        command, key = " ".join([COMMAND, *words, "--save"]), "side" if given.side else ""
        common.write(f"embed_{given.rows}", command, rows, key=key)


def report(
    plan: Plan, rows: int, seconds: Mapping[str, Sequence[float]], said: Mapping[str, str]
) -> list[dict[str, object]]:
    """Rows of the results: medians, and how many times the speed of sentence-transformers they are."""
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    peers = [median for name, median in medians.items() if not SIDES[name].zoo]
    made = []
    for name, median in medians.items():
        cosine = least_cosine(plan, name)
        row: dict[str, object] = {
            "side": name,
            "by": said[name],
            "rows": rows,
            "rounds": len(seconds[name]),
            "sentences/s": round(rows / median, 1),
            "median_s": round(median, 2),
            "least_s": round(min(seconds[name]), 2),
            "most_s": round(max(seconds[name]), 2),
            "times default": round(medians[REFERENCE] / median, 3) if REFERENCE in medians else "",
            "times best backend": round(min(peers) / median, 3) if peers else "",
            "least cosine": "" if cosine is None else round(cosine, 7),
        }
        print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
        made.append(row)
    return made


if __name__ == "__main__":
    main()

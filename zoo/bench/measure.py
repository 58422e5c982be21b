"""Latency, throughput and memory of a model over batch x length x precision x engine; see `zoo bench`.

Every cell of the grid runs in processes of its own (zoo/bench/cell.py), which share the cores, so that
memory is the cell's alone and one that runs out of it ends nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from zoo import env, files
from zoo.bench.peers import PEER_PRECISIONS as PEER_PRECISIONS
from zoo.bench.peers import PEERS, installed
from zoo.bench.worker import OutOfMemoryError, Worker
from zoo.errors import UsageError, ZooError, to_install

CELL_MODULE = "zoo.bench.cell"
SECONDS_PER_CELL = 20.0  # of a cell; slow ones are called less often
MEMORY_SHARE = 0.9  # of the free memory that a cell may take
AUTO = "auto"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Grid:
    """What is measured: every batch x length x precision x engine.

    Attributes:
        model: a name, or a folder of `zoo.load`, of a finetuning run or of `zoo export`.
        batches, lengths: rows of a batch, tokens of a row.
        precisions, engines: names; () for those that the processor and the installation have.
        processes: instances that run at the same time, each with its share of the cores.
        rounds: timed calls of each instance.
        memory: bytes that a cell may take; 0 for most of what is free.
    """

    model: str
    batches: tuple[int, ...] = (1, 8)
    lengths: tuple[int, ...] = (16, 128)
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    processes: int = 1
    rounds: int = 30
    memory: int = 0


@dataclass(frozen=True)
class Row:
    """A measured cell.

    Attributes:
        batch, asked_batch: rows of a batch; fewer than asked for where the memory did not suffice.
        calls: that were timed, of all processes.
        p50_ms, p95_ms, p99_ms: of one call.
        rows_per_s, tokens_per_s: of all processes together.
        peak_mb: memory of all processes together, at most.
        error: why there are no numbers; "" where there are.
    """

    engine: str
    precision: str
    batch: int
    length: int
    asked_batch: int
    processes: int
    threads: int
    calls: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    rows_per_s: float | None = None
    tokens_per_s: float | None = None
    peak_mb: float | None = None
    error: str = ""


def measure(grid: Grid, tell: Tell = lambda line: None) -> Iterator[Row]:
    """A row for each cell.

    Args:
        tell: gets lines for people: what is left out, what was halved.

    Raises:
        UsageError: the grid makes no sense for this model.
        ZooError: what `deploy` says of the model.
    """
    from zoo.inference.engines import ENGINES

    _check(grid, tuple(ENGINES))
    networks = _networks(grid, tell)
    limit = next(iter(networks.values())).get("max_length")
    if limit and max(grid.lengths) > limit:
        raise UsageError(f"'{grid.model}' reads {limit} tokens, not {max(grid.lengths)}.", f"--length {limit}")
    pairs = list(_pairs(grid, networks, tell))
    if not pairs:
        raise UsageError("No engine that was asked for has one of these precisions.", "Leave --precision out.")
    for length, batch, (engine, precision) in product(grid.lengths, grid.batches, pairs):
        yield _halving(grid, networks[engine], engine, precision, batch, length, tell)


def _check(grid: Grid, engines: Sequence[str]) -> None:
    for flag, numbers in (("--batch", grid.batches), ("--length", grid.lengths)):
        if not numbers or min(numbers) < 1:
            raise UsageError(f"{flag} takes whole numbers from 1 on.")
    if min(grid.rounds, grid.processes) < 1:
        raise UsageError("--rounds and --processes take a whole number from 1 on.")
    for flag, values, known in (
        ("--engine", grid.engines, (*engines, *PEERS)),
        ("--precision", grid.precisions, ("fp32", "bf16", "int8")),
    ):
        if unknown := [value for value in values if value not in known]:
            raise UsageError(f"{flag} {unknown[0]} is unknown.", f"One of {', '.join(known)}.")
    if set(grid.engines) & set(PEERS) and not installed():
        raise UsageError("The engine torch needs torch and transformers.", to_install("verify"))


def _networks(grid: Grid, tell: Tell) -> dict[str, dict[str, Any]]:
    """What each engine's child says of the network; compiles it, so that no measured process has to."""
    from zoo.inference.deployed import EXPORT_FILE, model_folder
    from zoo.inference.engines import ENGINES, missing

    env.use_all_cores()  # paddle, imported by these, wrote an OMP_NUM_THREADS that the children would obey
    if (model_folder(grid.model) / EXPORT_FILE).is_file():
        about = _about(grid, AUTO)
        engines = grid.engines or (about["engine"],)
    else:
        able = [name for name in ENGINES if not missing(name)]
        engines = grid.engines or (*able, *PEERS[: installed()])
        own = [name for name in engines if name in ENGINES]
        about = _about(grid, own[0] if own else "eager")
    found = {}
    for engine in engines:
        if engine in PEERS or engine == about["engine"]:
            found[engine] = about
            continue
        try:
            found[engine] = _about(grid, engine)
        except UsageError as error:
            if engine in grid.engines:
                raise
            tell(f"left out: {error.message}")
    return found


def _about(grid: Grid, engine: str) -> dict[str, Any]:
    with Worker(CELL_MODULE, _job(grid, engine, AUTO)) as worker:
        return worker.about


def _pairs(grid: Grid, networks: dict[str, dict[str, Any]], tell: Tell) -> Iterator[tuple[str, str]]:
    """Engines with the precisions that they have."""
    from zoo.inference.engines import ENGINES

    for engine, about in networks.items():
        able = PEER_PRECISIONS if engine in PEERS else ENGINES[engine].precisions
        if engine not in PEERS and about["precision"] == "int8":
            able = ("int8",)
        usual = able if env.computes_bf16() else tuple(p for p in able if p != "bf16") or able
        for precision in grid.precisions or usual:
            if precision in able:
                yield engine, precision
            else:
                tell(f"left out: {engine} computes in {' or '.join(able)}, not in {precision}")


def _halving(
    grid: Grid, network: dict[str, Any], engine: str, precision: str, asked: int, length: int, tell: Tell
) -> Row:
    """A cell; with half the batch, and half of that, where memory runs out."""
    batch, cores = asked, _shares(grid.processes)
    name = f"{engine} {precision}, {asked} x {length}"
    row = Row(engine, precision, batch, length, asked, grid.processes, len(cores[0]))
    while True:
        job = {**_job(grid, engine, precision), "network": network, "batch": batch, "length": length}
        try:
            return _row(row, batch, _run(grid, job, cores))
        except OutOfMemoryError as error:
            reason = str(error)
        except (ZooError, RuntimeError) as error:
            tell(f"{name}: {error}")
            return Row(**{**asdict(row), "error": str(error).strip().splitlines()[-1]})
        if batch == 1:
            tell(f"{name}: out of memory with a single row ({reason})")
            return Row(**{**asdict(row), "batch": 1, "error": "out of memory"})
        batch //= 2
        tell(f"{name}: out of memory ({reason}); {batch} rows now")


def _job(grid: Grid, engine: str, precision: str) -> dict[str, Any]:
    memory = grid.memory or int(MEMORY_SHARE * env.memory()) // grid.processes
    return {"model": grid.model, "engine": engine, "precision": precision, "memory": memory, "cores": None}


def _shares(processes: int) -> list[list[int]]:
    """The cores of each process; where there are fewer cores than processes some get the same."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(env.cores()))
    each = max(1, len(cores) // processes)
    return [[cores[(n * each + k) % len(cores)] for k in range(each)] for n in range(processes)]


def _run(grid: Grid, job: dict[str, Any], cores: list[list[int]]) -> list[dict[str, Any]]:
    """The answers of all processes, which start timing together."""
    alone = len(cores) == 1
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(
                    CELL_MODULE,
                    {**job, "cores": None if alone else share},
                    None if alone else dict.fromkeys((env.THREADS_VARIABLE, "OMP_NUM_THREADS"), str(len(share))),
                )
            )
            for share in cores
        ]
        for worker in workers:
            _ = worker.about  # ready
        for worker in workers:
            worker.tell({"rounds": grid.rounds, "seconds": SECONDS_PER_CELL})
        return [worker.answer() for worker in workers]


def _row(row: Row, batch: int, found: list[dict[str, Any]]) -> Row:
    spent = np.concatenate([one["milliseconds"] for one in found])
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(spent, (50, 95, 99)))
    speed = sum(1000 * batch * len(one["milliseconds"]) / sum(one["milliseconds"]) for one in found)
    numbers = {
        "batch": batch,
        "calls": len(spent),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "rows_per_s": round(speed, 2),
        "tokens_per_s": round(speed * row.length, 1),
        "peak_mb": round(sum(one["peak"] for one in found) / 1e6, 1),
    }
    return Row(**{**asdict(row), **numbers})


def document(grid: Grid, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that was found, and where."""
    from zoo.inference.engines import ENGINES, versions

    libraries = {name: value for engine in ENGINES for name, value in versions(engine).items()}
    return {
        "format": 1,
        "grid": asdict(grid),
        "cpu": env.cpu(),
        "cores": env.cores(),
        "versions": {**env.versions(), **libraries},
        "rows": [asdict(row) for row in rows],
    }


def write(folder: Path, grid: Grid, rows: Sequence[Row], tell: Tell) -> list[Path]:
    """bench.csv, bench.json and, where matplotlib is installed, bench.png."""
    import csv

    from zoo.bench.plot import plot

    names = ["bench.csv", "bench.json"]
    with files.publish(folder, last="bench.json", add=True) as work:
        with (work / "bench.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
        text = json.dumps(document(grid, rows), indent=2, ensure_ascii=False)
        (work / "bench.json").write_text(text + "\n", encoding="utf-8")
        try:
            names.append(plot(work / "bench.png", grid.model, rows).name)
        except ImportError:
            tell("no plot: matplotlib is not installed")
    return [folder / name for name in names]

"""zoo bench: how fast a model runs here, by engine and precision."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from zoo import arguments, files, terminal
from zoo.files import user_path

EPILOG = f"""\
examples:
  zoo bench all-MiniLM-L6-v2
  zoo bench runs/ner --batch 1,32 --length 64 --engine paddle,openvino --out speed
  zoo bench all-MiniLM-L6-v2 --processes 2 --engine paddle,torch,torch-compile
Engines: eager, paddle, openvino, onnxruntime; beside them torch and torch-compile, which run transformers' network
of the same sizes. Without --engine all that are installed but torch-compile, which compiles for a minute. Ids are
random and nothing is padded. Measure on an idle machine. A batch that does not fit into the memory is halved.

exit codes:
  0    done
  1    the model went wrong, or a cell of the table has no numbers
  2    the command line makes no sense
{terminal.STOPPED}"""
HEADER = ("engine", "precision", "batch", "length", "p50 ms", "p95 ms", "p99 ms", "rows/s", "tokens/s", "peak MB")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Latency, throughput and peak memory of a model over batch x length x precision x engine."
    made = arguments.parser("bench", said, EPILOG)
    made.add_argument("model", metavar="NAME_OR_FOLDER", help="as zoo.load takes it, or a folder of zoo.export")
    made.add_argument("--batch", default=(1, 8), type=_numbers, metavar="A,B", help="rows of a batch (1,8)")
    made.add_argument("--length", default=(16, 128), type=_numbers, metavar="A,B", help="tokens of a row (16,128)")
    made.add_argument("--precision", default=(), type=_names, metavar="A,B", help="fp32, bf16 (both)")
    made.add_argument("--engine", default=(), type=_names, metavar="A,B", help="see below")
    made.add_argument("--processes", default=1, type=int, metavar="N", help="instances that share the cores (1)")
    made.add_argument("--rounds", default=30, type=int, metavar="N", help="calls of each, for at most 20 s (30)")
    made.add_argument("--out", metavar="DIR", help="write bench.csv, bench.json and bench.png there")
    made.add_argument("--json", action="store_true", help="print everything as JSON")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 1 when a cell has no numbers."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    from zoo.bench import measure

    grid = measure.Grid(
        given.model,
        given.batch,
        given.length,
        given.precision,
        given.engine,
        given.processes,
        given.rounds,
    )
    out = user_path(given.out) if given.out else None
    if out:
        files.probe(out, last="bench.json")  # before minutes of measuring
    rows = []
    with terminal.Progress("zoo.bench", 0, lambda n: f"{n} cells") as progress:
        for row in measure.measure(grid, terminal.note):
            rows.append(row)
            progress.note = f"{row.engine} {row.precision}, {row.batch} x {row.length}"
            progress.add(1)
    if given.json:
        terminal.print_json(measure.document(grid, rows))
    else:
        terminal.table([_cells(asdict(row)) for row in rows], HEADER, right=range(2, len(HEADER)))
    if out:
        for path in measure.write(out, grid, rows, terminal.note):
            terminal.note(str(path))
    return int(any(row.error for row in rows))


def _cells(row: dict) -> tuple[str, ...]:
    batch = f"{row['batch']}" if row["batch"] == row["asked_batch"] else f"{row['batch']} of {row['asked_batch']}"
    first = (row["engine"], row["precision"], batch, str(row["length"]))
    if row["error"]:
        return (*first, row["error"], *[""] * 5)
    numbers = [row[name] for name in ("p50_ms", "p95_ms", "p99_ms", "rows_per_s", "tokens_per_s", "peak_mb")]
    return (*first, *(f"{n:,.2f}" if n < 100 else f"{n:,.0f}" for n in numbers))


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _names(text))


if __name__ == "__main__":
    raise SystemExit(main())

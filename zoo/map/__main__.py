"""zoo map: the answers to every row of any number of files, in parts."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from zoo import arguments, terminal
from zoo.errors import UsageError
from zoo.files import quote, user_path

EPILOG = f"""\
examples:
  zoo map all-MiniLM-L6-v2 mails.txt --out vectors
  zoo map runs/reviews "reviews/*.csv" --columns text=body --id number --out answers
  zoo map BAAI/bge-m3 "pages/*.parquet" --format parquet --ray --out vectors
Inputs are .jsonl, .csv, .tsv, .txt (a text a line), packed as .gz or not, and .parquet. They are cut into parts;
each part is a file of --out, whole or not there. A job that was killed goes on where it was when the same command
is given again. Rows that cannot be read are in errors.jsonl, with file, row and reason; manifest.json is written
when all parts are done. With --ray the parts go to the cluster at $RAY_ADDRESS, or to one on this machine.

exit codes:
  0    done
  1    some rows have no answer: see errors.jsonl; or the model or a file went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Answers every row of some files, in parts, and goes on where it was stopped."
    made = arguments.parser("map", said, EPILOG)
    made.add_argument("model", metavar="MODEL", help="name or folder, as zoo.pipeline takes it")
    made.add_argument("inputs", nargs="+", metavar="INPUT", help="files, or patterns such as 'data/*.csv'")
    made.add_argument("--out", required=True, type=user_path, metavar="DIR", help="folder for the results")
    made.add_argument("--task", default="", help="a pipeline, such as embeddings (that of the model's head)")
    made.add_argument(
        "--columns", default="", metavar="ROLE=COLUMN,...", help="text=body; numbers without a header"
    )
    made.add_argument("--id", default="", dest="ident", metavar="COLUMN", help="repeated beside each answer")
    made.add_argument("--format", default="jsonl", help="jsonl, with vectors as .npy (default), or parquet")
    made.add_argument("--engine", default="auto", help="auto, openvino, paddle, onnxruntime, eager")
    made.add_argument("--precision", default="auto", help="auto, fp32, bf16")
    made.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline: top_k=3"
    )
    made.add_argument("--tokens", default=0, type=int, metavar="N", help="of a batch, padding included (2,048)")
    made.add_argument("--threads", default=0, type=int, metavar="N", help="of a network (all cores; with --ray 4)")
    made.add_argument("--part-rows", default=4096, type=int, metavar="N", help="rows of a part (4,096)")
    made.add_argument("--ray", action="store_true", help="on a Ray cluster, or several workers of this machine")
    made.add_argument("--json", action="store_true", help="the figures as one JSON document on stdout")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 1 when a row has no answer."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    columns = _pairs(filter(None, given.columns.split(",")))
    options = {name: _value(text) for name, text in _pairs(given.option).items()}
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.map.work import map_files

    with terminal.notes():
        done = map_files(
            given.model, given.inputs, given.out, given.task, columns=columns, ident=given.ident,
            format=given.format, engine=given.engine, precision=given.precision, tokens=given.tokens,
            threads=given.threads, part_rows=given.part_rows, ray=given.ray, options=options,
        )  # fmt: skip
    if given.json:
        terminal.print_json({**asdict(done), "rows_per_s": round(done.rows_per_s, 1)})
    else:
        parts = "part" if done.skipped == 1 else "parts"
        rows = [("folder", done.out), ("rows", f"{done.rows:,}"), ("engine", ", ".join(done.by))]
        rows += [("without an answer", f"{done.bad:,} rows: see errors.jsonl")] if done.bad else []
        rows += [("skipped", f"{done.skipped:,} {parts}; the same command tries again")] if done.skipped else []
        rows += [("speed", f"{done.new_rows:,} rows in {done.seconds:,.1f} s, {done.rows_per_s:,.0f} rows/s")]
        terminal.fields(rows)
    return int(done.bad > 0 or done.skipped > 0)


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    """Reads NAME=VALUE, each name once."""
    found: dict[str, str] = {}
    for name, value in map(_pair, texts):
        if found.setdefault(name, value) != value:
            raise UsageError(
                f"{quote(name)} is said twice: {quote(found[name])} and {quote(value)}.", "Say it once."
            )
    return found


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UsageError(f"{quote(text)} is no NAME=VALUE.", "Such as --columns text=body or --option top_k=3.")
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    """Reads a value as JSON, else as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


if __name__ == "__main__":
    raise SystemExit(main())

"""zoo export: a model as a folder for one engine, with its numbers and its score checked."""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zoo import arguments, terminal
from zoo.errors import GuardError

EPILOG = f"""\
examples:
  zoo export runs/sst2 --out sst2-bf16 --precision bf16 --guard glue/SST-2
  zoo export runs/ner --out ner-fast --to openvino --guard peoples_daily/   int8 if the score holds
  zoo export all-MiniLM-L6-v2 --out minilm-onnx --to onnx
  zoo export bert-base-chinese --out mlm --to onnx                   with its head: logits
  zoo export bert-base-chinese --out bert --to onnx --task encoder   last_hidden_state
  zoo export some/squad2-model --out qa --to openvino --guard squad/ --task squad2

A model has the head that its files have; the graph's inputs and outputs bear the names of the network's. Every
output is compared with the eager model's over several shapes. With --guard the task's metric is measured
before and after, on the rows of --split. int8 is tried from the plain recipe to the careful ones, calibrated on the
train split (or --calibrate), until one is within the budget.

exit codes:
  0    exported
  1    data or model went wrong
  2    the command line makes no sense
  3    a difference above the tolerance, or more points lost than --budget; nothing was written
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Writes a folder that zoo.pipeline opens without tracing, for every batch and length."
    made = arguments.parser("export", said, EPILOG)
    made.add_argument("model", metavar="MODEL", help="folder of a run, a model's folder, or a name")
    made.add_argument("--to", default="paddle", metavar="FORMAT", help="paddle (default), onnx or openvino")
    made.add_argument(
        "--precision",
        default="auto",
        metavar="P",
        help="fp32, bf16, int8 (openvino, with --guard), or auto (default): with --guard the fastest within its "
        "budget, without fp32",
    )
    made.add_argument("--out", required=True, metavar="DIR", help="where the folder goes; an export is replaced")
    made.add_argument("--guard", default="", metavar="DATA", help="folder or file to measure the score on")
    made.add_argument("--task", default="", help="data set of --guard, or a head, where the model does not say it")
    made.add_argument("--split", default="dev", help="of --guard: dev (default), test, ...")
    made.add_argument("--languages", default="", metavar="A,B", help="of --guard: only these")
    made.add_argument(
        "--budget", type=_points, metavar="POINTS", help="that the metric may fall: fp32 0.1, bf16 0.3, int8 1.0"
    )
    made.add_argument("--calibrate", default="", metavar="FILE", help="rows for int8 instead of the train split")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0 <= points < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of points from 0 on")
    return points


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    try:
        with _stdout_is_stderr():
            from zoo.export.run import export
            from zoo.export.score_check import ScoreCheck

            languages = tuple(part.strip() for part in given.languages.split(",") if part.strip())
            guarding = ScoreCheck(
                given.guard,
                given.task,
                given.split,
                languages,
                given.budget,
                given.calibrate,
            )
            report = export(given.model, given.out, given.to, given.precision, guarding)
    except GuardError as error:
        if not given.json:
            _show(error.report or {})
            raise
        what = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
        terminal.print_json({"error": what, **(error.report or {})})
        return error.exit_code
    if given.json:
        terminal.print_json(report.to_dict())
        return 0
    _show(report.to_dict())
    print(_network(report))
    print(f"exported: {report.folder} ({report.engine}, {report.precision})")
    return 0


@contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """What paddle2onnx and NNCF print while they work is no result; some of it does not go through Python."""
    sys.stdout.flush()
    kept, stdout = os.dup(1), sys.stdout
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout
        os.dup2(kept, 1)
        os.close(kept)


def _network(report: Any) -> str:
    """What was exported, and how to get the other."""
    if not report.outputs:
        return "network: an encoder-decoder, as two graphs"
    what = f"the head {report.task}" if report.task else "the bare encoder"
    other = "; --task encoder leaves the head away" if report.task == "mlm" else ""
    return f"network: {what}, from {', '.join(report.inputs)} to {', '.join(report.outputs)}{other}"


def _show(report: Mapping[str, Any]) -> None:
    for name, found in report.get("differences", {}).items():
        print(f"{name}: at most {found['largest']:.3g} from eager (values to {found['scale']:.3g})")
    if not report.get("trades"):
        return
    rows = [
        (
            trade["precision"],
            trade["engine"],
            trade["recipe"],
            f"{trade['value']:.2f}",
            f"{trade['difference']:+.2f}",
            terminal.size(trade["bytes"]),
            f"{trade['ms']:.2f}",
        )
        for trade in report["trades"]
    ]
    metric = report["trades"][0]["metric"]
    terminal.table(rows, ("precision", "engine", "recipe", metric, "points", "size", "ms/row"), right=(3, 4, 5, 6))


if __name__ == "__main__":
    sys.exit(main())

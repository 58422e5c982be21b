"""zoo convert: published checkpoints in, Paddle folders out."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo import arguments, files, processes, signals, terminal
from zoo.convert import plan
from zoo.convert.memory import Needs
from zoo.convert.plan import FORMATS, Job, Planned
from zoo.errors import UsageError, ZooError

EPILOG = f"""\
examples:
  zoo convert all-MiniLM-L6-v2 --out minilm
  zoo convert "xlm-roberta*" --dry-run           what would be fetched and written
  zoo convert runs/sst2 --to torch --out sst2-torch

A NAME is a model of the zoo (see `zoo list`), a wildcard ("xlm-roberta*", in quotes), a folder
("./my-model": of transformers, of PaddleNLP, or of a finished run of zoo.finetune), or a repository of the Hub
("BAAI/bge-m3", "BAAI/bge-m3@revision").

Tensors that config.json's class has no place for, such as a head of another kind, are kept and named in a note.

Nothing is published that is not complete: a folder appears when it is finished. A model that is converted already,
from the same files and by the same rules, is left as it is; a download that was cut off goes on where it stopped.
The source is never written to. Every converted folder has a certificate.json.

exit codes:
  0    everything is converted
  1    a file is missing, damaged or not what config.json says, or the disk is full; nothing was published for it
  2    the command line makes no sense, or there is no such model
  3    --verify found a difference; nothing was published for it
{terminal.STOPPED}When several models fail for different reasons the code is 1.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser("convert", "Converts published checkpoints for Paddle, and back.", EPILOG)
    made.add_argument("names", nargs="*", metavar="NAME", help="what to convert, see below")
    made.add_argument("--all", action="store_true", help="every model of the zoo")
    made.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write; with several models each gets its own folder in it. Without it: $ZOO_HOME/models "
        "(~/.cache/zoo/models), where zoo.load looks first",
    )
    made.add_argument(
        "--to",
        type=_format,
        choices=FORMATS,
        default="paddle",
        help="paddle (default); torch: a folder for transformers, every tensor bit-identical to the published one; "
        "paddlenlp: a folder for PaddleNLP. The last two also take a converted folder or a run's",
    )
    made.add_argument(
        "--verify",
        action="store_true",
        help="compare with the torch original before publishing: every output, every gradient, the tokenizer. "
        "Needs a checkout with the extra 'verify' installed",
    )
    made.add_argument(
        "--dry-run", action="store_true", help="show what would be done and what it needs; do nothing"
    )
    made.add_argument("--jobs", type=_positive, default=1, metavar="N", help="models at a time (default 1)")
    made.add_argument("--json", action="store_true", help="results as one JSON document on stdout")
    return made


def _format(name: str) -> str:
    if name in ("onnx", "openvino"):
        raise UsageError(f"--to {name} is no form of a checkpoint.", f"`zoo export MODEL --to {name} --out DIR`.")
    return name


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")  # paddle says this on import; nothing is compiled
    names = plan.names_of(given.names, given.all)
    several = len(names) > 1 or given.all or names != given.names
    jobs = plan.jobs_of(names, given.to, given.out, several)
    if given.dry_run:
        return _show([plan.survey(job, given.verify) for job in jobs], given)
    if given.jobs > 1 and len(jobs) > 1:
        results = _in_processes(jobs, given)
    else:
        run = runner(given.to, given.verify)
        results = [_one(job, run, given.json) for job in jobs]
    return _report(results, given)


def runner(to: str, verify: bool) -> Callable[[Job], dict[str, Any]]:
    """What converts one model; imports only what this direction needs."""
    check = load_verify() if verify else None
    if to == "paddle":
        from zoo.convert.to_paddle import convert

        return lambda job: _row(convert(job.name, job.target, verify=check))
    from zoo.convert.to_upstream import export

    return lambda job: _row(export(job.name, job.target, to, verify=check))


def _row(result: Any) -> dict[str, Any]:
    """A result for --json."""
    certificate = result.certificate
    return {
        "name": result.name,
        "status": result.status,
        "target": str(result.target),
        "seconds": round(result.seconds, 1),
        "verified": certificate.verified,
        "tensors": certificate.coverage.tensors,
        "bytes": certificate.weights.size,
        "notes": list(certificate.notes),
    }


def load_verify() -> Callable[..., Mapping[str, Any]]:
    """The comparison with the torch original, which is not part of the wheel.

    Raises:
        UsageError: this is not a checkout, or torch or transformers is not installed.
    """
    checkout = str(Path(__file__).parents[2])  # the command `zoo` does not look there by itself
    if checkout not in sys.path:
        sys.path.append(checkout)
    try:
        return import_module("conversion.verify").verify
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "conversion":
            raise UsageError(
                "--verify compares with the torch original, and the code for that is not part of the wheel.",
                "Run it with a checkout of the zoo that is installed by `pip install -e '.[verify]'`.",
            ) from error
        raise UsageError(
            f"--verify needs {error.name}, which is not installed.", "pip install -e '.[verify]'"
        ) from error


def _one(job: Job, run: Callable[[Job], dict[str, Any]], as_json: bool) -> dict[str, Any]:
    """Converts one model; an error of the zoo is its result."""
    try:
        row = run(job)
    except ZooError as error:
        row = {"name": job.name, "status": "failed", "exit_code": error.exit_code, **_error(error)}
    if not as_json:
        _say(row)
    return row


def _error(error: ZooError) -> dict[str, Any]:
    said = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
    report = getattr(error, "report", None)
    return {"error": said, **({"report": report} if report else {})}


def _say(row: Mapping[str, Any]) -> None:
    """One line for a result: errors on stderr."""
    if row["status"] == "failed":
        error = row["error"]
        hint = f"\n{error['hint']}" if error["hint"] else ""
        print(f"error: {row['name']}: {error['message']}{hint}", file=sys.stderr, flush=True)
        return
    verified = ", equal to the original" if row["verified"] else ", not compared with the original (--verify)"
    figures = f"{row['tensors']} tensors, {terminal.size(row['bytes'])}, {row['seconds']} s"
    print(f"{row['name']}: {row['status']}: {row['target']} ({figures}{verified})", flush=True)


def _in_processes(jobs: Sequence[Job], given: argparse.Namespace) -> list[dict[str, Any]]:
    """A process per model, `--jobs` at a time: each has its own memory, and none can take another with it."""
    running: list[subprocess.Popen[str]] = []

    def run(job: Job) -> dict[str, Any]:
        command = [sys.executable, "-m", "zoo.convert", job.name, "--to", given.to, "--out", str(job.target)]
        command += ["--json", *(["--verify"] if given.verify else [])]
        with tempfile.TemporaryFile("w+") as answer:
            process = subprocess.Popen(command, stdout=answer, stderr=subprocess.PIPE, text=True)
            running.append(process)
            for line in process.stderr or ():  # a pipe, so that several progress bars do not overwrite another
                if not signals.received():
                    print(line, end="", file=sys.stderr, flush=True)
            process.wait()
            answer.seek(0)
            text = answer.read()
        try:
            row = json.loads(text)["models"][0]
        except (ValueError, KeyError, IndexError):
            message = f"its process ended with code {process.returncode}"
            row = {"name": job.name, "status": "failed", "exit_code": 1}
            row["error"] = {"type": "Stopped", "message": message, "hint": "Run it alone to see why."}
        if not given.json and not signals.received():
            _say(row)
        return row

    with ThreadPoolExecutor(given.jobs) as pool:
        try:
            return list(pool.map(run, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end(running)
            for job in jobs:  # of one that had to be killed
                files.remove_leftovers(job.target)
            raise


def _report(results: Sequence[Mapping[str, Any]], given: argparse.Namespace) -> int:
    if given.json:
        terminal.print_json({"models": list(results)})
    codes = {r["exit_code"] for r in results if r["status"] == "failed"}
    return codes.pop() if len(codes) == 1 else min(len(codes), 1)


def _show(rows: Sequence[Planned], given: argparse.Namespace) -> int:
    """The plan: a table and its sums, or JSON."""
    free = plan.free_at(Path(rows[0].target)) if rows else 0
    fetch, disk = sum(r.fetch for r in rows), sum(r.disk for r in rows)
    if given.json:
        plain = [{**vars(r), "network": r.network and r.network.plain()} for r in rows]
        terminal.print_json({"models": plain, "fetch": fetch, "disk": disk, "free": free})
    else:
        header = ("model", "licence", "to fetch", "here", "memory", "disk", "state")
        cells = [
            (
                r.name,
                r.licence,
                *(terminal.size(n) if n else "-" for n in (r.fetch, r.cached, r.memory, r.disk)),
                r.state,
            )
            for r in rows
        ]
        terminal.table(cells, header, right=(2, 3, 4, 5))
        for row in rows:
            print(f"{row.name} -> {row.target}" if not row.error else _not_reachable(row))
        for row in rows:
            if row.network:
                print(_needs(row.name, row.network))
        short = " This is not enough." if free < fetch + disk else ""
        sizes = [terminal.size(count) for count in (fetch, disk, free)]
        print("to fetch {}, to write {}; {} are free.{}".format(*sizes, short))
    return 1 if any(r.error for r in rows) else 0


def _not_reachable(row: Planned) -> str:
    """Lines: why a model's files cannot be had, whose sizes these are, and what to do."""
    why = row.error if row.error.startswith(row.name) else f"{row.name}: {row.error}"
    sizes = "The sizes are those of its card." if row.fetch else "Its sizes are not known without them."
    return "\n".join(filter(None, (f"{why} {sizes}", row.hint)))


def _needs(name: str, network: Needs) -> str:
    """One line: the memory of the network when it is used."""
    kept = [f"{terminal.size(size)} at {b} x {t}" for (b, t), size in network.activations.items()]
    return (
        f"{name}, {network.parameters:,} parameters: float32 {terminal.size(network.float32)}, "
        f"float16 or bfloat16 {terminal.size(network.half)}, while the published file is loaded "
        f"{terminal.size(network.loading)}, in training with AdamW {terminal.size(network.training)}"
        + (f" and for activations {', '.join(kept)} tokens" if kept else "")
    )


if __name__ == "__main__":
    sys.exit(main())

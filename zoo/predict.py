"""zoo predict: file in, file out, with the head, labels and thresholds of a finished run."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from zoo import arguments, files, terminal
from zoo.files import user_path

EPILOG = f"""\
examples:
  zoo predict runs/sst2 --data new.tsv --out answers.tsv
  zoo predict runs/mnli --data glue/MNLI --split test --out MNLI-m.tsv     for the benchmark's server
The file is read as the data set's own files are, and written as its server takes answers. A model of tags reads
plain text too: each line is cut into words or characters, as it was trained.

exit codes:
  0    done
  1    data or model went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Answers of a finished run for a file or a split without gold answers."
    made = arguments.parser("predict", said, EPILOG)
    made.add_argument("run", metavar="RUN", help="folder of a run, or its best/")
    made.add_argument(
        "--data", default="", metavar="PATH", help="folder or file; without it the Hub, or your own files"
    )
    made.add_argument("--out", required=True, metavar="FILE", help="where the answers go")
    made.add_argument("--overwrite", action="store_true", help="replace --out when it is there")
    made.add_argument("--split", default="test", help="test (default), dev, ...")
    made.add_argument("--languages", default="", metavar="A,B", help="only these")
    made.add_argument("--task", default="", help="read the files as another data set of the same kind")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune.config import split_names
    from zoo.finetune.trained_model import TrainedModel

    out = user_path(given.out)
    files.probe_file(out, replace=given.overwrite)
    with terminal.notes():
        saved = TrainedModel(given.run, given.task)
        split = saved.read(given.data, given.split, split_names(given.languages))
        answers = saved.predict(split, out, given.overwrite)
    print(f"{len(answers)} answers: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""zoo evaluate: scores of a finished run on a split or a file, with its own head and thresholds."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from zoo import arguments, terminal

EPILOG = f"""\
examples:
  zoo evaluate runs/sst2 --data glue/SST-2              the development set
  zoo evaluate runs/squad2 --task squad --data squad/   another data set of the same kind
  zoo evaluate runs/xnli --split test --languages en,zh

exit codes:
  0    done
  1    data or model went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Scores a finished run. Labels, thresholds and lengths are those that were saved with it."
    made = arguments.parser("evaluate", said, EPILOG)
    made.add_argument("run", metavar="RUN", help="folder of a run, or its best/")
    made.add_argument(
        "--data", default="", metavar="PATH", help="folder or file; without it the Hub, or your own files"
    )
    made.add_argument("--split", default="dev", help="dev (default), test, ...")
    made.add_argument("--languages", default="", metavar="A,B", help="only these")
    made.add_argument("--task", default="", help="read the files as another data set of the same kind")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune.config import split_names
    from zoo.finetune.trained_model import TrainedModel

    with terminal.notes():
        saved = TrainedModel(given.run, given.task)
        split = saved.read(given.data, given.split, split_names(given.languages), scored=True)
        found = saved.judge(split)
    scores, lost = found.scores, dict(split.features.lost)
    if given.json:
        terminal.print_json(
            {
                "task": saved.task.name,
                "split": split.name,
                "examples": len(split.examples),
                "metric": scores.metric,
                "value": scores.value,
                "loss": found.loss,
                "scores": scores.rows,
                "lost": lost,
            }
        )
        return 0
    names = list(next(iter(scores.rows.values())))
    rows = [(row, *(f"{held[n]:.2f}" if n in held else "" for n in names)) for row, held in scores.rows.items()]
    terminal.table(rows, (f"{saved.task.name}, {split.name}", *names), right=range(1, len(names) + 1))
    print(f"{len(split.examples)} examples; {scores.metric} {scores.value:.2f}")
    for kind, count in lost.items():
        print(f"gold lost to truncation or alignment, counted as missed: {count} {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

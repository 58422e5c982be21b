"""zoo evaluate: scores of a finished run, or of any model's embeddings on a task without training."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from math import isnan

from zoo import arguments, terminal
from zoo.errors import UsageError

EPILOG = f"""\
examples:
  zoo evaluate runs/sst2                                the development set of the run
  zoo evaluate sst2-int8 --data glue/SST-2              a folder of `zoo export`
  zoo evaluate some/classifier --task sst2 --data glue/SST-2       any model with a head for it
  zoo evaluate runs/squad2 --task squad --data squad/   another data set of the same kind
  zoo evaluate runs/xnli --split test --languages en,zh
  zoo evaluate all-MiniLM-L6-v2 --task xquad-retrieval --data xquad/ --languages all --out scores
  zoo evaluate all-MiniLM-L6-v2 --task retrieval --data my-corpus/        corpus, queries, qrels as BEIR has them
  zoo evaluate all-MiniLM-L6-v2 --task sts --data pairs.csv               sentence1, sentence2, score
Tasks without training compare embeddings; `--task list` names them. They take the prompts "query" and "document"
of the model where it has them (sentence pairs: --prompt), and the engine that `zoo.pipeline` picks.

exit codes:
  0    done
  1    data or model went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Scores a finished run with the labels and lengths that were saved with it, or a model as it is."
    made = arguments.parser("evaluate", said, EPILOG)
    made.add_argument(
        "model", metavar="MODEL", nargs="?", default="", help="folder of a run, or any name or folder"
    )
    made.add_argument(
        "--data", default="", metavar="PATH", help="folder or file; without it the data of the run, or the Hub"
    )
    made.add_argument("--split", default="", help="dev, test, ...; dev for a run, else the task's own")
    made.add_argument("--languages", default="", metavar="A,B", help="only these; all of the task by default")
    made.add_argument("--task", default="", help="a task without training, or another data set of a run's kind")
    made.add_argument("--engine", default="auto", help="without training: what computes, as zoo.pipeline has it")
    made.add_argument("--precision", default="auto", help="without training: fp32, bf16, auto")
    made.add_argument(
        "--prompt", default="", metavar="NAME", help="without training: before texts that are no query or document"
    )
    made.add_argument(
        "--out", default="", metavar="DIR", help="without training: scores.json, .csv and .png go there"
    )
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune.config import split_names
    from zoo.tasks import similarity

    if given.task == "list":
        return _list()
    if not given.model:
        raise UsageError("No model is named.", "zoo evaluate MODEL ...; MODEL is the folder of a run, or a name.")
    languages = () if given.languages == "all" else split_names(given.languages)
    if given.task in similarity.names():
        from zoo.evaluate.untrained import evaluate_command

        return evaluate_command(given, similarity.find(given.task), languages)
    if given.out or given.prompt or (given.engine, given.precision) != ("auto", "auto"):
        raise UsageError(
            "--out, --prompt, --engine and --precision are for tasks without training.",
            "`zoo evaluate --task list` names them.",
        )
    return _finished_run(given, languages)


def _list() -> int:
    from zoo.tasks import similarity

    rows = [(task.name, task.title, task.metric, " ".join(task.languages)) for task in similarity.all_tasks()]
    terminal.table(rows, ("task", "data", "metric", "languages"))
    return 0


def _finished_run(given: argparse.Namespace, languages: tuple[str, ...]) -> int:
    from zoo.finetune.trained_model import TrainedModel

    with terminal.notes():
        saved = TrainedModel(given.model, given.task)
        split = saved.read(given.data, given.split or "dev", languages, scored=True)
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
                "loss": None if isnan(found.loss) else found.loss,
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

"""zoo finetune: a published recipe, or your own data, in one command."""

from __future__ import annotations

import argparse
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import arguments, terminal
from zoo.errors import UsageError
from zoo.finetune import elsewhere
from zoo.finetune.config import DEFAULTS, FIELD_NAMES
from zoo.finetune.flags import flags, value_hint, wrong

if TYPE_CHECKING:
    from zoo.finetune.recipes import Settled
    from zoo.finetune.result import Result


DESCRIPTION = "Finetunes a model, and puts its score beside the published one."
EPILOG = f"""\
examples:
  zoo finetune --task squad2                       the flagship recipe; data and model from the Hub
  zoo finetune --task squad2 --show                what it would do, and where each value comes from
  zoo finetune --task sst2 --model all-MiniLM-L6-v2 --data glue/SST-2 --seeds 3
  zoo finetune --task classification --model all-MiniLM-L6-v2 --data reviews/     train.csv and dev.csv of your own
  zoo finetune --task classification --model all-MiniLM-L6-v2 --train_file a.csv --dev_file b.parquet
  zoo finetune --resume runs/reviews               go on with a run that was stopped
  zoo finetune --task sst2 --model all-MiniLM-L6-v2 runs/base --trackers mlflow,aim     a run each, one table
  zoo finetune --task glue --model all-MiniLM-L6-v2 --data glue/     eight tasks, their average; also clue, xtreme
  zoo finetune --task list                         every task, and the kinds of task for your own files

several processes (the batch size is that of one; --resume may have more of them or fewer):
  python -m paddle.distributed.launch --nproc_per_node 2 $(which zoo) finetune --task squad2     on CPUs
  python -m paddle.distributed.launch --devices 0,1 $(which zoo) finetune --task squad2     on GPUs

--task picks the recipe of the zoo for it (with --model the one for that model); flags overrule the recipe, and the
recipe the defaults. The run's folder gets run.json, metrics.jsonl, best/ and report.html, and checkpoints/ until
the run has finished.

exit codes:
  0    finished
  1    data, model or training went wrong; nothing was written when it was the data
  2    the command line makes no sense
{terminal.STOPPED}--resume RUN goes on from the newest checkpoint, after a kill too; it knows its options.
"""


def parser() -> Any:
    """The command line: the fields of `FinetuneConfig`, --show and --resume."""
    made = flags()
    made.prog = arguments.program("finetune")
    made.description, made.epilog = DESCRIPTION, EPILOG
    made.formatter_class = _Help
    if not any(action.dest == "show" for action in made._actions):
        made.add_argument("--show", action="store_true", help="print the merged configuration and stop")
        made.add_argument(
            "--resume", nargs="?", const="", metavar="RUN", help="go on with a run; without RUN that in --out"
        )
    return made


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with defaults, and without jsonargparse's types, which they show."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=shutil.get_terminal_size((110, 24)).columns)

    def _get_help_string(self, action: argparse.Action) -> str:
        default = DEFAULTS.get(action.dest)
        return f"{action.help} [{default}]" if default else str(action.help)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return "X"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    return terminal.run(lambda: _main(given))


def _main(argv: Sequence[str]) -> int:
    words, models = _models(arguments.spelled(argv, parser(), elsewhere.OPTIONS))
    values = _parsed(words)
    show, resume = values.pop("show", False), values.pop("resume", None)
    if resume:
        return _resume(resume, values)
    if values.get("task") == "list":
        return _list()
    from zoo.finetune.recipes import SUITES, settle

    if len(models) > 1:
        return _several(models, values, resume is not None, show)
    suite = values.get("task", "") in SUITES
    if suite and show:
        raise UsageError("--show shows one task.", f"One of {', '.join(SUITES[values['task']])}.")
    settled = None if suite else settle(values, "flag")
    if show and settled:
        return _show(settled)
    warnings.filterwarnings("ignore", message="No ccache found")  # paddle says this on import; nothing is compiled
    if settled is None:
        return _suite(values, resume is not None)
    from zoo.finetune.run import finetune

    with terminal.notes():
        return _said_result(finetune(settled, resume=resume is not None), values)


def _resume(run: str, values: dict[str, Any]) -> int:
    """Goes on with a run by the options in its run.json."""
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune.run import finetune

    with terminal.notes():
        return _said_result(finetune(resume=run, **values), values)


def _said_result(result: Result, values: dict[str, Any]) -> int:
    if _first():
        print(result.summary)
        print(f"{result.folder}/report.html")
        _say_views(values, result.folder)
    return 0


def _several(models: Sequence[str], values: dict[str, Any], resume: bool, show: bool) -> int:
    """A run for each model; 1 when one of them failed."""
    if show:
        raise UsageError("--show shows one model.", "Give one --model.")
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune import experiment

    with terminal.notes():
        result = experiment.finetune_models(
            models, {k: v for k, v in values.items() if k != "model"}, "flag", resume
        )
    if _first():
        experiment.show(result)
        _say_views(values, result.folder / "trackers")
    return 1 if result.failed else 0


def _say_views(values: dict[str, Any], folder: Path) -> None:
    """Says how to look at the trackers' stores; `folder` has them where no store was given."""
    from zoo.finetune import tracker_stores
    from zoo.finetune.config import FinetuneConfig

    asked = FinetuneConfig(trackers=values.get("trackers", ""))
    for line in tracker_stores.views(asked.tracker_names, tracker_stores.store_of(asked, folder)):
        print(line)


def _suite(values: dict[str, Any], resume: bool) -> int:
    """All tasks of a suite with one model."""
    from zoo.finetune.suites import finetune_suite, show

    with terminal.notes():
        result = finetune_suite(values.pop("task"), values, "flag", resume)
    if _first():
        show(result)
        _say_views(values, result.folder / "trackers")
    return 0


def _first() -> bool:
    """Of several processes the first one speaks."""
    from zoo.finetune import parallel

    return parallel.rank() == 0


def _parsed(argv: Sequence[str]) -> dict[str, Any]:
    """Only what was given.

    Raises:
        UsageError: an unknown flag, or a value of a wrong kind.
    """
    try:
        return dict(parser().parse_args(list(argv), defaults=False).as_dict())
    except argparse.ArgumentError as error:
        raise UsageError(_said(argv, str(error))) from None


def _models(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Gives the words with one model, and all models that stand behind --model."""
    if "--model" not in words:
        return list(words), []
    first = list(words).index("--model") + 1
    last = next((n for n in range(first, len(words)) if words[n].startswith("--")), len(words))
    return [*words[: first + 1], *words[max(first + 1, last) :]], list(words[first:last])


def _said(argv: Sequence[str], error: str) -> str:
    """The first flag whose value is of a wrong kind, in words; else what the parser said."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for flag, value in zip(words, [*words[1:], ""], strict=True):
        name = flag.removeprefix("--")
        if name not in FIELD_NAMES or not flag.startswith("--"):
            continue
        if f'"{name}"' in error:
            hint = value_hint(name, value)
            return f"--{wrong(name, value)}" + (f"\n{hint}" if hint else "")
    return error.strip()


def _list() -> int:
    from zoo import tasks
    from zoo.finetune.recipes import recipes
    from zoo.tasks import user_files

    flagship = {recipe.task: recipe.model for recipe in recipes() if recipe.flagship}
    rows = []
    for name in tasks.names():
        task = tasks.find(name)
        rows.append((name, task.title, task.head, ", ".join(task.metrics), flagship.get(name, "")))
    terminal.table(rows, ("task", "data set", "head", "metrics", "flagship recipe with"))
    print("\nYour own files: --task KIND --model MODEL --data FOLDER (train.csv, dev.csv) or FILE")
    kinds = [(kind, *about) for kind, about in user_files.kinds().items()]
    terminal.table(kinds, ("kind", "what is learned", "columns"))
    return 0


def _show(settled: Settled) -> int:
    rows = [(k, str(v), settled.sources[k]) for k, v in settled.config.to_dict().items()]
    terminal.table(rows, ("option", "value", "from"))
    for published in settled.recipe.published if settled.recipe else ():
        note = f" ({published.note})" if published.note else ""
        print(f"published: {published.metric} {published.score:g} on {published.split}: {published.source}{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""python -m zoo.finetune: a published recipe, or your own data, in one command."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo import terminal
from zoo.errors import UsageError
from zoo.finetune.config import DEFAULTS, FIELD_NAMES, choices, flags, near, wrong

if TYPE_CHECKING:
    from zoo.finetune.recipes import Settled


DESCRIPTION = "Finetunes a model, and puts its score beside the published one."
EPILOG = f"""\
examples:
  python -m zoo.finetune --task squad2                       the flagship recipe; data and model from the Hub
  python -m zoo.finetune --task squad2 --show                what it would do, and where each value comes from
  python -m zoo.finetune --task sst2 --model all-MiniLM-L6-v2 --data glue/SST-2 --seeds 3
  python -m zoo.finetune --task glue --model all-MiniLM-L6-v2 --data glue/     eight tasks, their average; also clue
  python -m zoo.finetune --task list                         every task

several devices (the batch size is that of one):
  python -m paddle.distributed.launch PATH/zoo/finetune/__main__.py --task squad2     (on CPUs: --backend gloo)

--task picks the recipe of the zoo for it (with --model the one for that model); flags overrule the recipe, and the
recipe the defaults. The run's folder gets run.json, metrics.jsonl, best/ and report.html, and checkpoints/ until
the run has finished.

exit codes:
  0    finished
  1    data, model or training went wrong; nothing was written when it was the data
  2    the command line makes no sense
{terminal.STOPPED}--resume goes on from the newest checkpoint, after a kill too.
"""


def parser() -> Any:
    """The command line: the fields of `FinetuneConfig`, --show and --resume."""
    made = flags()
    made.prog = "python -m zoo.finetune"
    made.description, made.epilog = DESCRIPTION, EPILOG
    made.formatter_class = _Help
    if not any(action.dest == "show" for action in made._actions):
        made.add_argument("--show", action="store_true", help="print the merged configuration and stop")
        made.add_argument("--resume", action="store_true", help="go on with the run in --out")
    return made


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with defaults, and without jsonargparse's types, which they show."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        default = DEFAULTS.get(action.dest)
        return f"{action.help} [{default}]" if default else str(action.help)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return "X"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    given = [_spelled(word) for word in (sys.argv[1:] if argv is None else argv)]
    return terminal.run(lambda: _main(given))


def _spelled(word: str) -> str:
    """--batch-size is --batch_size."""
    name, sign, value = word.partition("=")
    return name.replace("-", "_").replace("__", "--", 1) + sign + value if word.startswith("--") else word


def _main(argv: Sequence[str]) -> int:
    values = _parsed(argv)
    show, resume = values.pop("show", False), values.pop("resume", False)
    if values.get("task") == "list":
        return _list()
    from zoo.finetune.recipes import SUITES, settle

    suite = values.get("task", "") in SUITES
    if suite and show:
        raise UsageError("--show shows one task.", f"One of {', '.join(SUITES[values['task']])}.")
    settled = None if suite else settle(values, "flag")
    if show and settled:
        return _show(settled)
    warnings.filterwarnings("ignore", message="No ccache found")  # paddle says this on import; nothing is compiled
    if settled is None:
        return _suite(values, resume)
    from zoo.finetune.run import finetune

    with terminal.notes():
        result = finetune(settled, resume=resume)
    if _first():
        print(result.summary)
        print(f"{result.folder}/report.html")
    return 0


def _suite(values: dict[str, Any], resume: bool) -> int:
    """GLUE or CLUE."""
    from zoo.finetune.suites import finetune_suite, show

    with terminal.notes():
        result = finetune_suite(values.pop("task"), values, "flag", resume)
    if _first():
        show(result)
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
    for word in argv:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name not in (*FIELD_NAMES, "show", "resume", "help"):
            raise UsageError(f"There is no option {word.partition('=')[0]}.", near(name, FIELD_NAMES))
    try:
        return dict(parser().parse_args(argv, defaults=False).as_dict())
    except argparse.ArgumentError as error:
        raise UsageError(_said(argv, str(error))) from None


def _said(argv: Sequence[str], error: str) -> str:
    """The first flag whose value is of a wrong kind, in words; else what the parser said."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for flag, value in zip(words, [*words[1:], ""], strict=True):
        name = flag.removeprefix("--")
        if name not in FIELD_NAMES or not flag.startswith("--"):
            continue
        if f'"{name}"' in error:
            hint = near(value, choices(name)) if choices(name) else ""
            return f"--{wrong(name, value)}" + (f"\n{hint}" if hint else "")
    return error.strip()


def _list() -> int:
    from zoo import tasks
    from zoo.finetune.recipes import recipes

    flagship = {recipe.task: recipe.model for recipe in recipes() if recipe.flagship}
    rows = []
    for name in tasks.names():
        task = tasks.find(name)
        rows.append((name, task.title, task.head, ", ".join(task.metrics), flagship.get(name, "")))
    terminal.table(rows, ("task", "data set", "head", "metrics", "flagship recipe with"), optional=(1, 3))
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

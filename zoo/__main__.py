"""The command `zoo`: picks the verb and hands over to its module. Imports no framework."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from zoo import __version__, arguments, familiar, terminal
from zoo.errors import UsageError, did_you_mean
from zoo.files import clean, quote


class Verb(NamedTuple):
    """A command: the module that holds it, one line of help, and its function, which takes the words behind it."""

    module: str
    help: str
    function: str = "main"


VERBS = {
    "list": Verb("zoo.listing", "the checkpoints that the zoo knows", "list_main"),
    "info": Verb("zoo.listing", "everything that is known about one checkpoint", "info_main"),
    "doctor": Verb("zoo.doctor", "is this machine ready: versions, engines, disk, caches, hubs"),
    "convert": Verb("zoo.convert.__main__", "published checkpoints to Paddle folders, proven; and back"),
    "finetune": Verb("zoo.finetune.__main__", "train a model with a published recipe, or on your own files"),
    "evaluate": Verb("zoo.evaluate.__main__", "the scores of a finished run, or of any model's embeddings"),
    "predict": Verb("zoo.predict", "the answers of a finished run, file in, file out"),
    "map": Verb("zoo.map.__main__", "the answers to any number of rows, in parts; on a Ray cluster too"),
    "serve": Verb("zoo.serve.__main__", "a model over HTTP, by OpenAI's protocol and others"),
    "search": Verb("zoo.search.__main__", "the rows of `zoo map`'s vectors that are nearest to a query"),
    "compare": Verb("zoo.compare.__main__", "finished runs side by side, and whether they differ by chance"),
    "claims": Verb("zoo.claims", "published numbers, and which of them are reproduced here"),
    "export": Verb("zoo.export.__main__", "a model as a folder for one engine, its score checked; int8 too"),
    "trim": Verb("zoo.trim.__main__", "a model with the pieces of your texts only, proven equal on them"),
    "mine": Verb("zoo.mine.__main__", "hard negatives for pairs of texts, to train embeddings on"),
    "bench": Verb("zoo.bench.__main__", "how fast a model runs here, by engine and precision"),
    "ui": Verb("zoo.ui.__main__", "a page on this machine: models, runs, numbers, and a model to try"),
}
EXAMPLES = f"""\
examples:
  zoo list "*large*"                                      what there is
  zoo convert all-MiniLM-L6-v2 --out minilm               from PyTorch to Paddle, with a certificate
  zoo finetune --task classification --data reviews/ --model all-MiniLM-L6-v2 --out runs/reviews
  zoo evaluate runs/reviews
  zoo predict runs/reviews --data new.csv --out answers.csv
  zoo export runs/reviews --out reviews-int8 --to openvino --precision int8 --guard reviews/

`zoo VERB --help` explains a command, and `python -m zoo VERB` is the same one. The names of options may have dashes
or underscores: --batch-size is --batch_size.

exit codes:
  0    done
  1    something is missing, damaged or did not answer
  2    the command line makes no sense
  3    a check on numbers or on a score did not hold; nothing was written
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line before the verb: --version and --help."""
    lines = "\n".join(f"  {verb:<10} {about.help}" for verb, about in VERBS.items())
    made = argparse.ArgumentParser(
        "zoo",
        usage="zoo VERB ... | zoo VERB --help | zoo --version",
        description=f"Pretrained models for PaddlePaddle whose conversion is proven.\n\nverbs:\n{lines}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"zoo {__version__}")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: the verb and what follows it; None for the words that this process was started with.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in VERBS:
        verb = VERBS[words[0]]
        run: Callable[[Sequence[str]], int] = getattr(import_module(verb.module), verb.function)
        return run(words[1:])
    return terminal.run(lambda: _without_a_verb(words))


def _without_a_verb(words: list[str]) -> int:
    if words and not words[0].startswith("-"):
        meant = familiar.VERBS.get(words[0].lower(), "")
        hint = (
            f"Here it is `zoo {meant}`."
            if meant
            else did_you_mean(words[0], VERBS.keys()) or f"One of {', '.join(VERBS)}; see `zoo --help`."
        )
        raise UsageError(f"zoo has no command {quote(words[0])}.", hint)
    made = parser()
    if not words:
        made.print_help(sys.stderr)
        return 2
    flag = words[0].partition("=")[0].lstrip("-")
    if flag not in ("h", "help", "version") and not did_you_mean(flag, ("help", "version")):
        what = f"{quote(words[0])} stands where the command goes."
        raise UsageError(what, f"`zoo VERB {clean(words[0])} ...`; VERB is one of {', '.join(VERBS)}.")
    made.parse_args(arguments.spelled(words, made))
    raise UsageError("There is no command.", f"One of {', '.join(VERBS)}; see `zoo --help`.")


if __name__ == "__main__":
    sys.exit(main())

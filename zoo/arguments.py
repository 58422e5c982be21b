"""Command lines: the parser of every command, flags with dashes or underscores, hints for wrong ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from zoo import familiar, terminal
from zoo.errors import UsageError, did_you_mean
from zoo.files import clean

Main = Callable[[argparse.Namespace], int | None]


def program(verb: str) -> str:
    """Returns how a command was called: "zoo export" or "python -m zoo.export"."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    module = spec.name.removesuffix(".__main__") if spec else ""
    if module == "zoo":
        return f"python -m zoo {verb}"
    return f"python -m {module}" if module == f"zoo.{verb}" else f"zoo {verb}"


def parser(verb: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Makes the parser of a command.

    Args:
        verb: the command's name behind `zoo`.
        description: one sentence.
        epilog: examples and exit codes, printed as they are.
    """
    return argparse.ArgumentParser(
        program(verb),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run(made: argparse.ArgumentParser, main: Main, words: Sequence[str] | None) -> int:
    """Parses a command line and runs the command; returns its exit code.

    Args:
        made: from `parser`.
        main: takes what was parsed.
        words: behind the command's name; None for those that this process was started with.
    """
    given = list(sys.argv[1:] if words is None else words)
    return terminal.run(lambda: main(made.parse_args(spelled(given, made))), as_json="--json" in given)


def spelled(
    words: Sequence[str], made: argparse.ArgumentParser, elsewhere: Mapping[str, str] | None = None
) -> list[str]:
    """Returns the words with every flag as its parser spells it: --batch-size and --batch_size are one flag.

    Args:
        words: the command line; what follows a bare "--" is left as it is.
        made: the parser, of argparse or of jsonargparse.
        elsewhere: names that other libraries have for a flag, with underscores -> what it is here.

    Raises:
        UsageError: there is no such flag; the hint names what it is called here, or the nearest.
    """
    known = {_key(flag): flag for action in made._actions for flag in action.option_strings}
    found = list(words)
    for n, word in enumerate(words):
        if word == "--":
            break
        flag, sign, value = word.partition("=")
        if not flag.startswith("--"):
            continue
        if _key(flag) not in known:
            here = (elsewhere or {}).get(_key(flag)) or familiar.option(_key(flag), known)
            hint = familiar.said(here) or did_you_mean(_key(flag), known)
            raise UsageError(f"There is no option {clean(flag)}.", hint or f"{made.prog} --help shows all.")
        found[n] = known[_key(flag)] + sign + value
    return found


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")

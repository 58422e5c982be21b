"""zoo trim: a model with the pieces of your texts only, and proof that they get the same numbers."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import arguments, terminal
from zoo.files import user_path

EPILOG = f"""\
examples:
  zoo trim BAAI/bge-m3 --languages zh,en --corpus zh.txt en.txt --out bge-zh-en
  zoo trim all-MiniLM-L6-v2 --corpus mails.txt --held-out new-mails.txt --out minilm-mails
  zoo trim runs/reviews --corpus reviews.txt --out reviews-small
A corpus is UTF-8 text, one text a line; give texts of every language that the model is to read. What stays: the
pieces that the model's own tokenizer makes of them, all special tokens, and a piece for each single character of
ASCII, of these pieces and of the --languages, so that none of their words becomes unknown. Every 10th text (at
most 10,000) is held out, or --held-out has others. Those of them whose pieces all stay must get the same ids, up to
their new numbers, and bit-identical states. The others are listed in uncovered.jsonl of the new folder, and
certificate.json says how many there are.

A MODEL is what `zoo convert` takes: a name, a folder, a finished run. Models that write texts are not trimmed.

exit codes:
  0    done
  1    the model or a file went wrong
  2    the command line makes no sense
  3    a text whose pieces all stay got other numbers; nothing was published
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Takes the pieces out of a model's vocabulary that your texts do not need, and proves what stays equal."
    made = arguments.parser("trim", said, EPILOG)
    made.add_argument("model", metavar="MODEL", help="name or folder, see below")
    made.add_argument("--corpus", required=True, nargs="+", type=user_path, metavar="FILE", help="your texts")
    made.add_argument("--languages", default="", metavar="zh,en", help="keep all their characters, and punctuation")
    made.add_argument(
        "--held-out", type=user_path, metavar="FILE", help="texts to compare on, instead of every 10th"
    )
    made.add_argument("--out", required=True, type=user_path, metavar="DIR", help="folder to write")
    made.add_argument("--json", action="store_true", help="the figures as one JSON document on stdout")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.trim.corpus import Corpus
    from zoo.trim.work import trim

    corpus = Corpus(given.corpus, given.held_out)
    with terminal.notes():
        languages = [code.strip() for code in given.languages.split(",") if code.strip()]
        done = trim(given.model, corpus, given.out, languages).trimming
    if given.json:
        terminal.print_json(done)
    else:
        terminal.fields(_rows(done, given.out))
    return 0


def _rows(done: Mapping[str, Any], out: Path) -> list[tuple[str, str]]:
    """What a user wants to know, in lines."""
    held, sizes = done["held_out"], {name: done[name].values() for name in ("pieces", "parameters", "weights")}
    share = held["kept"] / held["texts"]
    growth = held["pieces_after"] / max(1, held["pieces_before"]) - 1
    unknown = f"{held['unknown_before']:,} -> {held['unknown_after']:,}"
    return [
        ("folder", str(out)),
        ("pieces", " -> ".join(f"{n:,}" for n in sizes["pieces"])),
        ("parameters", " -> ".join(f"{n:,}" for n in sizes["parameters"])),
        ("weights", " -> ".join(terminal.size(n) for n in sizes["weights"])),
        ("compared", f"{held['texts']:,} held-out texts; {held['kept']:,} ({share:.1%}) keep all their pieces"),
        ("equal", f"ids and states of all {held['kept']:,} of them, bit by bit"),
        ("the others", f"{held['texts'] - held['kept']:,} texts, listed in uncovered.jsonl"),
        ("all texts", f"{growth:+.1%} pieces; {unknown} of them with unknown tokens"),
    ]


if __name__ == "__main__":
    raise SystemExit(main())

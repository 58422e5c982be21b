"""zoo mine: hard negatives for pairs of texts that belong together."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields

from zoo import arguments, terminal
from zoo.files import user_path

EPILOG = f"""\
examples:
  zoo mine all-MiniLM-L6-v2 --data pairs.csv --out triplets.jsonl
  zoo mine all-MiniLM-L6-v2 --data pairs.csv --out triplets.jsonl --relative-margin 0.05 --range-min 5
  zoo mine runs/pairs --data pairs.jsonl --corpus passages.txt --out triplets.csv --number 5 --sampling random
  zoo finetune --task triplets --data triplets.jsonl --model all-MiniLM-L6-v2
  zoo finetune --task rerank --data triplets.jsonl --model xlm-roberta-base

A pair is an anchor (a query) and its positive, in columns of such names or by --columns. Candidates are the other
anchors' positives and the lines of --corpus; a positive of the anchor, or the anchor itself, is none.
Of several positives the least alike counts for margins. A margin of 5 % of the positive's similarity, which leaves
out most texts that answer too, is a good start: --relative-margin 0.05.

exit codes:
  0    done
  1    the model or a file went wrong, or no candidate was left; nothing was written
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser("mine", "Finds texts that are near an anchor and do not belong to it.", EPILOG)
    add = made.add_argument
    add("model", metavar="MODEL", help="of sentence embeddings: name, folder, run")
    add("--data", required=True, type=user_path, metavar="FILE", help="the pairs: csv, tsv, jsonl, parquet")
    add("--out", required=True, type=user_path, metavar="FILE", help="the triplets: .csv, .tsv or .jsonl")
    add("--columns", default="", metavar="A=B", help="which column is what: anchor=question,positive=answer")
    add("--corpus", type=user_path, metavar="FILE", help="more candidates, a text a line")
    add("--number", type=int, default=3, metavar="N", help="negatives of an anchor, at most [3]")
    add("--range-min", type=int, default=0, metavar="N", help="pass over so many of the nearest [0]")
    add("--range-max", type=int, default=0, metavar="N", help="take none behind this place")
    add("--max-score", type=float, metavar="X", help="similarity of a negative, at most")
    add("--min-score", type=float, metavar="X", help="similarity of a negative, at least")
    add("--absolute-margin", type=float, metavar="X", help="below the positive's similarity, at least")
    add("--relative-margin", type=float, metavar="X", help="the same, as a share of the positive's magnitude")
    add("--sampling", default="top", metavar="HOW", help="top: the nearest; random: any that are left [top]")
    add("--seed", type=int, default=42, metavar="N", help="of what is drawn [42]")
    add("--overwrite", action="store_true", help="replace a file that is there")
    add("--json", action="store_true", help="the counts as one JSON document on stdout")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    from zoo.finetune.config import pairs
    from zoo.mine.mining import MiningRules
    from zoo.mine.work import Sources, write_negatives

    rules = MiningRules(**{f.name: getattr(given, f.name) for f in fields(MiningRules)})
    sources = Sources(given.data, pairs(given.columns, "columns"), given.corpus)
    with terminal.notes():
        counts = write_negatives(given.model, sources, given.out, rules, given.overwrite)
    if given.json:
        terminal.print_json(counts)
        return 0
    passed = counts.pop("passed over")
    rows = [(name, f"{value:,}") for name, value in counts.items()]
    rows += [(f"passed over by {rule}", f"{value:,}") for rule, value in passed.items()]
    terminal.fields([*rows, ("written", str(given.out))])
    return 0


if __name__ == "__main__":
    sys.exit(main())

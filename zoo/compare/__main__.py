"""zoo compare: finished runs side by side, and whether their differences can be chance."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo import arguments, files, terminal
from zoo.files import user_path

if TYPE_CHECKING:
    from zoo.compare.runs import Group

EPILOG = f"""\
examples:
  zoo compare runs/a runs/b                          scores, options that differ, significance
  zoo compare runs/a runs/b runs/c --out abc.html    a page with their curves over each other
  zoo compare runs/xnli-3-models                     the runs of `zoo finetune --model A B C`
  zoo compare --pool runs/a-1 runs/a-2 runs/b-1 runs/b-2     two seeds of a against two of b
The first run is what the others are compared with. The test is a paired bootstrap over the rows that both runs
answered (predictions.jsonl in their folders), drawn by --seed; of a run with several seeds the seeds are drawn
too. Runs of other tasks or data stand apart.

exit codes:
  0    done
  1    a file cannot be written
  2    a folder has no finished run
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    said = "Compares finished runs: scores, options that differ, and whether the difference can be chance."
    made = arguments.parser("compare", said, EPILOG)
    made.add_argument("runs", metavar="RUN", nargs="+", type=user_path, help="folder of a run or of an experiment")
    made.add_argument("--out", type=user_path, metavar="FILE", help="write a page, one HTML file")
    made.add_argument("--overwrite", action="store_true", help="replace --out when it is there")
    made.add_argument("--pool", action="store_true", help="runs that differ in their seed alone are one")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the test's draws (default 0)")
    made.add_argument("--json", action="store_true", help="everything as one JSON document on stdout")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    if given.out:
        files.probe_file(given.out, replace=given.overwrite)
    from zoo.compare.runs import compare, write_page

    groups = compare(given.runs, given.seed, given.pool)
    if given.out:
        write_page(given.out, groups, given.overwrite)
    if given.json:
        heads = ("task", "split", "metric")
        terminal.print_json([{**{n: getattr(g, n) for n in heads}, "runs": g.rows()} for g in groups])
        return 0
    for n, group in enumerate(groups):
        if n:
            print()
        _print(group)
    if len(groups) > 1:
        print(f"\nThe runs are of {len(groups)} tasks, data sets or splits, so they stand apart.")
    if given.out:
        print(given.out)
    return 0


def _print(group: Group) -> None:
    """Prints the table of runs that were scored on the same data, and a line for each test."""
    print(f"{group.task}: {group.metric} on {group.split}")
    header = ("run", "model", *group.options, group.metric, "difference", "95 % interval", "p", "")
    rows = [_cells(row) for row in group.rows()]
    first = 2 + len(group.options)
    terminal.table(rows, header, right=range(first, first + 4))
    for row in group.rows():
        found = row.get("test")
        if found:
            missing = f", {found['missing']:,} others left out: not the same in both" if found["missing"] else ""
            note = f"; {found['note']}" if found["note"] else ""
            seeds = (
                f"; {' and '.join(map(str, found['seeds']))} seeds, drawn too" if max(found["seeds"]) > 1 else ""
            )
            drawn = f"{found['resamples']:,} resamples of {found['rows']:,} shared rows"
            print(f"{row['run']}: {drawn}{missing}{seeds}{note}")
        elif row.get("why no test"):
            print(f"{row['run']}: not tested: {row['why no test']}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    score = f"{row['score']:.2f}" + (f" +- {row['deviation']:.2f}" if row["seeds"] > 1 else "")
    cells = (row["run"], row["model"], *map(str, row["options"].values()), score)
    if "difference" not in row:
        return (*cells, "", "", "", "")
    difference, found = f"{row['difference']:+.2f}", row["test"]
    if not found:
        return (*cells, difference, "", "", "not tested")
    return (
        *cells,
        difference,
        f"{found['low']:+.2f} to {found['high']:+.2f}",
        f"{found['p']:.3f}",
        found["verdict"],
    )


if __name__ == "__main__":
    raise SystemExit(main())

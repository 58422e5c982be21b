"""zoo predict: texts or a file in, answers out, with the head, labels and thresholds of a finished run."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import arguments, files, terminal
from zoo.errors import UsageError
from zoo.files import quote, user_path

if TYPE_CHECKING:
    from zoo.finetune.trained_model import TrainedModel
    from zoo.tasks.new_rows import NewRows

EPILOG = f"""\
examples:
  zoo predict runs/reviews "a good film" "what a bore"
  zoo predict runs/squad2 "Who wrote it?" --context "Ada wrote the notes."
  zoo predict runs/reviews --data new.csv --out answers.csv       all its columns, with label and score
  zoo predict runs/ner --data lines.txt --out entities.jsonl      plain text: a text on each line
  zoo predict runs/mnli --data glue/MNLI --split test --out MNLI-m.tsv     for the benchmark's server
A model is the folder of a run, or of `zoo export`. Columns are found by the names that the training files had, or
by the usual ones. The splits of a published data set (a folder, or a file with its official name) are written as
its server takes answers. --out says the form by its ending: .csv, .tsv, .jsonl, .json; else that of --data is kept.

exit codes:
  0    done
  1    data or model went wrong
  2    the command line makes no sense
{terminal.STOPPED}"""
NOT_TEXT = (".xlsx", ".xls", ".ods", ".parquet", ".npy", ".pkl")  # endings that promise what is never written
MAX_SHOWN = 50  # rows of a file that are printed without --out


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser("predict", "Answers of a finished run for texts, for a file, or for a split.", EPILOG)
    made.add_argument("run", metavar="RUN", help="folder of a run, its best/, or a folder of `zoo export`")
    made.add_argument("texts", metavar="TEXT", nargs="*", help="what is to be answered; of a QA model questions")
    made.add_argument("--context", default="", help="what TEXT is asked about, or the second text of a pair")
    made.add_argument("--data", default="", metavar="PATH", help="folder or file; without it the data of the run")
    made.add_argument(
        "--out", default="", metavar="FILE", help="where the answers go; a few are printed without it"
    )
    made.add_argument("--overwrite", action="store_true", help="replace --out when it is there")
    made.add_argument("--split", default="test", help="test (default), dev, ...")
    made.add_argument("--languages", default="", metavar="A,B", help="only these")
    made.add_argument("--task", default="", help="read the files as another data set of the same kind")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> int:
    warnings.filterwarnings("ignore", message="No ccache found")
    if len(given.texts) == 1 and not given.data and user_path(given.texts[0]).is_file():
        terminal.note(f"note: {quote(given.texts[0])} is a file: its rows are answered, as by --data.")
        given.texts, given.data = [], given.texts[0]
    if given.texts and given.data:
        raise UsageError("TEXT and --data are two things to answer.", "Leave one out.")
    if given.context and not given.texts:
        raise UsageError("--context belongs to a TEXT on the command line.", "Of a file it is a column.")
    out = user_path(given.out) if given.out else None
    if out and out.suffix.lower() in NOT_TEXT:
        raise UsageError(f"--out: answers are not written as {quote(out.suffix)}.", "Name it .csv, .tsv or .jsonl.")
    if out:
        files.probe_file(out, replace=given.overwrite)
    from zoo.finetune.trained_model import TrainedModel, is_official

    with terminal.notes():
        saved = TrainedModel(given.run, given.task)
        if not given.texts and is_official(saved.task, given.data):
            return _submission(saved, given, out)
        return _readable(saved, given, out)


def _submission(saved: TrainedModel, given: argparse.Namespace, out: Path | None) -> int:
    """A split of a published data set, in its own form."""
    from zoo.finetune.config import split_names

    if out is None:
        raise UsageError(f"Say where the answers for {saved.task.name}, {given.split}, go.", "--out FILE")
    split = saved.read(given.data, given.split, split_names(given.languages))
    answers = saved.predict(split, out, given.overwrite)
    print(f"{len(answers)} answers: {out}")
    return 0


def _readable(saved: TrainedModel, given: argparse.Namespace, out: Path | None) -> int:
    """Rows with their answers, on stdout or in a file."""
    from zoo.tasks import answer_files

    new, came = _new_rows(saved, given)
    if out:
        answer_files.form_of(out, came)
    elif len(new.examples) > MAX_SHOWN and not given.json:
        raise UsageError(
            f"'{came}' has {len(new.examples)} rows.", "Say where the answers go: --out FILE, or --json."
        )
    rows = answer_files.joined(new.values, saved.answer(new))
    if out:
        answer_files.write(out, rows, came, given.overwrite)
        print(f"{len(rows)} answers: {out}")
    elif given.json:
        terminal.print_json(rows)
    else:
        _show(rows)
    return 0


def _new_rows(saved: TrainedModel, given: argparse.Namespace) -> tuple[NewRows, Path | None]:
    """What is to be answered, and the file that it comes from."""
    from zoo.tasks import new_rows
    from zoo.tasks.user_files import file_of_split

    if given.texts:
        return new_rows.of_texts(saved.task, given.texts, given.context), None
    if given.data:
        path = user_path(given.data)
        came = file_of_split(saved.task, given.data, given.split) if path.is_dir() or not path.exists() else path
    else:
        found = saved.source(given.split)
        if found is None:
            raise UsageError(
                f"There is nothing to answer: the run has no split '{given.split}'.",
                'Give a text or a file: zoo predict RUN "a text", or --data FILE.',
            )
        came = found
    return new_rows.of_file(saved.task, came), came


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    from zoo.tasks.answer_files import cell

    columns = list(dict.fromkeys(column for row in rows for column in row))
    numbers = [n for n, name in enumerate(columns) if name.endswith("score")]
    terminal.table([[_short(row.get(name), cell) for name in columns] for row in rows], columns, right=numbers)


def _short(value: Any, cell: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list) and value and isinstance(value[0], dict) and "type" in value[0]:
        return ", ".join(f"{one['text']} ({one['type']})" for one in value)
    return files.printable(" ".join(cell(value).split()))


if __name__ == "__main__":
    sys.exit(main())

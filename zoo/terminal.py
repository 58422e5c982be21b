"""What every command shares: how errors end, tables, progress. `rich` is imported on a terminal only."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TextIO
from unicodedata import east_asian_width

from zoo import signals
from zoo.errors import ZooError
from zoo.files import printable

if TYPE_CHECKING:
    import logging

# Control characters beyond ASCII, marks that turn the direction of writing, line ends of Unicode, half characters.
UNSEEN = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

PADDLE_ERRORS = "2"  # of glog's levels; read when paddle is imported

STOPPED = """\
  130  stopped with Ctrl-C, 143 with SIGTERM: within ten seconds, and nothing half-written stays
"""  # the last line of every command's exit codes


def run(main: Callable[[], int | None], *, as_json: bool = False) -> int:
    """Runs a command and returns its exit code.

    A `ZooError` becomes one paragraph on stderr (with `as_json`, one object on stdout). Ctrl-C ends with 130,
    SIGTERM with 143, and a closed pipe quietly. Anything else is a mistake of ours and keeps its traceback.
    Paddle's remarks to its own developers stay away; $GLOG_minloglevel has the last word.
    """
    os.environ.setdefault("GLOG_minloglevel", PADDLE_ERRORS)
    with signals.owned() as outermost:
        try:
            code = _run(main, as_json)
            signals.settle()
            return code
        except BaseException as error:
            number = signals.received()  # whatever is raised behind a signal comes from it
            if not outermost or not (number or isinstance(error, KeyboardInterrupt)):
                raise
    print("stopped", file=sys.stderr)
    return 128 + (number or signal.SIGINT)


def _run(main: Callable[[], int | None], as_json: bool) -> int:
    try:
        return main() or 0
    except ZooError as error:
        if signals.received():
            raise
        if as_json:
            print_json({"error": {"type": type(error).__name__, "message": error.message, "hint": error.hint}})
        else:
            print(f"error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader (such as `head`) has gone; pointing stdout elsewhere keeps Python's own flush at exit quiet.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115
        return 0


@contextmanager
def notes() -> Iterator[None]:
    """What the zoo logs is a line on stderr, "note: ...", without the prefixes that frameworks add."""
    import logging  # late: a command that only lists needs none

    log = logging.getLogger("zoo")
    before = log.level, log.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    handler.addFilter(_printable)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


def _printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def print_json(value: object) -> None:
    """Prints one JSON document on stdout, with what a terminal would obey written as \\u escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    print(text if text.isascii() else UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def size(count: int) -> str:
    """Bytes for people: 524 MB, 2.24 GB (powers of ten, as the Hub shows them)."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def table(rows: Sequence[Sequence[str]], header: Sequence[str], *, right: Sequence[int] = ()) -> None:
    """Prints a table: aligned text in a pipe, ruled on a terminal, where long cells take several lines.

    On a terminal on which the longest words do not fit side by side, every row is a list of names and values.

    Args:
        rows: cells as text.
        header: names of the columns.
        right: columns of numbers.
    """
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    if not sys.stdout.isatty():
        _print_rows((header, *rows), widths, right)
        return
    narrowed = _narrowed(rows, header, widths, shutil.get_terminal_size().columns)
    if narrowed:
        _rich_table(rows, header, narrowed, right)
        return
    for row in rows:
        fields([(name, cell) for name, cell in zip(header, row, strict=True) if cell])
        print()


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: Chinese characters take two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(char) in "WF") for char in text)


def _print_rows(rows: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[int]) -> None:
    for row in rows:
        cells = (
            " " * (width - _width(cell)) + cell if n in right else cell + " " * (width - _width(cell))
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def _narrowed(
    rows: Sequence[Sequence[str]], header: Sequence[str], widths: Sequence[int], room: int
) -> list[int] | None:
    """Widths of the columns that fit into the room, the widest narrowed first; None when their words do not fit."""
    columns = zip(header, *rows, strict=True)
    least = [max(_width(part.rstrip()) for cell in column for part in _parts(cell)) for column in columns]
    found = list(widths)
    while sum(found) + 2 * len(found) > room:
        loose = [n for n, width in enumerate(found) if width > least[n]]
        if not loose:
            return None
        found[max(loose, key=found.__getitem__)] -= 1
    return found


def _parts(cell: str) -> list[str]:
    """A cell divided where a line may end: behind a space, and behind the / of a name or an address."""
    return re.split(r"(?<=[ /])(?=[^ /])", cell)


def _folded(cell: str, width: int) -> str:
    """A cell in lines of at most `width` characters."""
    lines = [""]
    for part in _parts(cell):
        if lines[-1] and _width((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _rich_table(
    rows: Sequence[Sequence[str]], header: Sequence[str], widths: Sequence[int], right: Sequence[int]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    ruled = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for n, (name, width) in enumerate(zip(header, widths, strict=True)):
        ruled.add_column(_folded(name, width), justify="right" if n in right else "left", no_wrap=True)
    for row in rows:
        ruled.add_row(*(Text(_folded(cell, width)) for cell, width in zip(row, widths, strict=True)))
    Console().print(ruled)


def fields(rows: Sequence[tuple[str, str]]) -> None:
    """Prints names and values, one a line; long values are folded on a terminal."""
    width = max(len(name) for name, _ in rows) + 2
    columns = 0
    if sys.stdout.isatty():
        columns = max(40, shutil.get_terminal_size().columns - width - 2)
    for name, value in rows:
        lines = (
            textwrap.wrap(value, columns, break_long_words=False, break_on_hyphens=False) if columns else [value]
        )
        for n, line in enumerate(lines or [""]):
            print(f"  {'' if n else name:<{width}}{line}".rstrip())


def note(line: str) -> None:
    """One line for people, on stderr: what a program chose by itself."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """A bar on a terminal; in a log one line when it gets going, every 30 s, and at the end.

    Args:
        label: what is being done, such as a file name.
        total: bytes (or steps) in all, 0 when unknown.
        unit: formats an amount; bytes by default.
    """

    def __init__(
        self, label: str, total: int, unit: Callable[[int], str] = size, stream: TextIO | None = None
    ) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.note = ""  # shown behind the amount, such as the loss
        self.stream = stream or sys.stderr
        self._said, self._line = 0.0, ""
        self._bar: Any = None
        self._task: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Progress:
        if self.stream.isatty():
            from rich import progress
            from rich.console import Console

            columns = ("[progress.description]{task.description}", progress.BarColumn(), "{task.fields[amount]}")
            self._bar = progress.Progress(
                *columns,
                progress.TimeRemainingColumn(),
                console=Console(file=self.stream),
                redirect_stdout=sys.stdout.isatty(),  # else what is printed meanwhile would miss the user's file
            )
            self._bar.start()
            self._stack.callback(self._bar.stop)
            self._stack.enter_context(signals.cleanup(self._bar.stop))  # it hides the cursor
            self._task = self._bar.add_task(self.label, total=self.total or None, amount="")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        if self._bar is None and self._said:
            self._say()

    def to(self, done: int) -> None:
        """Sets how much is done."""
        self.done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self.total or None, amount=self._amount())
        elif not self._said or time.monotonic() - self._said > 30:
            self._say()

    def add(self, count: int) -> None:
        """Adds to how much is done."""
        self.to(self.done + count)

    def _amount(self) -> str:
        amount = f"{self.unit(self.done)} of {self.unit(self.total)}" if self.total else self.unit(self.done)
        return f"{amount}, {self.note}" if self.note else amount

    def _say(self) -> None:
        self._said = time.monotonic()
        line = f"{self.label}: {self._amount()}"
        if line != self._line:  # the last step and the end say the same
            print(line, file=self.stream, flush=True)
        self._line = line


@contextmanager
def status(message: str) -> Iterator[None]:
    """A spinner on a terminal, nothing in a log: for steps that have no measure."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    console = Console(stderr=True)
    with signals.cleanup(lambda: console.show_cursor(True)), console.status(message):
        yield

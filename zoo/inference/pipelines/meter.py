"""The progress of a call that takes long."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

from zoo.terminal import Progress

SECONDS_BEFORE_BAR = 2.0  # seconds without a progress bar


class Meter:
    """A bar on a terminal, once the work has taken a while.

    Args:
        label: stands before the bar.
        total: items in all; 0 when nobody knows.
        shown: show it, where stderr is a terminal.
        stack: ends the bar.
    """

    def __init__(self, label: str, total: int, shown: bool, stack: ExitStack) -> None:
        self.label, self.total, self.stack = label, total, stack
        self.shown = shown and sys.stderr.isatty()
        self.begin = time.monotonic()
        self.bar: Progress | None = None

    def to(self, done: int) -> None:
        """Says how many items are done."""
        if self.bar is None and self.shown and time.monotonic() - self.begin > SECONDS_BEFORE_BAR:
            self.bar = self.stack.enter_context(Progress(self.label, self.total, lambda n: f"{n:,}"))
        if self.bar is not None:
            self.bar.to(done)

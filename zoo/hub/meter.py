"""Bounds how long a server is waited for, and how much is taken from it.

A request gives up when nothing comes for SILENCE_SECONDS, or less than MIN_BYTES_PER_SECOND over that time. It is
tried again, as long as what was waited in vain, pauses included, is less than PATIENCE_SECONDS: over all tries and
all files of a model since data last came well for SILENCE_SECONDS. A listing has PATIENCE_SECONDS in all.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE_SECONDS = 10.0  # $HF_HUB_DOWNLOAD_TIMEOUT instead, if it is set
MIN_BYTES_PER_SECOND = 1000
PATIENCE_SECONDS = 20.0
MAX_HEAD_BYTES = 256 << 10  # status line, headers and what a redirect says


class BrokenTransfer(Exception):
    """A try that failed in a way that another try may mend; `wait` is how long the server asks to wait."""

    wait = 0.0
    status = 0


class Meter:
    """A count of the seconds and bytes of some transfers, one after the other.

    Args:
        renewed: good data restores patience.
    """

    def __init__(self, renewed: bool = True) -> None:
        self.renewed = renewed
        self.silence = _silence()
        self.lost = 0.0  # seconds of tries that failed, and of pauses
        self.begin()

    def begin(self) -> None:
        """Begins a file."""
        self.got = 0  # bytes of it so far, however often it was begun
        self.attempt()

    def attempt(self) -> None:
        """Begins a try."""
        self.waited = 0.0
        self.expect(MAX_HEAD_BYTES)

    def failed(self, pause: float) -> None:
        """Ends a try that failed, with a pause before the next one."""
        self.lost += self.waited + pause
        self.waited = 0.0

    def advanced(self) -> None:
        """Restores patience."""
        self.lost = self.waited = 0.0

    def expect(self, most: int) -> None:
        """Begins a part of an answer that has at most so many bytes."""
        self._window, self._count, self._most = 0.0, 0, most

    def left(self) -> float:
        """Gives the seconds of patience that are left."""
        return max(PATIENCE_SECONDS, self.silence) - self.lost - self.waited

    def timeout(self) -> float:
        """Gives the seconds that the next piece may take.

        Raises:
            Broken: there is no patience left.
        """
        if self.left() <= 0:
            raise BrokenTransfer(f"it was not complete after {max(PATIENCE_SECONDS, self.silence):g} seconds")
        return max(0.01, min(self.silence, self.left()))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the seconds of a block that waits for the server."""
        start = time.monotonic()
        try:
            yield
        finally:
            passed = time.monotonic() - start
            self.waited += passed
            self._window += passed

    def add(self, count: int) -> None:
        """Counts bytes that came.

        Raises:
            Broken: they came too slowly, or there are more than expected.
        """
        self._count += count
        self._most -= count
        if self._most < 0:
            raise BrokenTransfer("the answer goes on behind its end")
        if self._window >= self.silence:
            if self._count < MIN_BYTES_PER_SECOND * self._window:
                raise BrokenTransfer(f"less than {MIN_BYTES_PER_SECOND:,} bytes a second came")
            self._window, self._count = 0.0, 0
            if self.renewed:
                self.advanced()


def _silence() -> float:
    wanted = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "").strip()
    return float(wanted) if re.fullmatch(r"[1-9][0-9]{0,3}", wanted) else SILENCE_SECONDS

"""Handles Ctrl-C (SIGINT) and SIGTERM while a command runs: one owner, whatever the libraries below do with them.

Both signals are blocked in the main thread, and so in every thread that starts later; one thread waits for them.
A handler that a library installs (paddle does when it is imported) is therefore never called. The waiting thread
asks the main thread to stop, until that is at a place where an exception does no harm: not in an import, not below
native code that calls Python back (it would end the process with a trace), not in a `deferred` block. A process
that has not stopped after `GRACE_SECONDS`, because it is inside one long native call, is ended from outside: what
`cleanup` was told is done, child processes are ended, and the process exits. A second signal does that at once,
and so does the first one in native code while nothing is to be given back.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType

from zoo.processes import descendants, place_of

OWNED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Wakes the main thread; nothing else uses it, and by default it does nothing.
WAKE_SIGNAL = getattr(signal, "SIGURG", 0)
GRACE_SECONDS = 6.0  # that a command has to stop by itself
POLL_SECONDS = 0.02  # between two wake-ups of the main thread
REPEAT_SECONDS = 0.5  # a second signal within so many seconds is the first one: `timeout` sends two
CHILD_GRACE_SECONDS = 3.0  # that child processes have to end

_owner: _Owner | None = None
_undone_by: list[Callable[[], object]] = []


class Stopped(KeyboardInterrupt):
    """The exception that ends a command after a signal.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def settle() -> None:
    """Raises `Stopped` for a signal that has come and that the waiting thread has not got round to."""
    if _owner and _in_main_thread():
        _owner.settle()


def received() -> int:
    """Gives the number of the signal that the command is to stop for, 0 for none."""
    return _owner.number if _owner else 0


@contextmanager
def owned() -> Iterator[bool]:
    """Raises `Stopped` in the main thread for SIGINT and SIGTERM inside the block; behind it they are as before.

    Gives False in a block within another one, which is to pass `Stopped` on. Signals that are ignored (SIGINT in a
    shell's background job) stay ignored. Does nothing outside of the main thread and without POSIX signals.
    """
    global _owner
    taken = [n for n in OWNED_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    if _owner or not _in_main_thread() or not taken or not hasattr(signal, "pthread_sigmask"):
        yield _owner is None
        return
    _watch_forks()
    _owner = owner = _Owner(taken)
    owner.start()
    try:
        yield True
    finally:
        owner.finish()
        _owner = None


@contextmanager
def deferred() -> Iterator[None]:
    """Keeps a signal inside the block until its end: for what must not be left half-done, and for native code."""
    if not _in_main_thread():
        yield
    elif _owner is None:
        with _late_interrupt():
            yield
    else:
        _owner.deferred += 1
        try:
            yield
        finally:
            _owner.deferred -= 1
        _owner.stop()


@contextmanager
def cleanup(undo: Callable[[], object]) -> Iterator[None]:
    """Calls `undo`, in another thread, when the process is ended inside the block without leaving it."""
    _undone_by.append(undo)
    try:
        yield
    finally:
        _undone_by.remove(undo)


def patience(seconds: float) -> None:
    """Lets the command take so long to stop by itself, as a server does that answers what it has accepted."""
    if _owner:
        _owner.grace = seconds


def end_children() -> None:
    """Ends the processes that this one started while it owns the signals; returns when they are gone (Linux)."""
    if _owner:
        _owner.end_children()


def reclaim() -> None:
    """Takes the handlers back from a library that was just imported: for threads older than the owner."""
    if _owner and _in_main_thread():
        _owner.take()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _late_interrupt() -> Iterator[None]:
    """Does what `deferred` does where no command runs (a notebook): Ctrl-C waits for the end of the block."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if seen:
        raise KeyboardInterrupt


class _Owner:
    """The owner of the signals of one command."""

    def __init__(self, taken: list[signal.Signals]) -> None:
        self.taken = taken
        self.number = 0  # of the first signal
        self.at = 0.0  # when it came
        self.raised = False
        self.deferred = 0
        self.grace = GRACE_SECONDS
        self.main = threading.get_ident()
        self.left = threading.Event()
        self.ending = threading.Lock()
        self.watcher = threading.Thread(target=self._watch, name="signals", daemon=True)
        self.before = {n: signal.getsignal(n) for n in (*taken, WAKE_SIGNAL)}
        self.older = descendants()

    def start(self) -> None:
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.taken)
        atexit.unregister(_at_last)
        atexit.register(_at_last)  # before any library: what is registered first is called last
        self.take()
        signal.signal(WAKE_SIGNAL, self._knocked)
        self.watcher.start()

    def take(self) -> None:
        for number in self.taken:
            signal.signal(number, lambda n, _: self._arrived(n))

    def settle(self) -> None:
        if not self.number and (found := signal.sigtimedwait(self.taken, 0)):
            self.number = found.si_signo
        self.stop()

    def finish(self) -> None:
        self.raised = True  # nothing more
        self.left.set()
        if self.number:
            self.end_children()
        if self.ending.locked():  # another thread is about to end the process
            time.sleep(CHILD_GRACE_SECONDS + GRACE_SECONDS)
        signal.pthread_kill(self.watcher.ident or 0, self.taken[0])  # only wakes it
        self.watcher.join()
        while signal.sigtimedwait(self.taken, 0):  # too late; the system would end the process for it
            pass
        self.give_back()

    def give_back(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        atexit.unregister(_at_exit)  # of an earlier command
        atexit.register(_at_exit)

    def stop(self) -> None:
        """Raises `Stopped` in the main thread if it is time."""
        if self.number and not self.raised and not self.deferred:
            self.raised = True
            raise Stopped(self.number)

    # --- in other threads ---

    def _watch(self) -> None:
        while True:
            number = signal.sigwait(self.taken)
            if self.left.is_set():
                return
            self._arrived(number)

    def _arrived(self, number: int) -> None:
        if not self.number:
            self.number, self.at = number, time.monotonic()
            signal.pthread_kill(self.main, WAKE_SIGNAL)
            threading.Thread(target=self._ask, name="stopping", daemon=True).start()
        elif time.monotonic() - self.at > REPEAT_SECONDS:
            threading.Thread(target=self._end, name="ending", daemon=True).start()

    def _ask(self) -> None:
        """Knocks until the main thread stops, and ends the process if it does not."""
        while not self.raised and not self.left.is_set() and time.monotonic() - self.at < self.grace:
            signal.pthread_kill(self.main, WAKE_SIGNAL)
            time.sleep(POLL_SECONDS)
        if not self.left.wait(max(0.0, self.at + self.grace - time.monotonic())):
            self._end()

    def _knocked(self, _: int, frame: FrameType | None) -> None:
        place = place_of(frame)
        if place == "safe":
            self.stop()
        elif place == "native" and not self.deferred and not _undone_by:  # nothing is held that would be left
            threading.Thread(target=self._end, name="ending", daemon=True).start()

    def _end(self) -> None:
        """Ends the process without the main thread."""
        if not self.ending.acquire(blocking=False):
            return
        tidying = threading.Thread(target=_undo, name="tidying", daemon=True)
        tidying.start()
        tidying.join(CHILD_GRACE_SECONDS)  # a disk or a server may not answer
        self.end_children()
        with suppress(OSError):
            os.write(2, b"stopped\n")
        os._exit(128 + self.number)

    def end_children(self) -> None:
        """Sends SIGTERM, and SIGKILL to those that do not end within `CHILD_GRACE_SECONDS`."""
        until = time.monotonic() + CHILD_GRACE_SECONDS
        for number in (signal.SIGTERM, signal.SIGKILL):
            told: set[int] = set()  # once each; the system may list a child late
            while left := descendants() - self.older:
                for child in left - told:
                    with suppress(OSError):
                        os.kill(child, number)
                told |= left
                if time.monotonic() > until:
                    break
                time.sleep(POLL_SECONDS)


def _undo() -> None:
    """Does what `cleanup` was told, and removes the temporary folders of `tempfile`."""
    for undo in (*reversed(_undone_by), weakref.finalize._exitfunc):  # type: ignore[attr-defined]
        with suppress(BaseException):
            undo()


def _at_last() -> None:
    """Blocks the signals: from here on no Python runs, and nothing takes long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, OWNED_SIGNALS)


def _at_exit() -> None:
    """Lets only a second signal cut off the end, when the command is over and the libraries put themselves away."""
    seen: list[int] = []

    def late(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)

    for number in OWNED_SIGNALS:
        if _in_main_thread() and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, late)


@cache
def _watch_forks() -> None:
    """Lets every child that is forked from here on have its signals back."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    """Gives the signals back in a child that was forked (a worker of a pool): it may be terminated."""
    global _owner
    if _owner:
        _owner.give_back()
    _owner = None

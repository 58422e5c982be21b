"""Ctrl-C (SIGINT) and SIGTERM while a command runs: one owner, whatever the libraries below do with them.

Both signals are blocked in the main thread, and so in every thread that starts later; one thread waits for them.
A handler that a library installs (paddle does when it is imported) is therefore never called. The waiting thread
asks the main thread to stop, until that is at a place where an exception does no harm: not in an import, not below
native code that calls Python back (it would end the process with a trace), not in a `deferred` block. A process
that has not stopped after `GRACE` seconds, because it is inside one long native call, is ended from outside: what
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
from pathlib import Path
from types import FrameType
from typing import Literal

OWNED = (signal.SIGINT, signal.SIGTERM)
KNOCK = getattr(signal, "SIGURG", 0)  # wakes the main thread; nothing else uses it, and by default it does nothing
GRACE = 6.0  # seconds that a command has to stop by itself
AGAIN = 0.02  # seconds between two knocks
SAME = 0.5  # a second signal within so many seconds is the first one: `timeout` sends two
PATIENCE = 3.0  # seconds that child processes have to end
# Their functions run below native code, or are imports, which native code makes too.
NATIVE = {"_frozen_importlib", "_frozen_importlib_external", "importlib", "paddle", "paddle2onnx"}
NATIVE |= {"openvino", "nncf", "onnx", "onnxruntime", "torch"}
# What a `with` block or an object gives back must be given back whole.
WHOLE = {"__enter__", "__exit__", "__del__", "rmtree", "_rmtree_safe_fd"}

_owner: _Owner | None = None
_undone_by: list[Callable[[], object]] = []


class Stopped(KeyboardInterrupt):
    """A signal ends the command.

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
    """The number of the signal that the command is to stop for, 0 for none."""
    return _owner.number if _owner else 0


@contextmanager
def owned() -> Iterator[bool]:
    """Inside, SIGINT and SIGTERM raise `Stopped` in the main thread; behind it they are handled as before.

    Gives False in a block within another one, which is to pass `Stopped` on. Signals that are ignored (SIGINT in a
    shell's background job) stay ignored. Does nothing outside of the main thread and without POSIX signals.
    """
    global _owner
    taken = [n for n in OWNED if signal.getsignal(n) is not signal.SIG_IGN]
    if _owner or not _in_main_thread() or not taken or not hasattr(signal, "pthread_sigmask"):
        yield _owner is None
        return
    _owner = owner = _Owner(taken)
    owner.start()
    try:
        yield True
    finally:
        owner.finish()
        _owner = None


@contextmanager
def deferred() -> Iterator[None]:
    """A signal inside the block raises at its end: for what must not be left half-done, and for native code."""
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
    """Has `undo` called, in another thread, when the process is ended inside the block without leaving it."""
    _undone_by.append(undo)
    try:
        yield
    finally:
        _undone_by.remove(undo)


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
    """`deferred` where no command runs (a notebook): Python's own Ctrl-C waits for the end of the block."""
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
    """The signals of one command."""

    def __init__(self, taken: list[signal.Signals]) -> None:
        self.taken = taken
        self.number = 0  # of the first signal
        self.at = 0.0  # when it came
        self.raised = False
        self.deferred = 0
        self.main = threading.get_ident()
        self.left = threading.Event()
        self.ending = threading.Lock()
        self.watcher = threading.Thread(target=self._watch, name="signals", daemon=True)
        self.before = {n: signal.getsignal(n) for n in (*taken, KNOCK)}
        self.older = _descendants()

    def start(self) -> None:
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.taken)
        atexit.unregister(_at_last)
        atexit.register(_at_last)  # before any library: what is registered first is called last
        self.take()
        signal.signal(KNOCK, self._knocked)
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
            time.sleep(PATIENCE + GRACE)
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
            signal.pthread_kill(self.main, KNOCK)
            threading.Thread(target=self._ask, name="stopping", daemon=True).start()
        elif time.monotonic() - self.at > SAME:
            threading.Thread(target=self._end, name="ending", daemon=True).start()

    def _ask(self) -> None:
        """Knocks until the main thread stops, and ends the process if it does not."""
        while not self.raised and not self.left.is_set() and time.monotonic() - self.at < GRACE:
            signal.pthread_kill(self.main, KNOCK)
            time.sleep(AGAIN)
        if not self.left.wait(max(0.0, self.at + GRACE - time.monotonic())):
            self._end()

    def _knocked(self, _: int, frame: FrameType | None) -> None:
        place = _place(frame)
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
        tidying.join(PATIENCE)  # a disk or a server may not answer
        self.end_children()
        with suppress(OSError):
            os.write(2, b"stopped\n")
        os._exit(128 + self.number)

    def end_children(self) -> None:
        """SIGTERM, and SIGKILL for those that do not end within `PATIENCE`."""
        until = time.monotonic() + PATIENCE
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in _descendants() - self.older:
                with suppress(OSError):
                    os.kill(child, number)
            while _descendants() - self.older and time.monotonic() < until:
                time.sleep(AGAIN)


def _undo() -> None:
    """Does what `cleanup` was told, and removes the temporary folders of `tempfile`."""
    for undo in (*reversed(_undone_by), weakref.finalize._exitfunc):  # type: ignore[attr-defined]
        with suppress(BaseException):
            undo()


def _place(frame: FrameType | None) -> Literal["safe", "native", "whole"]:
    """Where the main thread is that has come to this frame: only at a safe place an exception does no harm."""
    found: Literal["safe", "native"] = "safe"
    while frame:
        if frame.f_code.co_name in WHOLE:
            return "whole"
        if frame.f_globals.get("__name__", "").partition(".")[0] in NATIVE:
            found = "native"
        frame = frame.f_back
    return found


def _descendants() -> set[int]:
    """The processes below this one that run; empty where the system does not say."""
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with suppress(OSError):
                new = {int(child) for child in task.read_text().split()}
                waiting += new
                found |= {child for child in new if _runs(child)}
    return found


def _runs(child: int) -> bool:
    """False for one that has ended, and for multiprocessing's, which ends with us and tidies up."""
    folder = Path(f"/proc/{child}")
    try:
        ended = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "Z"
        return not ended and b"resource_tracker" not in (folder / "cmdline").read_bytes()
    except OSError:
        return False


def _at_last() -> None:
    """From here on no Python runs, and nothing takes long: a signal waits for the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, OWNED)


def _at_exit() -> None:
    """The command is over and the libraries put themselves away; only a second signal cuts that off."""
    seen: list[int] = []

    def late(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)

    for number in OWNED:
        if _in_main_thread() and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, late)


def _forked() -> None:
    """A child that was forked (a worker of a pool) is on its own, and may be terminated."""
    global _owner
    if _owner:
        _owner.give_back()
    _owner = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

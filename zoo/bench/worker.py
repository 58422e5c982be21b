"""A child process that answers lines of JSON: what it measures, and its death, stay out of the parent.

The parent makes a `Worker`; the child's module calls `serve`. Standard library only, so that a child that runs
another library's network holds nothing of ours.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo import errors, processes, signals
from zoo.errors import ZooError

Message = dict[str, Any]
Run = Callable[[Message], Message]

# How the libraries say it: paddle ResourceExhausted, torch DefaultCPUAllocator, C++ std::bad_alloc, ...
OUT_OF_MEMORY = re.compile(
    r"bad.?alloc|alloc\w*\W+\w*\W*memory|out of memory|not enough memory|resourceexhausted", re.I
)
CHECKOUT = Path(__file__).resolve().parents[2]


class OutOfMemoryError(RuntimeError):
    """A child had no memory left, or was killed by the system, which means the same."""


class Worker:
    """A running child.

    Args:
        module: what `python -m` runs.
        job: its first message; `about` is the answer.
        environ: variables on top of ours.

    Raises:
        OutOfMemoryError: here and in `ask`: it had no memory left.
        ZooError: here and in `ask`: it says so.
        RuntimeError: here and in `ask`: it died; the message ends with what it printed.
    """

    def __init__(self, module: str, job: Message, environ: Mapping[str, str] | None = None) -> None:
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        self._child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(environ or {})},
        )
        self.tell(job)

    @property
    def about(self) -> Message:
        """The answer to the job; waits for it on first use."""
        if not hasattr(self, "_about"):
            self._about = self.answer()
        return self._about

    def ask(self, message: Message) -> Message:
        """Sends a message and waits for the answer."""
        self.tell(message)
        return self.answer()

    def tell(self, message: Message) -> None:
        """Sends a message; several children may work on theirs before `answer` waits for each."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # `answer` says why
            self._child.stdin.write(json.dumps(message) + "\n")
            self._child.stdin.flush()

    def answer(self) -> Message:
        """The next answer."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise self._dead()
        found: Message = json.loads(line)
        if "out_of_memory" in found:
            raise OutOfMemoryError(found["out_of_memory"])
        if "error" in found:
            raise getattr(errors, found["error"]["type"], ZooError)(
                found["error"]["message"], found["error"]["hint"]
            )
        return found

    def _dead(self) -> RuntimeError:
        code = self._child.wait()
        self._printed.seek(0)
        printed = self._printed.read().decode(errors="replace")[-2000:]
        if code == -signal.SIGKILL or (code == -signal.SIGABRT and OUT_OF_MEMORY.search(printed)):
            return OutOfMemoryError(f"ended by signal {-code}")
        return RuntimeError(f"The process ended with {code}:\n{printed}")

    def close(self) -> None:
        """Ends the child, which removes what it has half-written."""
        processes.end([self._child])
        self._child.communicate()
        self._printed.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def serve(start: Callable[[Message], tuple[Message, Run]]) -> None:
    """The child's side: answers until the parent is gone, or ends it by a signal.

    Args:
        start: gets the job; returns what `about` says, and what answers every further message.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def reply(work: Callable[[], Message]) -> None:
        try:
            message = work()
        except ZooError as error:
            message = {"error": {"type": type(error).__name__, "message": error.message, "hint": error.hint}}
        except Exception as error:
            if not isinstance(error, MemoryError) and not OUT_OF_MEMORY.search(str(error)):
                raise
            message = {"out_of_memory": str(error).strip().partition("\n")[0] or type(error).__name__}
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    runs: list[Run] = []

    def begin() -> Message:
        about, run = start(json.loads(sys.stdin.readline()))
        runs.append(run)
        return about

    with signals.owned(), suppress(signals.Stopped):
        reply(begin)
        for line in sys.stdin if runs else ():
            reply(lambda: runs[0](json.loads(line)))  # noqa: B023


def limit_memory(count: int) -> None:
    """Lets this process allocate so many bytes; the system ends it before any other where it takes more."""
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
    if count and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (count, count))

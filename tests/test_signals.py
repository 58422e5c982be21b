"""One owner of SIGINT and SIGTERM: what a command does with them, wherever it is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo import processes

ROOT = Path(__file__).resolve().parents[1]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
# A shell starts background jobs with SIGINT ignored, and a test run may be one.
USUAL = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from zoo import processes, signals, terminal

def ready():
    print("ready", flush=True)
"""


def start(code: str) -> subprocess.Popen[str]:
    """A program that says "ready" when it may be stopped."""
    return subprocess.Popen(
        [sys.executable, "-c", USUAL + code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stopped(code: str, number: int, times: int = 1) -> tuple[int, str, str, float]:
    """Exit code, rest of stdout, stderr, and seconds from the signal to the end."""
    process = start(code)
    assert process.stdout is not None and process.stdout.readline() == "ready\n", process.communicate()
    for n in range(times):
        time.sleep(0.7 if n else 0)
        process.send_signal(number)
    begin = time.monotonic()
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err, time.monotonic() - begin


@BOTH
@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(60)",
        "while True: pass",
        # Not our stdout: a signal inside Popen, before it knows its child, leaves the child with what it holds.
        "from subprocess import DEVNULL as no, run; run(['sleep', '60'], stdout=no, stderr=no)",
        "import threading; threading.Lock().acquire(); threading.Event().wait()",
        "sum(0 for _ in iter(int, 1))",
    ],
)
def test_a_command_stops_at_once(number: int, work: str) -> None:
    code, out, err, seconds = stopped(f"def main():\n    ready()\n    {work}\nsys.exit(terminal.run(main))", number)
    assert (code, out, err) == (128 + number, "", "stopped\n")
    assert seconds < 5


@BOTH
def test_an_error_behind_a_signal_is_the_signal(number: int) -> None:
    """What native code makes of `Stopped`, or a library of a system call that was cut off."""
    work = """
def main():
    try:
        ready()
        time.sleep(60)
    except BaseException:
        raise RuntimeError("(External) a Python function failed")
sys.exit(terminal.run(main))
"""
    assert stopped(work, number)[:3] == (128 + number, "", "stopped\n")


@BOTH
def test_a_deferred_block_is_finished_first(number: int) -> None:
    work = """
def main():
    with signals.deferred():
        with signals.deferred():
            ready()
            until = time.monotonic() + 1
            while time.monotonic() < until: pass
        print("whole", flush=True)
    print("more")
sys.exit(terminal.run(main))
"""
    assert stopped(work, number)[:3] == (128 + number, "whole\n", "stopped\n")


@BOTH
@pytest.mark.parametrize("where", ["an import", "native code", "an exit"])
def test_nothing_is_raised_where_it_does_harm(number: int, where: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nready()\ntime.sleep(1)\nprint('whole', flush=True)\n")
    (tmp_path / "paddle.py").write_text(
        "import time\ndef call(back):\n    back()\ndef slow(ready):\n    ready()\n    call(lambda: time.sleep(1))\n"
        "    print('whole', flush=True)\n"
    )
    work = {
        "an import": "import builtins; builtins.ready = ready\n    with signals.cleanup(print): import slow",
        "native code": "import paddle\n    with signals.cleanup(print): paddle.slow(ready)",
        "an exit": "class Exits:\n        def __enter__(self): pass\n        def __exit__(self, *_):\n"
        "            ready(); time.sleep(1); print('whole', flush=True)\n    with Exits(): pass",
    }[where]
    body = f"def main():\n    {work}\n    time.sleep(60)\n"
    code = f"sys.path.insert(0, {str(tmp_path)!r})\n{body}sys.exit(terminal.run(main))"
    assert stopped(code, number)[:3] == (128 + number, "whole\n", "stopped\n")


@BOTH
def test_an_import_that_has_made_nothing_is_not_waited_for(number: int, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nready()\ntime.sleep(30)\n")
    work = f"""
import builtins, tempfile
builtins.ready = ready
sys.path.insert(0, {str(tmp_path)!r})
def main():
    with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}):
        import slow
sys.exit(terminal.run(main))
"""
    code, out, err, seconds = stopped(work, number)
    assert (code, out, err) == (128 + number, "", "stopped\n")
    assert seconds < 4 and {path.name for path in tmp_path.iterdir()} <= {"slow.py", "__pycache__"}


@BOTH
def test_a_long_native_call_is_ended_from_outside(number: int) -> None:
    work = """
import ctypes
signals.GRACE_SECONDS = 1.5
def main():
    libc = ctypes.CDLL(None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signals.WAKE_SIGNAL])  # so that the call is not cut off
    with signals.cleanup(lambda: print("tidied", flush=True)):
        ready()
        libc.usleep(60_000_000)
sys.exit(terminal.run(main))
"""
    code, out, err, seconds = stopped(work, number)
    assert (code, out, err) == (128 + number, "tidied\n", "stopped\n")
    assert 1 < seconds < 5


@BOTH
def test_a_second_signal_ends_at_once(number: int) -> None:
    work = """
def main():
    with signals.deferred(), signals.cleanup(lambda: print("tidied", flush=True)):
        ready()
        time.sleep(60)
sys.exit(terminal.run(main))
"""
    code, out, err, seconds = stopped(work, number, times=2)
    assert (code, out, err) == (128 + number, "tidied\n", "stopped\n")
    assert seconds < 4


@BOTH
@pytest.mark.parametrize("outside", [False, True])
def test_children_and_their_children_end(number: int, outside: bool, tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "[subprocess.Popen(['sleep', '60']) for _ in range(2)]; time.sleep(60)"
    )
    work = f"""
import subprocess
signals.GRACE_SECONDS = signals.CHILD_GRACE_SECONDS = 0.5
def main():
    child = subprocess.Popen([sys.executable, "-c", {stubborn!r}])
    while len(processes.descendants()) < 3: time.sleep(0.05)
    print(*processes.descendants(), file=open({str(tmp_path / "children")!r}, "w"))
    ready()
    {"with signals.deferred(): time.sleep(60)" if outside else "child.wait()"}
sys.exit(terminal.run(main))
"""
    assert stopped(work, number)[:3] == (128 + number, "", "stopped\n")
    children = [int(child) for child in (tmp_path / "children").read_text().split()]
    until = time.monotonic() + 10  # a process that was killed may still be going
    while any(processes.runs(child) for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(children) >= 3 and not any(processes.runs(child) for child in children)


def test_handlers_and_mask_are_put_back() -> None:
    """In a process without older threads: they could take the signal instead."""
    work = """
before = [signal.getsignal(n) for n in (*signals.OWNED_SIGNALS, signals.WAKE_SIGNAL)]
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
with signals.owned() as outermost, signals.owned() as inner:
    assert outermost and not inner
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a library takes it
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    except signals.Stopped as error:
        assert error.number == signal.SIGTERM == signals.received()
    else:
        raise AssertionError("not stopped")
assert [signal.getsignal(n) for n in (*signals.OWNED_SIGNALS, signals.WAKE_SIGNAL)] == before
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
assert not signals.received()
"""
    process = start(work)
    assert process.communicate(timeout=60) == ("", "") and process.returncode == 0


@BOTH
def test_a_signal_that_nobody_saw_yet_stops_the_command(number: int) -> None:
    """The waiting thread may not have run between the signal and the end of the command."""
    work = f"""
def main():
    os.kill(os.getpid(), {int(number)})
    return 0
signals._Owner._watch = lambda self: time.sleep(0.5)
sys.exit(terminal.run(main))
"""
    process = start(work)
    assert process.communicate(timeout=60) == ("", "stopped\n") and process.returncode == 128 + number


@BOTH
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_behind_the_command_leaves_its_exit_code(number: int, times: int) -> None:
    """Libraries take a while to put themselves away; a second signal does not wait for them."""
    work = """
import atexit
def main():
    atexit.register(lambda: (ready(), time.sleep(2)))
    return 3
sys.exit(terminal.run(main))
"""
    assert stopped(work, number, times)[:3] == (3 if times == 1 else 128 + number, "", "")


def test_an_ignored_signal_stays_ignored() -> None:
    work = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
def main():
    ready()
    time.sleep(1)
    print("done")
sys.exit(terminal.run(main))
"""
    assert stopped(work, signal.SIGINT)[:3] == (0, "done\n", "")


def test_workers_of_a_pool_can_be_terminated() -> None:
    work = """
import multiprocessing
def main():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(10)
    ready()
    print(process.exitcode)
sys.exit(terminal.run(main))
"""
    process = start(work)
    assert process.communicate(timeout=30)[0] == "ready\n-15\n"


def test_without_a_command_ctrl_c_waits_for_the_block() -> None:
    work = """
try:
    with signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        print("whole")
    print("more")
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ready()
"""
    assert start(work).communicate(timeout=30)[0] == "whole\nready\n"

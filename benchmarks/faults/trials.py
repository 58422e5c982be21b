"""Trials of commands as a user types them: stopped, killed, without room on the disk, several at once.

Every trial runs a command in a process of its own and says what came of it in one word, see `OUTCOMES`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.subjects import (
    COMMANDS,
    READS,
    Subjects,
    environment,
    fresh,
    leftovers,
    status_of,
    visible,
    whole,
)

# Good ones first. "right" is what the trial asks for: the exit code, nothing half-written, nothing left over.
OUTCOMES = ("right", "wrong exit", "traceback", "half", "left over", "lost", "slow", "wrong status")
TRACE = re.compile(r"Traceback \(most recent call last\)|C\+\+ Traceback|FatalError:|terminate called")
LONGEST = 120.0  # seconds of a command in all
STOPS_IN = 10.0  # seconds from a signal to the end
DISK_SIZES = (40, 120, 200, 300, 400, 600, 800, 1200, 2000, 4000)  # kB


@dataclass
class Trial:
    """One trial.

    Attributes:
        kind: "signal", "kill", "disk", "forbidden", "processes".
        outcome: one of OUTCOMES.
        about: what was seen, for a person.
    """

    kind: str
    command: str
    detail: str
    outcome: str
    about: str = ""


@dataclass
class Ended:
    """How a process ended."""

    code: int
    output: str
    seconds: float
    children: list[int] = field(default_factory=list)

    def traced(self) -> bool:
        """Whether a person was shown a traceback."""
        return bool(TRACE.search(self.output))


def start(command: Sequence[str], environ: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """Starts a command in a session of its own, so that its children can be found."""
    return subprocess.Popen(
        command, env=environ, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        errors="replace", start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str], limit: float = LONGEST) -> Ended:
    """Waits for a process, and ends it after `limit` seconds."""
    began = time.monotonic()
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    ended = Ended(process.returncode, output or "", time.monotonic() - began, _session(process.pid))
    for child in ended.children:
        with _ignored():
            os.kill(child, signal.SIGKILL)
    return ended


def _session(leader: int) -> list[int]:
    """Processes that are left of a session."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with _ignored():
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and int(place.name) != leader and fields[0] != "Z":
                found.append(int(place.name))
    return found


@contextmanager
def _ignored() -> Iterator[None]:
    with suppress(OSError, ValueError):
        yield


def seconds_of(subjects: Subjects, command: str, folder: Path) -> float:
    """How long a command takes when nothing disturbs it.

    Raises:
        RuntimeError: it fails.
    """
    place = fresh(folder / "undisturbed")
    began = time.monotonic()
    done = end(
        start(COMMANDS[command](subjects, place / "out"), environment(subjects.tree, place / "home"), folder)
    )
    if done.code:
        raise RuntimeError(f"{command} ended with {done.code}:\n{done.output[-1500:]}")
    return time.monotonic() - began


def stop(subjects: Subjects, command: str, number: int, delay: float, folder: Path) -> Trial:
    """SIGINT or SIGTERM after `delay` seconds: exit 130 or 143, soon, quietly, with nothing half-written."""
    place = fresh(folder / "stop")
    target = place / "out"
    process = start(COMMANDS[command](subjects, target), environment(subjects.tree, place / "home"), folder)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        process.send_signal(number)
    ended = end(process, STOPS_IN * 3)
    name = signal.Signals(number).name
    made = Trial("signal", command, f"{name} at {delay:.1f} s", "right", f"{ended.code}, {ended.seconds:.1f} s")
    if alive and ended.code not in ({128 + number} | ({0} if ended.seconds < 1 else set())):
        # Before Python has started, nobody can answer a signal but the system.
        early = delay < 0.3 and ended.code in (-number, 1)
        made.outcome = made.outcome if early else "wrong exit"
    if ended.traced() and delay >= 0.3:
        made.outcome, made.about = "traceback", f"{ended.code}: {ended.output[-300:]}"
    elif alive and ended.seconds > STOPS_IN:
        made.outcome = "slow"
    elif not whole(command, target):
        made.outcome, made.about = "half", " ".join(visible(target))
    elif ended.children or leftovers(place):
        made.outcome, made.about = "left over", f"{ended.children} {leftovers(place)}"
    elif command == "finetune" and status_of(target) == "running":
        made.outcome = "wrong status"
    return made


def kill(subjects: Subjects, command: str, delay: float, folder: Path) -> Trial:
    """SIGKILL after `delay` seconds, then the same command again: it ends well and leaves nothing."""
    place = fresh(folder / "kill")
    target, environ = place / "out", environment(subjects.tree, place / "home")
    process = start(COMMANDS[command](subjects, target), environ, folder)
    time.sleep(delay)
    process.kill()
    end(process, 5)
    made = Trial("kill", command, f"at {delay:.1f} s", "right")
    if not whole(command, target):
        made.outcome, made.about = "half", " ".join(visible(target))
        return made
    again = list(COMMANDS[command](subjects, target))
    if command == "finetune" and status_of(target) not in ("", "finished"):
        again.append("--resume")
    elif command == "finetune" and status_of(target) == "finished":
        return made
    ended = end(start(again, environ, folder))
    if ended.code:
        made.outcome, made.about = "lost" if not ended.traced() else "traceback", ended.output[-300:]
    elif not whole(command, target) or not target.exists():
        made.outcome = "half"
    elif leftovers(target.parent / "out"):
        made.outcome, made.about = "left over", " ".join(leftovers(target))
    return made


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[None]:
    """A disk of that size at `place`. Needs the right to mount."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def full(subjects: Subjects, command: str, kilobytes: int, folder: Path) -> Trial:
    """A disk with little room, for output and caches: done, or a sentence and nothing half-written."""
    place = fresh(folder / "disk")
    with small_disk(place, kilobytes):
        (place / "mine").write_text("mine")
        target = place / "out"
        environ = environment(subjects.tree, place / "home")
        ended = end(start(COMMANDS[command](subjects, target), environ, folder))
        made = Trial("disk", command, f"{kilobytes} kB", "right", f"{ended.code}")
        if ended.traced():
            made.outcome, made.about = "traceback", ended.output[-300:]
        elif ended.code not in (0, 1, 2) or (command in READS and ended.code):
            made.outcome, made.about = "wrong exit", f"{ended.code}: {ended.output[-300:]}"
        elif not whole(command, target):
            made.outcome, made.about = "half", " ".join(visible(target))
        elif (place / "mine").read_text() != "mine":
            made.outcome = "lost"
        elif [name for name in leftovers(place) if "home" not in name]:
            made.outcome, made.about = "left over", " ".join(leftovers(place))
    return made


FORBIDDEN = ("/proc/zoo-out", "below a file", "a file", "a link to a folder", "a stranger's folder")


def forbidden(subjects: Subjects, command: str, where: str, folder: Path) -> Trial:
    """A target that cannot be written, or where something of the user's is: a sentence, and all of it stays."""
    place = fresh(folder / "forbidden")
    mine = place / "mine"
    mine.mkdir()
    for name in ("notes.txt", "config.json", "answers", "bench.json", "run.json"):
        (mine / name).write_text("mine")
    (place / "link").symlink_to(mine)
    target = {
        "/proc/zoo-out": Path("/proc/zoo-out"),
        "below a file": mine / "notes.txt" / "out",
        "a file": mine / "notes.txt",
        "a link to a folder": place / "link",
        "a stranger's folder": mine,
    }[where]
    environ = environment(subjects.tree, place / "home")
    ended = end(start(COMMANDS[command](subjects, target), environ, folder))
    made = Trial("forbidden", command, where, "right", f"{ended.code}")
    if (
        any(
            not p.is_file() or p.read_text() != "mine"
            for p in (mine / n for n in ("notes.txt", "config.json", "run.json"))
        )
        or not (place / "link").is_symlink()
    ):
        made.outcome = "lost"
    elif ended.traced():
        made.outcome, made.about = "traceback", ended.output[-300:]
    elif ended.code not in (0, 1, 2) or (ended.code == 0 and command not in READS):
        made.outcome, made.about = "wrong exit", f"{ended.code}: {ended.output[-300:]}"
    return made


def together(subjects: Subjects, command: str, count: int, folder: Path) -> Trial:
    """Several processes write one target: each is done or told so, and the target is whole."""
    place = fresh(folder / "together")
    target, environ = place / "out", environment(subjects.tree, place / "home")
    processes = [start(COMMANDS[command](subjects, target), environ, folder) for _ in range(count)]
    ended = [end(process, LONGEST * 3) for process in processes]
    made = Trial("processes", command, f"{count} at once", "right", " ".join(str(e.code) for e in ended))
    if any(e.traced() for e in ended):
        made.outcome, made.about = "traceback", next(e.output[-300:] for e in ended if e.traced())
    elif any(e.code not in (0, 2) for e in ended) or not any(e.code == 0 for e in ended):
        made.outcome, made.about = "wrong exit", next((e.output[-300:] for e in ended if e.code), "")
    elif not whole(command, target):
        made.outcome = "half"
    elif leftovers(place):
        made.outcome, made.about = "left over", " ".join(leftovers(place))
    return made

"""Runs the jobs, one process for each device, and keeps what has finished."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import common
from benchmarks.reproduce.jobs import Job, Scores, scores_in
from zoo import files

MISSING = 1  # exit code of a command that lacks data or weights
CRASH = "Traceback (most recent call last)"
Run = Callable[[Sequence[str], Mapping[str, str], Path], int]  # words behind `zoo`, environment, log -> exit code


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        scores: None where there are none.
        date: of the measurement (ISO).
        skipped: why it could not run, a sentence.
        failed: what went wrong in it, a sentence.
    """

    scores: Scores | None = None
    date: str = ""
    skipped: str = ""
    failed: str = ""


def run_command(words: Sequence[str], environ: Mapping[str, str], log: Path) -> int:
    """Runs `zoo WORDS` in a process of its own, what it prints to the log; returns its exit code."""
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "zoo", *words]
        where = {**os.environ, "PYTHONPATH": str(common.ROOT), **environ}
        return subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, cwd=common.ROOT, env=where
        ).returncode


def devices(count: int | None) -> list[str]:
    """Gives the CUDA devices to spread over, as CUDA_VISIBLE_DEVICES names them; [""] for one or none."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if count is None:
        import paddle

        count = len(named) or (paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0)
    return (named or [str(n) for n in range(count)])[:count] if count > 1 else [""]


def run_jobs(
    jobs: Sequence[Job],
    data: Path | None,
    work: Path,
    places: Sequence[str],
    run: Run = run_command,
    say: Callable[[str], None] = print,
) -> dict[str, Outcome]:
    """Gives the name of each job -> how it ended.

    Args:
        data: the folder that holds all data sets; None for the Hub.
        work: keeps each job's folder, log and result; a finished job is not run again.
        places: devices, one job at a time on each; [""] for whatever a command picks.
    """
    work.mkdir(parents=True, exist_ok=True)
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    found: dict[str, Outcome] = {}

    def take(place: str) -> None:
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            say(f"{job.name}{f' on device {place}' if place else ''}: {len(job.claims)} numbers")
            try:
                found[job.name] = run_job(job, data, work, place, run)
            except Exception as error:  # one job's trouble is not the others'
                found[job.name] = Outcome(failed=f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=take, args=(place,), daemon=True) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def run_job(job: Job, data: Path | None, work: Path, place: str, run: Run) -> Outcome:
    """Runs one job, unless its result is there or something is missing."""
    kept, out, log = (work / f"{job.name}{end}" for end in (".json", "", ".log"))
    if kept.is_file():
        content = files.read_object(kept)
        if content["command"] == job.way.command:
            return Outcome(content["scores"], content["date"])
    if data and not (data / job.way.data).exists():
        return Outcome(skipped=f"{job.way.data} is not in the folder of the data.")
    words = job.words(data, out, resume=(out / "run.json").is_file())
    code = run(words, {"CUDA_VISIBLE_DEVICES": place} if place else {}, log)
    scores = scores_in(out) if code == 0 else None
    if code == 0 and scores:
        date = datetime.now(timezone.utc).date().isoformat()
        files.write_json(kept, {"command": job.way.command, "date": date, "scores": scores}, replace=True)
        return Outcome(scores, date)
    reason = _sentence(log) or f"it ended with {code}"
    if data:
        reason = reason.replace(str(data), "DIR")  # results are committed, and name no folder of a machine
    missing = code == MISSING and CRASH not in _text(log)  # Python's own crashes have that code too
    return Outcome(skipped=reason) if missing else Outcome(failed=f"{reason} See {log.name}.")


def _sentence(log: Path) -> str:
    """Gives the error that a command ended with, else the last line that it printed."""
    lines = _text(log).splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or [line for line in lines if line.strip()] or [""])[-1].rstrip(":")


def _text(log: Path) -> str:
    return log.read_text("utf-8", "replace") if log.is_file() else ""

"""`zoo.map_files`: a job from its beginning, or from where it was stopped, to its end."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import env, files, terminal
from zoo.errors import UsageError, did_you_mean, whole
from zoo.files import quote, real_folder
from zoo.inference.engines import check_names
from zoo.inference.pipelines import kind_of
from zoo.inference.pipelines.files import plain
from zoo.map import results
from zoo.map.columns import roles_of
from zoo.map.inputs import find
from zoo.map.job import JOB_FILE, Job, Question, check, new_job, read_job
from zoo.map.model import digest_of, pipeline_for, settled
from zoo.map.results import FORMATS, Done

log = logging.getLogger("zoo")

MAX_PART_ROWS = 1 << 20  # answers to a part are held at once
KILLED = "the part of {rows} rows that begins here ended its worker twice"


@dataclass(frozen=True)
class Summary:
    """What came of a job.

    Attributes:
        out: the folder of the results.
        rows: that have an answer, those of earlier runs included.
        bad: rows without one; errors.jsonl has them.
        parts: that are done.
        skipped: parts that ended their worker twice; the same command tries them again.
        new_rows: of this run.
        seconds: of this run's answering; loading, or starting workers, included.
        by: engines and precisions that answered.
    """

    out: str
    rows: int
    bad: int
    parts: int
    skipped: int
    new_rows: int
    seconds: float
    by: tuple[str, ...]

    @property
    def rows_per_s(self) -> float:
        """Gives the speed of this run."""
        return self.new_rows / self.seconds if self.seconds else 0.0


def map_files(
    model: str | os.PathLike[str],
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    task: str = "",
    *,
    columns: Mapping[str, str] | None = None,
    ident: str = "",
    format: str = "jsonl",
    engine: str = "auto",
    precision: str = "auto",
    tokens: int = 0,
    threads: int = 0,
    part_rows: int = 4096,
    ray: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Summary:
    """Answers every row of some files, in parts; called again after a kill it does what is missing.

    Args:
        model: what `zoo.pipeline` takes by name or as a folder.
        inputs: .jsonl, .csv, .tsv, .txt (packed or not) and .parquet; shell patterns too.
        out: folder for the results, new or of the same job: see docs/bulk.md.
        task: a pipeline; "" for the one of the model's head.
        columns: role -> column, such as {"text": "body"}; the others are found by their names.
        ident: a column that is repeated beside each answer, as "id".
        format: "jsonl", packed, with vectors as .npy beside; or "parquet".
        engine, precision: see `zoo.inference.engines.choose`.
        tokens: of a batch, padding included; 0 for the pipeline's own.
        threads: that a network computes with; 0 for all cores (with `ray` see docs/bulk.md).
        part_rows: rows of a part, which is what is lost by a kill.
        ray: on the cluster at $RAY_ADDRESS, or on one of this machine.
        options: of the pipeline, such as {"top_k": 3}.

    Raises:
        InputError: a file is missing or damaged.
        UsageError: an argument that makes no sense, or `out` holds another job or other files.
        ZooError: what `zoo.pipeline` says.

    Example:
        >>> import tempfile, pathlib, zoo
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "mails.txt").write_text("Where is my parcel?\\nThanks!\\n")
        >>> zoo.map_files("all-MiniLM-L6-v2", [folder / "mails.txt"], folder / "vectors").rows
        2
    """
    whole("tokens", tokens, 0)
    whole("threads", threads, 0)
    if whole("part_rows", part_rows) > MAX_PART_ROWS:
        raise UsageError(f"part_rows={part_rows} does not work.", f"A whole number from 1 to {MAX_PART_ROWS:,}.")
    check_names(engine, precision)
    if format not in FORMATS:
        raise UsageError(f"There is no format {quote(format)}.", f"One of {', '.join(FORMATS)}.")
    if format == "parquet":
        from zoo.map import parquet

        parquet.check()
    named = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    found, target = find([os.fspath(name) for name in named]), real_folder(out)
    if not found:
        raise UsageError("There is no input.", "Give one file or more.")
    name = settled(model)
    task = _task(name, task, options or {})
    given = (_kept(options or {}), engine, precision, tokens, dict(columns or {}), ident, format, part_rows)
    question = Question(name, digest_of(name), task, *given)
    with files.parents(target / JOB_FILE, keep=True), files.lock(target, wait=False):
        results.tidy(target)
        job = _job(target, question, found)
        try:
            return _run(job, threads, ray)
        except BaseException:
            if results.nothing_done(target):
                (target / JOB_FILE).unlink()
            raise


def _task(model: str, task: str, options: Mapping[str, Any]) -> str:
    """Gives the pipeline's own name, with its options checked before minutes of work."""
    if not task:
        task = pipeline_for(model)
        log.info("%s: the pipeline is %s", Path(model).name, task)
    task, kind = kind_of(task)
    roles_of(task)
    for name in options:
        if name not in kind.defaults:
            known = ", ".join(kind.defaults)
            raise UsageError(
                f"The pipeline {task} has no option {quote(name)}.", did_you_mean(name, kind.defaults) or known
            )
    return task


def _kept(options: Mapping[str, Any]) -> dict[str, Any]:
    """Gives options as job.json gives them back: tuples become lists."""
    made = {}
    for name, value in options.items():
        try:
            made[name] = json.loads(json.dumps(value, default=plain, allow_nan=False))
        except (TypeError, ValueError):
            raise UsageError(f"{name}={value!r:.60} cannot be kept as JSON.", "Give texts and numbers.") from None
    return made


def _job(folder: Path, question: Question, inputs: Mapping[Path, str]) -> Job:
    """Gives the job to go on with, or a new one; one of which nothing is done does not bind."""
    if (folder / JOB_FILE).is_file():
        job = read_job(folder)
        if not results.nothing_done(folder):
            check(job, question, inputs)
            return job
    results.check_free(folder, JOB_FILE)
    job = new_job(folder, question, inputs)
    job.write()
    return job


def _run(job: Job, threads: int, ray: bool) -> Summary:
    found = {n: results.read_done(job.folder, n) for n in range(len(job.parts))}
    held = {n: done.counted() for n, done in found.items() if done is not None}
    before, todo = sum(done.rows for done in held.values()), [n for n in found if n not in held]
    if held:
        log.info("%s of %s parts are done already", f"{len(held):,}", f"{len(job.parts):,}")
    start = time.monotonic()
    if todo:
        (job.folder / results.MANIFEST_FILE).unlink(missing_ok=True)
        for done in _told(job, held, _answered(job, todo, threads, ray)):
            held[done.number] = done.counted()
    seconds = time.monotonic() - start
    skipped = len(job.parts) - len(held)
    results.write_errors(job.folder, _bad(job, held))
    if not skipped:
        results.write_manifest(job.folder, [(place.source.name, held[n]) for n, place in enumerate(job.parts)])
    rows, bad = (sum(getattr(done, name) for done in held.values()) for name in ("rows", "wrong"))
    by = tuple(sorted({done.by for done in held.values()}))
    if len(by) > 1:
        log.warning("The parts were answered by %s; --engine and --precision settle it.", " and ".join(by))
    return Summary(str(job.folder), rows, bad, len(held), skipped, rows - before, seconds, by)


def _answered(job: Job, todo: Sequence[int], threads: int, ray: bool) -> Iterable[Done]:
    if ray:
        from zoo.map.cluster import answered

        return answered(job, todo, threads)
    return _here(job, todo, threads)


def _here(job: Job, todo: Sequence[int], threads: int) -> Iterator[Done]:
    from zoo.map.worker import Worker

    with _threads(threads):
        worker = Worker(job)
        for number in todo:
            yield worker.do(number)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Lets networks that are made inside compute with so many threads; 0 changes nothing."""
    before = os.environ.get(env.THREADS_VARIABLE)
    if count:
        os.environ[env.THREADS_VARIABLE] = str(count)
    try:
        yield
    finally:
        if count:
            os.environ.pop(env.THREADS_VARIABLE)
            os.environ.update({} if before is None else {env.THREADS_VARIABLE: before})


def _told(job: Job, held: Mapping[int, Done], found: Iterable[Done]) -> Iterator[Done]:
    """Passes on what is found and shows how far the job is."""
    sizes = [place.part.rows for place in job.parts]
    begun = sum(sizes[n] for n in held)
    start = time.monotonic()
    with terminal.Progress("rows", job.rows, lambda n: f"{n:,}") as progress:
        progress.to(begun)
        for done in found:
            yield done
            speed = (progress.done + sizes[done.number] - begun) / (time.monotonic() - start)
            left = (job.rows - progress.done - sizes[done.number]) / speed
            progress.note = f"{speed:,.0f} rows/s, {_duration(left)} left"
            progress.add(sizes[done.number])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _bad(job: Job, held: Mapping[int, Done]) -> Iterator[tuple[str, int, str]]:
    """Gives file, row and reason of all that has no answer, in order."""
    for number, (source, part) in enumerate(job.parts):
        if number not in held:
            yield source.name, part.row, KILLED.format(rows=part.rows)
            continue
        if held[number].wrong and (done := results.read_done(job.folder, number)):
            yield from ((source.name, row, reason) for row, reason in done.bad.items())

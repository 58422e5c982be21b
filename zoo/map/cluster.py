"""The parts of a job on a Ray cluster: each worker has a network and answers one part at a time.

Needs the extra `ray`. Ray Data hands out the parts, starts workers anew and tries a part once more when its worker
was lost; results go to the job's folder, so what a worker sends back is the record of a part.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo import env
from zoo.errors import UsageError, WorkerError, ZooError, to_install
from zoo.files import clean, quote
from zoo.map.job import JOB_FILE, Job, read_job
from zoo.map.model import digest_of
from zoo.map.results import Done, done_of
from zoo.map.worker import Worker

ADDRESS_VARIABLE = "RAY_ADDRESS"
USUAL_THREADS = 4  # of a worker, where its node has so many
# Of a worker's threads: with all of them the processors of a small cluster would be taken, and whatever else Ray
# wants to run would wait for ever.
CPU_SHARE = 0.9
START_SECONDS = 180  # that workers have to start
IDLE_SECONDS = 4 * 3600  # without any part being done
RESTARTS = 20  # of a worker
MOST_SKIPPED = 20  # parts that may end their worker twice; more have another cause
# What workers of another machine would not know; no tokens, which Ray would show.
PASSED_ON = (
    *("PYTHONPATH", "ZOO_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"),
    *env.OFFLINE_VARIABLES,
)


def answered(job: Job, todo: Sequence[int], threads: int) -> Iterator[Done]:
    """Answers parts; gives the record of each when it is done, in any order.

    A part that ends its worker twice has none.

    Args:
        job: written into its folder, which all nodes share.
        todo: numbers of parts.
        threads: of a worker; 0 for USUAL_THREADS, or what the largest node has.

    Raises:
        UsageError: Ray is not installed, or no node has so many cores.
        WorkerError: workers do not start or do not last, or one met an error that is no row's.
    """
    with _connected() as ray:
        each, count = _plan(_cores(ray), threads, len(todo))
        _quiet(ray)
        parts = ray.data.from_items([{"part": n} for n in todo], override_num_blocks=len(todo))
        found = parts.map_batches(
            _Actor,
            fn_constructor_args=(str(job.folder),),
            batch_size=1,
            num_cpus=CPU_SHARE * each,
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=count, initial_size=count, max_tasks_in_flight_per_actor=1
            ),
            max_restarts=RESTARTS,
            max_task_retries=1,
            runtime_env={"env_vars": _variables(each)},
        )
        logging.getLogger("zoo").info("Ray: %d workers, %d threads each", count, each)
        with _explained(ray):
            for row in found.iter_rows():
                said = json.loads(row["said"])
                if "message" in said:
                    raise WorkerError(said["message"], said["hint"])
                yield done_of(int(row["part"]), said)


class _Actor:
    """What a worker does. It says errors of the zoo as data, because Ray would wrap them in its own."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        number = int(batch["part"][0])
        try:
            self.worker = self.worker or _worker(self.folder)
            said = asdict(self.worker.do(number))
        except ZooError as error:
            said = {"message": error.message, "hint": error.hint}
        return {"part": [number], "said": [json.dumps(said)]}


def _worker(folder: Path) -> Worker:
    if not (folder / JOB_FILE).is_file():
        raise UsageError(
            f"A worker on {os.uname().nodename} finds no {quote(str(folder / JOB_FILE), 200)}.",
            "--out and the inputs must be on a file system that all nodes share.",
        )
    job = read_job(folder)
    if digest_of(job.question.model) != job.question.digest:
        raise UsageError(
            f"The model {quote(job.question.model, 200)} has other files on {os.uname().nodename}.",
            "Give a folder that all nodes share.",
        )
    return Worker(job)


@contextmanager
def _connected() -> Iterator[Any]:
    """Gives the module `ray`, connected to $RAY_ADDRESS, or to a cluster of its own that ends with the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--ray needs the package ray.", to_install("ray")) from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get(ADDRESS_VARIABLE)
    given: dict[str, Any] = {"address": address} if address else {"address": "local", "include_dashboard": False}
    try:
        ray.init(**given, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise WorkerError(
            f"No Ray cluster answers at {quote(address or 'this machine', 200)}: {clean(str(error), 200)}.",
            f"Start one (ray start --head), or leave {ADDRESS_VARIABLE} out for one of this machine.",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _cores(ray: Any) -> list[int]:
    """Gives the processors of each node, as the cluster counts them."""
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


def _plan(cores: Sequence[int], threads: int, parts: int) -> tuple[int, int]:
    """Gives threads of a worker, and how many workers there are.

    Raises:
        UsageError: no node has so many cores.
    """
    most = max(cores, default=0)
    each = threads or min(USUAL_THREADS, most)
    count = sum(have // each for have in cores) if each else 0
    if not count:
        raise UsageError(
            f"No node of the cluster has {max(1, threads)} free cores; the largest has {most}.",
            f"--threads {most}" if most else "Start Ray with more processors: ray start --num-cpus N.",
        )
    return each, min(count, parts)


def _variables(threads: int) -> dict[str, str]:
    """Gives the environment of the workers."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, env.THREADS_VARIABLE: str(threads)}


def _quiet(ray: Any) -> None:
    """Leaves progress and errors to us, and lets no failure wait for ever or be tried for ever."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.wait_for_min_actors_s = START_SECONDS
    context.execution_no_progress_timeout_s = IDLE_SECONDS
    context.max_errored_blocks = MOST_SKIPPED
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # The limits of `map_batches` have no other name yet.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")


@contextmanager
def _explained(ray: Any) -> Iterator[None]:
    """Turns what Ray raises into a sentence."""
    try:
        yield
    except ray.exceptions.GetTimeoutError:
        raise WorkerError(
            f"The cluster has not started the workers within {START_SECONDS} s; is it busy with something else?",
            "Wait, add nodes, or give fewer --threads. What is done is kept.",
        ) from None
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"Ray gave up: {clean(str(error).strip().splitlines()[0], 200)}.",
            f"If more than {MOST_SKIPPED} parts ended their worker twice there may be too little memory: more "
            "--threads make fewer workers. What is done is kept; the same command goes on.",
        ) from None

"""The parts of a job on a Ray cluster: all of them once, though a node or a worker is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.two_nodes import LOCAL, ROOT, TwoNodes, missing
from tests.map.small import TEXTS, errors_of, job, lines, rows_of
from zoo.errors import UsageError, WorkerError
from zoo.map import cluster


@pytest.mark.parametrize(
    ("cores", "threads", "parts", "plan"),
    [
        ([2], 0, 99, (2, 1)),
        ([1, 1], 0, 99, (1, 2)),
        ([64, 64, 2], 0, 99, (4, 32)),
        ([64, 64, 2], 0, 5, (4, 5)),
        ([8], 3, 99, (3, 2)),
        ([0, 4], 0, 99, (4, 1)),
    ],
)
def test_threads_and_workers(cores: list[int], threads: int, parts: int, plan: tuple[int, int]) -> None:
    assert cluster._plan(cores, threads, parts) == plan
    assert plan[0] * cluster.CPU_SHARE < plan[0], "a node keeps something for whatever else Ray runs"


@pytest.mark.parametrize(("cores", "threads"), [([], 0), ([0], 0), ([2, 2], 3)])
def test_no_node_is_large_enough(cores: list[int], threads: int) -> None:
    with pytest.raises(UsageError, match="No node of the cluster has"):
        cluster._plan(cores, threads, 9)


def test_workers_know_what_the_driver_knows_but_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "secret")
    found = cluster._variables(3)
    assert (found["ZOO_OFFLINE"], found["ZOO_THREADS"]) == ("1", "3") and "secret" not in found.values()


def test_without_ray_a_sentence_says_so(embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="--ray needs the package ray") as caught:
        job(embedder, [lines(tmp_path / "a.txt", TEXTS)], tmp_path / "out", ray=True)
    assert "ray" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_is_not_there_is_said_at_once(
    embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(WorkerError, match="No Ray cluster answers at '127"):
            cluster._check_address()


# --- with Ray ---


@pytest.fixture
def nodes() -> Iterator[TwoNodes]:
    """A cluster."""
    if why := missing():
        pytest.skip(why)
    with TwoNodes() as made:
        yield made


def driver(nodes: TwoNodes, *words: object, **environ: str) -> subprocess.Popen[str]:
    """Starts Python with these words; jobs go to the cluster."""
    given = {**os.environ, **LOCAL, "RAY_ADDRESS": nodes.address, "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(command, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
def test_a_node_is_lost(embedder: Path, tmp_path: Path, nodes: TwoNodes) -> None:
    """Two nodes on loopback; one goes in the middle, without a goodbye."""
    file, out = lines(tmp_path / "a.txt", TEXTS * 20), tmp_path / "out"
    words = ["-m", "zoo.map", embedder, file, "--out", out, "--engine", "eager", "--part-rows", "10", "--ray"]
    process = driver(nodes, *words)
    while len(list(out.glob("done/*.json"))) < 4:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    nodes.remove()
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert [row["row"] for row in rows_of(out)] == list(range(1, len(TEXTS) * 20 + 1))


# Tells the workers which part is deadly, by a variable of theirs.
CALL = """
import sys
from zoo.map import cluster
variables = cluster._variables
cluster._variables = lambda threads: {**variables(threads), "DEADLY_PART": sys.argv[1]}
from zoo.map.__main__ import main
sys.exit(main(sys.argv[2:]))
"""
# What becomes of a worker that writes it.
DEADLY = """
import os
if os.environ.get("DEADLY_PART"):
    replace = os.replace
    def deadly(source, target):
        if os.environ["DEADLY_PART"] in str(target):
            os.kill(os.getpid(), 9)
        replace(source, target)
    os.replace = deadly
"""


@pytest.mark.slow
def test_a_part_that_ends_its_worker_is_skipped(embedder: Path, tmp_path: Path, nodes: TwoNodes) -> None:
    """After the second time, and for this once: the same command tries it again."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(DEADLY)
    file, out = lines(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    words = [embedder, file, "--out", out, "--engine", "eager", "--part-rows", "4", "--ray"]

    def run(part: str) -> tuple[int, str]:
        process = driver(nodes, "-c", CALL, part, *words, PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]))
        said = process.communicate(timeout=300)[0]
        return process.returncode, said

    code, said = run("part-000003")
    assert code == 1, said
    assert errors_of(out) == [(13, "the part of 4 rows that begins here ended its worker twice")]
    assert len(rows_of(out)) == 19 and not (out / "manifest.json").exists()
    code, said = run("none")
    assert code == 0, said
    assert [row["row"] for row in rows_of(out)] == list(range(1, 24)) and (out / "manifest.json").exists()

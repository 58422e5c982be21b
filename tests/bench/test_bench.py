"""zoo bench: cells in processes of their own, halved batches, peers, files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import WORDS, tiny
from zoo.bench import __main__ as command
from zoo.bench.cell import random_batch, timed
from zoo.bench.measure import Grid, Row, _row, _shares, measure
from zoo.bench.plot import plot
from zoo.bench.worker import OUT_OF_MEMORY, OutOfMemoryError, Worker
from zoo.errors import UsageError
from zoo.models.common.base import Origin


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny BERT with a classifier, as `zoo.load` opens it."""
    root = tmp_path_factory.mktemp("bench")
    source = root / "source"
    source.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(WORDS - 5))]
    (source / "vocab.txt").write_text("\n".join(words), "utf-8")
    model = tiny(model_type="bert")
    model.origin = Origin("structbert", "BertForSequenceClassification", "zoo.models.structbert", source, None)
    model.save(root / "model")
    return str(root / "model")


def test_help_is_instant() -> None:
    """No framework is imported for it."""
    code = (
        "import sys, zoo.bench.__main__ as bench; bench.parser();"
        "print({'paddle', 'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_command(folder: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Rows for what there is, lines for what is left out, and the three files."""
    out = tmp_path / "out"
    words = [
        "--batch",
        "2",
        "--length",
        "8",
        "--precision",
        "fp32,bf16",
        "--engine",
        "eager,paddle",
        "--rounds",
        "3",
    ]
    assert command.main([folder, *words, "--out", str(out), "--json"]) == 0
    printed = capfd.readouterr()
    assert "left out: eager computes in fp32, not in bf16" in printed.err
    document = json.loads(printed.out)
    rows = document["rows"]
    assert [(row["engine"], row["precision"]) for row in rows] == [
        ("eager", "fp32"),
        ("paddle", "fp32"),
        ("paddle", "bf16"),
    ]
    for row in rows:
        assert (row["batch"], row["length"], row["calls"], row["error"]) == (2, 8, 3, "")
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["tokens_per_s"] == pytest.approx(8 * row["rows_per_s"], rel=0.01)
        assert row["peak_mb"] > 50
    assert json.loads((out / "bench.json").read_text("utf-8")) == document
    with (out / "bench.csv").open(encoding="utf-8", newline="") as file:
        assert [row["p50_ms"] for row in csv.DictReader(file)] == [str(row["p50_ms"]) for row in rows]
    assert (out / "bench.png").read_bytes()[:4] == b"\x89PNG"


def test_two_processes(folder: str) -> None:
    """Both are counted, each on its share of the cores."""
    (row,) = measure(Grid(folder, (2,), (8,), ("fp32",), ("paddle",), processes=2, rounds=4))
    assert (row.processes, row.calls, row.error) == (2, 8, "")
    assert row.threads == len(_shares(2)[0])


@pytest.mark.slow
def test_batch_is_halved(folder: str) -> None:
    """The guard stops what would not fit; the numbers are those of a batch that does."""
    lines: list[str] = []
    grid = Grid(folder, (1024,), (140,), ("fp32",), ("eager",), rounds=1, memory=1_000_000_000)
    (row,) = measure(grid, lines.append)  # 1024 x 3 x 140 x 140 scores are 240 MB, and exist several times
    assert row.asked_batch == 1024
    assert row.batch < 1024
    assert row.rows_per_s
    assert row.error == ""
    assert any("out of memory" in line and f"{row.batch} rows now" in line for line in lines)


@pytest.mark.slow
@pytest.mark.torch
def test_torch_beside_it(folder: str) -> None:
    """The same sizes by transformers, with as many threads."""
    pytest.importorskip("transformers")
    rows = list(measure(Grid(folder, (2,), (8,), ("fp32", "bf16"), ("torch",), rounds=2)))
    assert [(row.precision, row.error, row.calls) for row in rows] == [("fp32", "", 2), ("bf16", "", 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engines": ("tensorflow",)}, "--engine tensorflow is unknown"),
        ({"precisions": ("fp8",)}, "--precision fp8 is unknown"),
        ({"batches": (0,)}, "--batch takes whole numbers"),
        ({"rounds": 0}, "--rounds and --processes"),
        ({"engines": ("eager",), "precisions": ("bf16",)}, "No engine that was asked for"),
        ({"engines": ("eager",), "lengths": (141,)}, "reads 140 tokens, not 141"),
    ],
)
def test_usage(folder: str, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        next(measure(Grid(folder, **changes)))


def test_unknown_model_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["./no-such-folder", "--engine", "eager"]) == 2
    assert "no-such-folder" in capsys.readouterr().err


def test_bad_number_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["x", "--batch", "one"])
    assert "--batch" in capsys.readouterr().err


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    """A module for `Worker` with a function `start`."""
    (tmp_path / "a_child.py").write_text(
        f"from zoo.bench.worker import serve\nimport os, signal\n{code}\nserve(start)\n", "utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_child"


def test_worker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the child prints by itself is no answer."""
    module = child(
        tmp_path,
        monkeypatch,
        "def start(job):\n    print('noise')\n    return job, lambda m: {'twice': 2 * m['n']}",
    )
    with Worker(module, {"a": 1}) as worker:
        assert worker.about == {"a": 1}
        assert worker.ask({"n": 4}) == {"twice": 8}


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", OutOfMemoryError, "signal 9"),
        ("raise MemoryError('no room')", OutOfMemoryError, "no room"),
        ("raise RuntimeError('std::bad_alloc')", OutOfMemoryError, "bad_alloc"),
        ("os.write(2, b'std::bad_alloc'); os.abort()", OutOfMemoryError, "signal 6"),
        ("raise ValueError('something else')", RuntimeError, "something else"),
        ("os._exit(5)", RuntimeError, "ended with 5"),
        ("from zoo.errors import UsageError; raise UsageError('not so')", UsageError, "not so"),
    ],
)
def test_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, error: type[Exception], message: str
) -> None:
    module = child(tmp_path, monkeypatch, f"def start(job):\n    {line}")
    with Worker(module, {}) as worker, pytest.raises(error, match=message) as found:
        _ = worker.about
    assert type(found.value) is error


@pytest.mark.parametrize("busy", ["time.sleep(60)", "with signals.deferred(): time.sleep(60)"])
def test_worker_that_is_ended_tidies_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: str) -> None:
    """Closing it in the midst of its work leaves no lock and no temporary folder."""
    target = tmp_path / "cache" / "entry"
    target.parent.mkdir()
    module = child(
        tmp_path,
        monkeypatch,
        f"""
import time
from pathlib import Path
from zoo import files, signals
def start(job):
    with files.publish(job["target"]):
        Path(job["begun"]).touch()
        {busy}
""",
    )
    begun = tmp_path / "begun"
    with Worker(module, {"target": str(target), "begun": str(begun)}):
        for _ in range(600):
            if begun.exists():
                break
            time.sleep(0.05)
        assert [path.name[:6] for path in target.parent.iterdir()] == [".entry"] * 2
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize(
    "line",
    [
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes",
        "ResourceExhaustedError: \n\nFail to alloc memory of 8 size, error code is 12.",
        "std::bad_alloc",
        "Failed to allocate memory for requested buffer",
        "CUDA out of memory.",
    ],
)
def test_words_for_no_memory(line: str) -> None:
    assert OUT_OF_MEMORY.search(line)


def test_slow_calls_are_fewer() -> None:
    found = timed(lambda batch: time.sleep(0.02), None, rounds=1000, seconds=0.05)
    assert 1 <= len(found["milliseconds"]) <= 3
    assert len(timed(lambda batch: None, None, rounds=7, seconds=60)["milliseconds"]) == 7


def test_numbers_of_a_row() -> None:
    """Percentiles over all calls; speeds of the processes are added."""
    empty = Row("paddle", "fp32", 8, 16, 8, 2, 1)
    found = [{"milliseconds": [10.0] * 50, "peak": 100e6}, {"milliseconds": [20.0] * 50, "peak": 50e6}]
    row = _row(empty, 4, found)
    assert (row.p50_ms, row.p99_ms, row.calls, row.peak_mb) == (15.0, 20.0, 100, 150.0)
    assert (row.rows_per_s, row.tokens_per_s) == (600.0, 9600.0)
    assert (row.batch, row.asked_batch) == (4, 8)


def test_shares_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert _shares(1) == [[0, 1, 2, 3]]
    assert _shares(2) == [[0, 1], [2, 3]]
    assert _shares(3) == [[0], [1], [2]]
    assert _shares(5) == [[0], [1], [2], [3], [0]]


def test_batch_of_choices() -> None:
    network = {"vocabulary": 50, "task": "multiple-choice", "inputs": ["input_ids", "attention_mask"]}
    made = random_batch(network, 3, 7)
    assert {name: array.shape for name, array in made.items()} == dict.fromkeys(network["inputs"], (3, 2, 7))
    assert made["input_ids"].min() >= 5
    assert made["input_ids"].max() < 50
    assert np.all(made["attention_mask"] == 1)


def test_plot_of_nothing(tmp_path: Path) -> None:
    """Every cell may have failed."""
    row = Row("paddle", "fp32", 8, 16, 8, 1, 2, error="out of memory")
    assert plot(tmp_path / "empty.png", "none", [row]).stat().st_size > 1000

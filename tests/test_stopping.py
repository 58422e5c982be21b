"""Commands that are stopped: the same exit codes, one line, and nothing left, wherever they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.finetune.small import small_data
from tests.tiny_models import learner_folder
from zoo import files
from zoo.__main__ import VERBS

ROOT = Path(__file__).resolve().parents[1]
# Sends the signal when a function of a module is called for the n-th time.
AT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
where, name, left, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def watch(frame, event, _):
    global left
    if event == "call" and frame.f_code.co_name == name and frame.f_globals.get("__name__") == where:
        left -= 1
        if not left:
            sys.setprofile(None)
            open(sys.argv[5], "w").close()
            os.kill(os.getpid(), number)
            time.sleep(0.3)  # a busy machine would finish before it notices

sys.setprofile(watch)
from importlib import import_module
command = import_module(sys.argv[6])
sys.exit(command.main(sys.argv[7:]))
"""


def stop_at(place: str, number: int, work: Path, module: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Runs a command that is stopped at `module:function:n`; checks all that holds for each command."""
    mark = f"stopping-{uuid.uuid4()}"
    (work / "tmp").mkdir(exist_ok=True)
    arguments = [*place.split(":"), str(int(number)), str(work / "reached"), module, *map(str, words)]
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", AT, *arguments],
        cwd=ROOT,
        env={**os.environ, "MARK": mark, "TMPDIR": str(work / "tmp"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (work / "reached").exists(), f"{place} was never reached in {time.monotonic() - begin:.0f} s: {done}"
    assert done.returncode == 128 + number, done
    assert done.stderr.endswith("stopped\n") and done.stderr.count("stopped") == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout and "C++" not in done.stderr, done.stderr
    assert running(mark) == []
    left = [
        p.name for p in work.rglob(".*") if p.name not in (files.writing.MANIFEST_FILE, ".ses")
    ]  # onnxruntime's
    assert left == []
    assert [p.name for p in (work / "tmp").iterdir() if p.name != ".ses"] == []
    return done


def running(mark: str) -> list[str]:
    """Processes that bear a mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text("utf-8", "replace"))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learner_folder(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data") / "SST-2")


@pytest.fixture(scope="module")
def run(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from zoo.finetune import finetune

    folder = tmp_path_factory.mktemp("run") / "run"
    finetune(task="sst2", model=str(model), data=str(data), out=str(folder), epochs=1.0)
    return folder


@pytest.mark.parametrize(
    ("place", "number", "status"),
    [
        ("paddle.nn:<module>:1", signal.SIGTERM, None),  # the import that takes SIGTERM
        ("paddle.nn.layer.common:__init__:3", signal.SIGINT, None),  # the network is being made
        ("zoo.finetune.cpu_speedups:backward:9", signal.SIGINT, "stopped"),  # Python below C++
        ("zoo.finetune.cpu_speedups:forward:5", signal.SIGTERM, "stopped"),
        ("zoo.tasks.running:rows_of:1", signal.SIGTERM, "stopped"),
        ("zoo.files.manifest:write_manifest:2", signal.SIGINT, "stopped"),  # a checkpoint becomes one
        ("zoo.finetune.result:draw:1", signal.SIGTERM, "stopped"),
    ],
)
def test_finetune(place: str, number: int, status: str | None, model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--task", "sst2", "--model", model, "--data", data, "--out", out, "--epochs", "2", "--batch_size", "4")
    stop_at(place, number, tmp_path, "zoo.finetune.__main__", *words)
    assert out.exists() == (status is not None)
    if status is None:
        return
    assert json.loads((out / "run.json").read_text("utf-8"))["status"] == status
    if "forward" in place:  # the way back is the same for all
        from zoo.finetune.__main__ import main

        assert main([*map(str, words), "--resume"]) == 0
        assert json.loads((out / "run.json").read_text("utf-8"))["status"] == "finished"


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("paddle.nn:<module>:1", signal.SIGTERM),  # inside the block that publishes
        ("paddle.nn.layer.common:__init__:2", signal.SIGINT),
        ("zoo.checkpoint.shapes:check_shapes:1", signal.SIGTERM),
    ],
)
def test_convert(place: str, number: int, model: Path, tmp_path: Path) -> None:
    from zoo.convert.to_upstream import export

    export(str(model), tmp_path / "upstream", "torch")
    stop_at(place, number, tmp_path, "zoo.convert.__main__", tmp_path / "upstream", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("place", "number"), [("paddle.nn:<module>:1", signal.SIGINT), ("zoo.tasks.running:rows_of:1", signal.SIGTERM)]
)
def test_evaluate(place: str, number: int, run: Path, data: Path, tmp_path: Path) -> None:
    done = stop_at(place, number, tmp_path, "zoo.evaluate.__main__", run, "--data", data)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("place", "number"), [("zoo.loading:load:1", signal.SIGTERM), ("zoo.tasks.running:rows_of:1", signal.SIGINT)]
)
def test_predict(place: str, number: int, run: Path, data: Path, tmp_path: Path) -> None:
    stop_at(place, number, tmp_path, "zoo.predict", run, "--data", data, "--out", tmp_path / "answers.tsv")
    assert not (tmp_path / "answers.tsv").exists()


@pytest.mark.parametrize(
    ("place", "number", "to"),
    [
        ("zoo.inference.static:trace:1", signal.SIGTERM, "paddle"),
        ("paddle.jit.api:save:1", signal.SIGINT, "paddle"),
        ("zoo.inference.engines.openvino:save_model:1", signal.SIGTERM, "openvino"),
    ],
)
def test_export(place: str, number: int, to: str, run: Path, tmp_path: Path) -> None:
    if to == "openvino":
        pytest.importorskip("openvino")
    stop_at(place, number, tmp_path, "zoo.export.__main__", run, "--out", tmp_path / "out", "--to", to)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_bench(number: int, run: Path, tmp_path: Path) -> None:
    words = (run, "--engine", "eager", "--batch", "1", "--length", "16", "--rounds", "3")
    stop_at("zoo.bench.worker:answer:1", number, tmp_path, "zoo.bench.__main__", *words)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ui(number: int, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="zoo ui needs uvicorn")
    stop_at("threading:wait:20", number, tmp_path, "zoo.ui.__main__", "--port", "0", "--runs", tmp_path / "runs")


def test_several_conversions(model: Path, tmp_path: Path) -> None:
    """Each in a process of its own: they end with the one that started them, and it alone speaks."""
    from zoo.convert.to_upstream import export

    for name in ("one", "two"):
        export(str(model), tmp_path / name, "torch")
    words = (tmp_path / "one", tmp_path / "two", "--jobs", "2", "--out", tmp_path / "out")
    stop_at("concurrent.futures._base:result:1", signal.SIGTERM, tmp_path, "zoo.convert.__main__", *words)


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)], ids=str)
def test_every_help_promises_the_same(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from zoo import terminal
    from zoo.__main__ import main

    with pytest.raises(SystemExit):
        main([*verb, "--help"])
    out = capsys.readouterr().out
    assert terminal.STOPPED in out or (verb == ["serve"] and "what was accepted is answered first" in out)

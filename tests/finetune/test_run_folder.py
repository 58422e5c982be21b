"""The folder of a run: one run at a time, a start that fails leaves nothing in the way, best/ is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.finetune.conftest import Command
from zoo import files
from zoo.errors import ZooError
from zoo.finetune import run, seed_run, trackers
from zoo.finetune import run_folder as disk
from zoo.finetune.progress import ProgressReporter

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--epochs", "1", "--batch-size", "4", "--lr", "1e-3")


def words(little: Path, reviews: Path, out: Path) -> tuple[Any, ...]:
    return ("--task", "sst2", "--model", little, "--data", reviews, "--out", out, *QUICK)


def hidden(folder: Path) -> list[str]:
    """What lies around that no user asked for."""
    return [str(p.relative_to(folder)) for p in folder.rglob(".*") if p.name != files.writing.MANIFEST_FILE]


# --- one run at a time ---


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_the_same_folder_is_refused_at_once(
    resume: bool, finetune: Command, little: Path, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code = "import sys, time\nfrom pathlib import Path\nfrom zoo import files\n"
    code += "with files.lock(Path(sys.argv[1]), wait=False):\n    print('held', flush=True)\n    time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    begin = time.monotonic()
    code, _, err = finetune(*words(little, reviews, out), *(["--resume"] if resume else []))
    assert code == 2 and "Another process" in err and str(out) in err
    assert time.monotonic() - begin < 20 and not out.exists()
    other.kill()  # however the other one ends, its lock goes with it
    other.wait()
    code, _, err = finetune(*words(little, reviews, out), *(["--resume"] if resume else []))
    assert code == 0, err
    assert hidden(tmp_path) == []


def test_a_run_holds_its_folder(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before it looks into the folder until everything is written."""
    out, held = tmp_path / "run", []

    def watched(owner: Any, name: str) -> None:
        usual = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            try:
                with files.lock(out, wait=False):
                    held.append((name, False))
            except ZooError:
                held.append((name, True))
            return usual(*arguments, **more)

        monkeypatch.setattr(owner, name, call)

    watched(run, "read_data")
    watched(seed_run, "train")
    watched(seed_run, "draw")
    watched(run, "merge")
    assert finetune(*words(little, reviews, out))[0] == 0
    assert held == [(name, True) for name in ("read_data", "train", "draw", "merge")]
    assert hidden(tmp_path) == []


# --- a start that fails ---


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--trackers", "tensorboard"), "tensorboardX cannot be used"),
        (("--best", "f2"), "no metric 'f2'"),
        (("--network", "layer=1"), "no option 'layer'"),
        (("--precision", "bfloat16"), "needs a GPU"),
        (("--loss", "smart", "--label-smoothing", "0.1"), "do not go together"),
    ],
)
def test_a_wrong_option_is_found_before_anything_is_read(
    more: tuple[str, ...],
    said: str,
    finetune: Command,
    little: Path,
    reviews: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    for owner, name in ((run, "read_data"), (seed_run, "load_model")):
        monkeypatch.setattr(owner, name, lambda *a: read.append(a))
    code, _, err = finetune(*words(little, reviews, tmp_path / "deep" / "run"), *more)
    assert code == 2 and said in err, err
    assert not read and not (tmp_path / "deep").exists()


def test_a_library_of_the_scores_is_missed_before_the_training(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CoLA").mkdir()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    command = list(words(little, tmp_path / "CoLA", tmp_path / "run"))
    command[1] = "cola"
    code, _, err = finetune(*command)
    assert code == 2 and "needs the library sklearn" in err and "pip install" in err
    assert not (tmp_path / "run").exists()


def test_a_start_that_failed_is_not_in_the_way(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that only the start itself finds out: a tracker's server that does not answer."""
    out = tmp_path / "run"

    class Refused:
        library = staticmethod(lambda: None)

        def __init__(self, *_: Any) -> None:
            raise OSError(111, "Connection refused")

    monkeypatch.setattr(trackers, "TRACKERS", {**trackers.TRACKERS, "mlflow": Refused})
    code, _, err = finetune(*words(little, reviews, out), "--trackers", "mlflow")
    assert code == 2 and "mlflow cannot be used" in err and "Connection refused" in err
    assert finetune(*words(little, reviews, out), "--seed", "3")[0] == 0
    code, _, err = finetune(*words(little, reviews, out))
    assert code == 2 and "has a run already" in err


def test_a_run_that_has_trained_stays(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ProgressReporter.__call__

    def stop(self: ProgressReporter, event: Any) -> None:
        usual(self, event)
        if getattr(event, "update", 0) == 2:
            raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(ProgressReporter, "__call__", stop)
    with pytest.raises(RuntimeError):
        finetune(*words(little, reviews, tmp_path / "run"))
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert record["status"] == "failed" and record["error"] == "a mistake of ours"
    monkeypatch.setattr(ProgressReporter, "__call__", usual)
    code, _, err = finetune(*words(little, reviews, tmp_path / "run"))
    assert code == 2 and "--resume" in err
    assert finetune(*words(little, reviews, tmp_path / "run"), "--resume")[0] == 0


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be(place: str, finetune: Command, little: Path, reviews: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", "utf-8")
    code, _, err = finetune(*words(little, reviews, tmp_path / place))
    assert code == 2 and "is a file" in err and "--out" in err
    assert (tmp_path / "file").read_text("utf-8") == "mine" and hidden(tmp_path) == []


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "model.safetensors", "report.html"])
def test_a_full_disk_is_a_sentence(
    name: str, finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = open
    out = tmp_path / "run"

    def full(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        if isinstance(path, str | Path) and set(mode) & set("wax") and name in str(path) + _scratch_of(path):
            raise OSError(28, "No space left on device", str(path))
        return usual(path, mode, *more, **options)

    def _scratch_of(path: Any) -> str:
        mark = Path(path).parent / "target"
        return mark.read_text("utf-8") if mark.is_file() else ""

    monkeypatch.setattr("builtins.open", full)
    monkeypatch.setattr("io.open", full)
    code, _, err = finetune(*words(little, reviews, out))
    assert code == 1 and "is full" in err and "Traceback" not in err, err
    monkeypatch.undo()
    assert finetune(*words(little, reviews, out), "--resume")[0] == 0
    assert hidden(tmp_path) == []


# --- what is in it ---


def test_best_appears_with_its_task(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill at any moment leaves a folder that evaluate takes, or none."""
    seen: list[set[str]] = []
    usual = os.rename

    def renamed(source: Any, target: Any, **more: Any) -> None:
        usual(source, target, **more)
        if Path(target).name == "best":
            seen.append({path.name for path in Path(target).iterdir()})

    monkeypatch.setattr("os.rename", renamed)
    assert finetune(*words(little, reviews, tmp_path / "run"))[0] == 0
    assert seen and all({"model.safetensors", "config.json", disk.TASK_FILE} <= names for names in seen)
    disk.read_task(tmp_path / "run" / "best")


def test_a_finished_run_keeps_no_checkpoints(
    finetune: Command, little: Path, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert finetune(*words(little, reviews, out))[0] == 0
    assert not (out / "checkpoints").exists() and (out / "best" / "model.safetensors").is_file()
    before = (out / "run.json").read_bytes()
    assert finetune(*words(little, reviews, out), "--resume")[0] == 0, "there is nothing left to do"
    assert (out / "run.json").read_bytes() == before


@pytest.mark.parametrize("at", ["update", "evaluation"])
def test_killed_it_goes_on(at: str, little: Path, reviews: Path, tmp_path: Path) -> None:
    """kill -9 leaves no lock that holds the next one up."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "zoo.finetune", *map(str, words(little, reviews, out))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if at in {line["kind"] for line in disk.read_metrics(out / "metrics.jsonl")}:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    done = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "run.json").read_text("utf-8"))["status"] == "finished"
    assert hidden(tmp_path) == []

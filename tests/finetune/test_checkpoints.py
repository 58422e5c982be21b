"""Checkpoints: a run that was killed, or that met a full disk, ends in the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from tests.finetune.small import SomeRows, bytes_of, run
from tests.tiny_models import learner
from zoo import env
from zoo.errors import CheckpointError, UsageError
from zoo.finetune import checkpoints
from zoo.finetune.events import CheckpointSaved, Updated
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

SETTINGS = {"updates": 12, "batch_size": 8, "lr": 1e-3, "warmup": 2, "save_every": 3}


def test_checkpoints_and_how_many_stay(tmp_path: Path) -> None:
    _, events = run({"settings": SETTINGS}, tmp_path)
    assert [e.update for e in events if isinstance(e, CheckpointSaved)] == [3, 6, 9, 12]
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000012"]
    run({"settings": {**SETTINGS, "keep": 2}}, tmp_path / "two")
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["step-00000009", "step-00000012"]
    shutil.rmtree(tmp_path / "two")
    assert not list(tmp_path.glob(".*"))  # nothing else lies around
    files = sorted(p.name for p in (tmp_path / "step-00000012").iterdir() if not p.name.startswith("."))
    assert files == ["model.safetensors", "optimiser.safetensors", "state.json"]


@pytest.mark.parametrize("kind", ["adamw", "adam", "child-tuning-F"])
def test_resume_within_an_epoch_is_exact(kind: str, tmp_path: Path) -> None:
    options = {"settings": SETTINGS, "optimiser": {"name": kind, "lr": 1e-3}}
    whole, events = run(options, tmp_path / "whole", evaluate=lambda model: {"accuracy": 1.0})

    def stop(event: Any) -> None:
        if isinstance(event, Updated) and event.update == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(options, tmp_path / "cut", on_event=stop, evaluate=lambda model: {"accuracy": 1.0})
    random.seed(99), np.random.seed(99), paddle.seed(99)
    resumed, later = run(options, tmp_path / "cut", resume=True, evaluate=lambda model: {"accuracy": 1.0})
    assert later[0].update == 6
    assert bytes_of(resumed) == bytes_of(whole)
    assert [e.loss for e in events if isinstance(e, Updated)][6:] == [
        e.loss for e in later if isinstance(e, Updated)
    ]
    for name in ("model.safetensors", "optimiser.safetensors", "state.json"):
        one, two = ((tmp_path / run / "step-00000012" / name).read_bytes() for run in ("whole", "cut"))
        assert one == two, name


def test_the_mask_of_child_tuning_d_is_kept(tmp_path: Path) -> None:
    ends = []
    for resume in (False, True):
        model = learner()
        optimiser: Any = make_optimiser(model, OptimiserSettings("child-tuning-D", lr=1e-3))
        if not resume:
            masks = {
                p.name: (paddle.rand(p.shape) < 0.3).astype("float32") for p in model.encoder.layers.parameters()
            }
            optimiser.set_gradient_mask(masks)
        settings = LoopSettings(6, 8, lr=1e-3, save_every=3, keep=9)
        train(model, SomeRows(), optimiser, settings, folder=tmp_path, resume=resume)
        ends.append(bytes_of(model))
        shutil.rmtree(tmp_path / "step-00000006")
    assert ends[0] == ends[1]


def child(folder: Path) -> subprocess.Popen[str]:
    options = {"settings": {**SETTINGS, "updates": 30}}
    command = [sys.executable, "-m", "tests.finetune.small", str(folder), json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)


def test_killed_at_random_updates_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    wait = random.Random(os.getpid())
    kills = sorted(wait.sample(range(4, 29), 2))
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    uninterrupted = child(whole)
    for kill in kills:
        process = child(cut)
        assert process.stdout is not None
        for line in process.stdout:
            if line.split() == ["Updated", str(kill)]:
                break
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert child(cut).wait() == uninterrupted.wait() == 0
    one, two = (np.load(folder / "weights.npz") for folder in (whole, cut))
    assert [n for n in one if one[n].tobytes() != two[n].tobytes()] == [], f"killed at {kills}"
    assert [p.name for p in cut.iterdir() if p.is_dir()] == ["step-00000030"]
    for name in ("model.safetensors", "optimiser.safetensors", "state.json"):
        one, two = ((folder / "step-00000030" / name).read_bytes() for folder in (whole, cut))
        assert one == two, name


@pytest.mark.parametrize("free", [1 << 40, 0])
def test_what_is_written_is_what_the_model_was(free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training goes on while a checkpoint is written, where there is memory for a copy; the bytes are the same."""
    monkeypatch.setattr(env, "memory", lambda: free)
    real, updates, started, at_write = checkpoints._write, [0], threading.Event(), []

    def slow(path: Path, infos: Any, arrays: Any) -> None:
        if free and "00000003" in str(path):
            assert started.wait(20), "training stands still"
        at_write.append(updates[0])
        real(path, infos, arrays)

    def tell(event: Any) -> None:
        if isinstance(event, Updated):
            updates[0] = event.update
            if event.update == 5:
                started.set()
            if event.update == 8:
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "_write", slow)
    with pytest.raises(KeyboardInterrupt):
        run({"settings": {**SETTINGS, "keep": 9}}, tmp_path / "cut", on_event=tell)
    assert at_write[0] >= 5 if free else at_write[0] == 3
    run({"settings": {**SETTINGS, "keep": 9}}, tmp_path / "whole")
    for step in ("step-00000003", "step-00000006"):
        for name in ("model.safetensors", "optimiser.safetensors"):
            one, two = ((tmp_path / at / step / name).read_bytes() for at in ("cut", "whole"))
            assert one == two, (step, name)


def test_what_a_kill_left_goes(tmp_path: Path) -> None:
    """A half-written checkpoint, and one whose removal was cut off, are passed over and removed."""
    options = {"settings": SETTINGS}
    run(options, tmp_path)
    (tmp_path / "step-00000012").rename(tmp_path / "step-00000015")
    (tmp_path / "step-00000015" / "state.json").unlink()
    left = tmp_path / ".step-00000009.zoo-tmp-x"
    (left / "new").mkdir(parents=True)
    (left / "target").write_bytes(b"step-00000009")
    _, later = run(options, tmp_path, resume=True)
    assert later[0].update == 0 and sorted(p.name for p in tmp_path.iterdir()) == ["step-00000012"]


def test_a_full_disk_costs_one_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"settings": SETTINGS}
    whole, _ = run(options, None)
    real = checkpoints._write

    def full(path: Path, infos: Any, arrays: Any) -> None:
        if "00000009" in str(path) and path.name == "optimiser.safetensors":
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(path, infos, arrays)

    monkeypatch.setattr(checkpoints, "_write", full)
    with pytest.raises(CheckpointError, match=r"update 9 .*is full") as error:
        run(options, tmp_path)
    assert "step-00000006" in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["step-00000006"]
    monkeypatch.setattr(checkpoints, "_write", real)
    resumed, later = run(options, tmp_path, resume=True)
    assert later[0].update == 6 and bytes_of(resumed) == bytes_of(whole)


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    """A real write error: the process may write files of 64 KiB only."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from tests.finetune.small import run; from pathlib import Path;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16));"
        f"run({{'settings': {SETTINGS!r}}}, Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1 and "could not be written" in done.stderr
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_other_settings_or_another_model_are_refused(tmp_path: Path) -> None:
    run({"settings": SETTINGS}, tmp_path)
    with pytest.raises(UsageError, match=r"lr 0.001 -> 0.002"):
        run({"settings": {**SETTINGS, "lr": 2e-3}}, tmp_path, resume=True)
    model = learner(hidden_size=16)
    with pytest.raises(CheckpointError, match="another model"):
        train(
            model,
            SomeRows(),
            make_optimiser(model, OptimiserSettings()),
            LoopSettings(**SETTINGS),
            folder=tmp_path,
            resume=True,
        )


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run({"settings": SETTINGS}, tmp_path)
    (tmp_path / "step-00000012" / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match="step-00000012"):
        run({"settings": SETTINGS}, tmp_path, resume=True)

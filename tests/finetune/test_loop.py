"""The loop: what it minimises, what it tells, when it stops, and that a killed run ends in the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from tests.finetune.small import SomeRows, bytes_of, run, small_model
from zoo.errors import CheckpointError, TrainingError, UsageError
from zoo.finetune import state
from zoo.finetune.batches import Padding
from zoo.finetune.events import Evaluated, Finished, Saved, Started, Updated
from zoo.finetune.loop import LoopSettings, freeze_body, train, updates_of
from zoo.finetune.objective import Objective, objective_of
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

SETTINGS = {"updates": 12, "batch_size": 8, "lr": 1e-3, "warmup": 2, "save_every": 3}


def test_it_learns_and_tells() -> None:
    _, events = run({"settings": {**SETTINGS, "updates": 60, "lr": 3e-3}}, None)
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    losses = [e.loss for e in events if isinstance(e, Updated)]
    assert len(losses) == 60 and np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert events[1].lr == 0.0 and events[2].lr == pytest.approx(1.5e-3)
    assert events[1].rows == 8 and events[1].tokens > 30 and events[1].norm > 0


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (run({"settings": {**SETTINGS, "seed": s}}, None)[0] for s in (1, 1, 2))
    assert bytes_of(first) == bytes_of(second) != bytes_of(other)


@pytest.mark.parametrize("task", ["classification", "tagging", "qa"])
def test_accumulation_is_one_large_batch(task: str) -> None:
    ends = []
    for size, accumulate in ((12, 1), (4, 3)):
        model = small_model(task, dropout=0.0)
        optimiser = make_optimiser(model, OptimiserSettings(lr=1e-3))
        rows = SomeRows(12, task=task)
        events: list[Any] = []
        settings = LoopSettings(3, size, accumulate, lr=1e-3, grouped=False)
        # the qa head, like the original, takes its softmax over padding too: only equal widths are comparable
        train(model, rows, optimiser, settings, padding=Padding(least=20), on_event=events.append)
        ends.append((model, [e.loss for e in events if isinstance(e, Updated)]))
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-5)
    for (name, one), two in zip(ends[0][0].named_parameters(), ends[1][0].parameters(), strict=True):
        if not name.endswith("key.bias"):  # its gradient is zero but for rounding, which Adam blows up
            np.testing.assert_allclose(one.numpy(), two.numpy(), atol=2e-5, err_msg=name)


def test_a_frozen_body_stays_and_has_no_dropout() -> None:
    model = small_model()
    freeze_body(model)
    before = bytes_of(model)
    optimiser = make_optimiser(model, OptimiserSettings(lr=1e-2))
    events: list[Any] = []
    seen: list[bool] = []
    objective = objective_of(model)

    def loss(m: Any, batch: Any) -> Any:
        seen.append(m.encoder.layers[0].dropout.training or not m.classification.dropout.training)
        return objective.loss(m, batch)

    train(
        model,
        SomeRows(),
        optimiser,
        LoopSettings(3),
        objective=Objective(loss, objective.count),
        on_event=events.append,
    )
    changed = {name for name, value in bytes_of(model).items() if value != before[name]}
    assert changed and all(name.startswith(("classification.", "encoder.pooler.")) for name in changed)
    assert seen == [False] * 3
    assert events[0].trained < events[0].frozen
    with pytest.raises(UsageError, match="no head"):
        freeze_body(small_model(None))


def test_best_patience_and_the_end_of_epochs() -> None:
    scores = iter([0.5, 0.8, 0.8, 0.7, 0.9])
    kept: list[int] = []
    _, events = run(
        {"settings": {**SETTINGS, "updates": 80, "patience": 2}},
        None,
        evaluate=lambda model: {"accuracy": next(scores)},
        on_best=lambda model, update, scores: kept.append(update),
    )
    found = [e for e in events if isinstance(e, Evaluated)]
    assert [e.update for e in found] == [8, 16, 24, 32]  # 60 rows in batches of 8
    assert [e.is_best for e in found] == [True, True, False, False]
    assert kept == [8, 16] and events[-1] == Finished(32, "patience")


def test_lower_can_be_better_and_a_wrong_score_is_named() -> None:
    scores = iter([0.5, 0.4, 0.6])
    settings = {**SETTINGS, "eval_every": 4, "best": "-loss"}
    _, events = run({"settings": settings}, None, evaluate=lambda model: {"loss": next(scores)})
    assert [e.is_best for e in events if isinstance(e, Evaluated)] == [True, True, False]
    with pytest.raises(UsageError, match=r"'f1'.*no score"):
        run({"settings": {**SETTINGS, "best": "f1"}}, None, evaluate=lambda model: {"loss": 1.0})


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(UsageError, match="bfloat16 needs a GPU"):
        run({"settings": {**SETTINGS, "precision": "bfloat16"}}, None)


def test_what_is_no_number_is_found() -> None:
    model = small_model()
    rows = SomeRows()
    layer = model.encoder.layers[1].feed_forward
    original = layer.forward

    def broken(x: Any) -> Any:
        return original(x) * (float("nan") if calls.append(1) or len(calls) > 2 else 1.0)

    calls: list[int] = []
    layer.forward = broken
    with pytest.raises(TrainingError, match=r"Update 3 .*loss nan.*'encoder.layers.1.dropout'.*rows \d+") as e:
        train(model, rows, make_optimiser(model, OptimiserSettings()), LoopSettings(5, fast=False))
    assert "lower --lr" in str(e.value)


def test_updates_of() -> None:
    assert updates_of(100, 32, 1, 3) == 12
    assert updates_of(100, 32, 4, 1) == 1
    assert updates_of(100, 10, 3, 1) == 4
    assert updates_of(1000, 10, 1, 0.1) == 10


# --- checkpoints ---


def test_checkpoints_and_how_many_stay(tmp_path: Path) -> None:
    _, events = run({"settings": SETTINGS}, tmp_path)
    assert [e.update for e in events if isinstance(e, Saved)] == [3, 6, 9, 12]
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000009", "step-00000012"]
    files = sorted(p.name for p in (tmp_path / "step-00000012").iterdir())
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
        model = small_model()
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
    names = ["step-00000027", "step-00000030"]
    assert [p.name for p in sorted(cut.glob("step-*"))] == names
    for name in ("model.safetensors", "optimiser.safetensors", "state.json"):
        assert (whole / names[1] / name).read_bytes() == (cut / names[1] / name).read_bytes()


def test_a_full_disk_costs_one_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"settings": SETTINGS}
    whole, _ = run(options, None)
    real = state._write

    def full(path: Path, arrays: Any) -> None:
        if "00000009" in str(path) and path.name == "optimiser.safetensors":
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(path, arrays)

    monkeypatch.setattr(state, "_write", full)
    with pytest.raises(CheckpointError, match=r"update 9 .*No space left") as error:
        run(options, tmp_path)
    assert "step-00000006" in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["step-00000003", "step-00000006"]
    monkeypatch.setattr(state, "_write", real)
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
    model = small_model(hidden_size=16)
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

"""What users train with is what is measured: one loop, with the speed-up inside of updates and nowhere else."""

from __future__ import annotations

import ast
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from tests.finetune.conftest import Command
from tests.finetune.small import SomeRows, small_data
from tests.tiny_models import learner, learner_folder
from zoo.finetune import cpu_speedups, evaluation
from zoo.finetune import run_folder as disk
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser
from zoo.finetune.run_folder import read_metrics

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"epochs": 2.0, "batch_size": 8, "lr": 1e-3, "eval_every": 3}


class Spy:
    """Whether the speed-up was on in each update, evaluation and save."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bool, bool, bool]] = []
        self.passes = 0
        from zoo.finetune.update import Update

        self._watch(monkeypatch, Update, "__call__", "update", lambda made, *_: made.model)
        self._watch(monkeypatch, evaluation, "outputs_of", "evaluation", lambda model, *_: model)
        self._watch(monkeypatch, disk, "save_model", "save", lambda folder, model, *_: model)
        forward = cpu_speedups.Linear.forward

        def counted(*arguments: Any) -> Any:
            self.passes += 1
            return forward(*arguments)

        monkeypatch.setattr(cpu_speedups.Linear, "forward", staticmethod(counted))

    def _watch(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, kind: str, model_of: Any) -> None:
        usual = getattr(owner, name)

        def watched(*arguments: Any, **more: Any) -> Any:
            model, before = model_of(*arguments), self.passes
            linear = model.encoder.layers[0].attention.query
            patched = (
                "forward" in linear.__dict__
                and not paddle.get_flags(cpu_speedups.STRIDE_FLAG)[cpu_speedups.STRIDE_FLAG]
            )
            made = usual(*arguments, **more)
            self.seen.append((kind, patched, self.passes > before, model.training))
            return made

        monkeypatch.setattr(owner, name, watched)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def check(spy: Spy) -> None:
    kinds = {kind: [rest for k, *rest in spy.seen if k == kind] for kind in ("update", "evaluation", "save")}
    assert len(kinds["update"]) == 4 and all(found == [True, True, True] for found in kinds["update"])
    assert len(kinds["evaluation"]) >= 2 and all(found == [False, False, False] for found in kinds["evaluation"])
    assert kinds["save"] and all(found == [False, False, False] for found in kinds["save"])


def test_the_function_trains_with_the_speed_up(spy: Spy, little: Path, reviews: Path, tmp_path: Path) -> None:
    from zoo.finetune import finetune

    finetune(task="sst2", model=str(little), data=str(reviews), out=str(tmp_path / "run"), **QUICK)
    check(spy)


def test_the_command_trains_with_the_speed_up(
    spy: Spy, finetune: Command, little: Path, reviews: Path, tmp_path: Path
) -> None:
    words = [f"--{name}={value}" for name, value in QUICK.items()]
    code, _, err = finetune("--task", "sst2", "--model", little, "--data", reviews, "--out", tmp_path / "r", *words)
    assert code == 0, err
    check(spy)
    lines = [line for line in read_metrics(tmp_path / "r" / "metrics.jsonl") if line["kind"] == "update"]
    assert len(lines) == 4 and all(line["seconds"] > 0 for line in lines)


@pytest.mark.parametrize("faster", [True, False])
def test_a_trained_model_is_as_it_was_and_in_eval_mode(faster: bool) -> None:
    model = learner()
    before = paddle.get_flags(cpu_speedups.STRIDE_FLAG)
    modes: list[bool] = []
    settings = LoopSettings(4, 8, lr=1e-3, eval_every=3, fast=faster)
    optimiser = make_optimiser(model, OptimiserSettings(lr=1e-3))

    def evaluate(model: Any) -> dict[str, float]:
        modes.append(model.training)
        return {"accuracy": 1.0}

    train(model, SomeRows(), optimiser, settings, evaluate=evaluate)
    assert modes == [False, False] and not any(layer.training for layer in model.sublayers(include_self=True))
    assert not any("forward" in layer.__dict__ for layer in model.sublayers())
    assert paddle.get_flags(cpu_speedups.STRIDE_FLAG) == before


def test_evaluations_and_checkpoints_do_not_change_the_numbers(tmp_path: Path) -> None:
    """Leaving the speed-up and coming back is no step of its own."""
    ends = []
    for every, folder in ((0, None), (2, tmp_path)):
        model = learner()
        settings = LoopSettings(9, 8, lr=1e-3, eval_every=every)
        optimiser = make_optimiser(model, OptimiserSettings(lr=1e-3))
        batch = {k: paddle.to_tensor(v) for k, v in SomeRows(6).batch(np.arange(6)).items()}
        train(
            model, SomeRows(), optimiser, settings, folder=folder,
            evaluate=lambda m, batch=batch: {"accuracy": float(m(**batch).loss)},
        )  # fmt: skip
        ends.append({name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()})
    assert ends[0] == ends[1]


def test_there_is_one_way_into_training() -> None:
    """Nothing but the loop makes updates, and nothing but it speeds a model up."""
    calls: dict[str, set[str]] = {"speed_up": set(), "Update": set()}
    for path in (*(ROOT / "zoo").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if name in calls:
                calls[name].add(path.relative_to(ROOT).as_posix())
    assert calls == {"speed_up": {"zoo/finetune/loop.py"}, "Update": {"zoo/finetune/loop.py"}}


def test_the_benchmark_drives_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.speed import train as train_speed
    from benchmarks.speed import train_references

    rows = small_data(tmp_path / "rows", 64) / "train.tsv"
    tiny = train_references.Data(rows, "classification", "{}.tsv", header=1)
    monkeypatch.setitem(train_references.DATA, "sst2", tiny)
    monkeypatch.setattr(train_speed, "model_folder", lambda size, work: learner_folder(work / "model"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    command = train_speed.Command("tiny", "sst2")
    try:
        words = [str(word) for word in command.process.args]  # type: ignore[union-attr]
        assert words[:3] == [sys.executable, "-m", "zoo.finetune"]
        assert 0 < command.train(2).seconds < 60
        at_rest = len(command._updates())
        time.sleep(0.3)
        assert len(command._updates()) == at_rest, "it stands still while the others train"
        trained = command.train(3)
        assert 0 < trained.seconds < 60 and trained.tokens > 0
        assert len(command._updates()) >= at_rest + 4
    finally:
        command.close()
    assert command.process.returncode == 143 and not Path(command.work.name).exists()

"""Several models in one command: a run each, one table, one store; one that fails does not stop the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.finetune import trackers

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "1", "--batch-size", "4", "--max-length", "16", "--eval-every", "9")
STORES: list[tuple[Path, str]] = []


class FakeTracker:
    """Remembers which store and name each run has."""

    run = ""

    def __init__(self, folder: Path, name: str, config: Any, run: str = "") -> None:
        STORES.append((folder, name))

    @staticmethod
    def library() -> None:
        """Nothing is needed."""

    def log(self, *_: Any) -> None:
        """As `Tracker.log`."""

    def close(self, failed: bool = False) -> None:
        """As `Tracker.close`."""


@pytest.fixture
def models(english: Path, tmp_path: Path) -> list[Path]:
    """Two folders with one network, and one whose weights are missing."""
    found = [tmp_path / name for name in ("one", "broken", "two")]
    for folder in found:
        shutil.copytree(english, folder)
    for file in found[1].glob("*.safetensors"):
        file.unlink()
    return found


def test_a_model_that_fails_does_not_lose_the_others(
    models: list[Path], sst2: Path, tmp_path: Path, finetune: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trackers.TRACKERS, "aim", FakeTracker)
    monkeypatch.delenv("AIM_REPO", raising=False)
    STORES.clear()
    out = tmp_path / "runs"
    words = ("--task", "sst2", "--model", *models, "--data", sst2, "--out", out, "--trackers", "aim", *QUICK)
    code, said, err = finetune(*words)
    assert code == 1 and "the others go on" in err, err
    assert {path.name for path in out.iterdir()} >= {"sst2-one", "sst2-two", "experiment.json", "compare.html"}
    found = json.loads((out / "experiment.json").read_text("utf-8"))
    assert list(found["failed"]) == [str(models[1])] and found["scores"] == "accuracy on dev"
    values = [found["models"][str(model)]["all"] for model in (models[0], models[2])]
    lines = said.splitlines()
    assert lines[:2] == ["accuracy on dev", lines[1]] and lines[1].split() == ["model", "all"]
    assert [line.split()[-1] for line in lines[2:4]] == [f"{value:.2f}" for value in values]
    assert lines[-1].startswith(f"Aim: aim up --repo {out / 'trackers' / 'aim'}")
    assert [(out / "trackers", "sst2-one"), (out / "trackers", "sst2-two")] == STORES
    before = (out / "sst2-one" / "run.json").read_bytes()
    shutil.copytree(models[0], models[1], dirs_exist_ok=True)
    code, _, err = finetune(*words, "--resume")
    assert code == 0, err
    assert (out / "sst2-one" / "run.json").read_bytes() == before and (out / "sst2-broken" / "run.json").is_file()


def test_mistakes_stop_before_the_first_run(
    models: list[Path], sst2: Path, tmp_path: Path, finetune: Command
) -> None:
    out = tmp_path / "runs"
    words = ("--model", *models, "--data", sst2, "--out", out)
    for more, said in (
        (("--task", "sst2", "--best", "f2"), "has no metric 'f2'"),
        (("--task", "glue", "--best", "f2"), "cola has no metric 'f2'"),
        (("--task", "sst2", "--show"), "--show shows one model"),
    ):
        code, _, err = finetune(*words, *more)
        assert code == 2 and said in err and not out.exists()
    code, _, err = finetune("--task", "sst2", "--model", "a", "a", "--data", sst2)
    assert code == 2 and "names a model twice" in err

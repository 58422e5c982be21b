"""The short form of the trials of commands: `make faults` has all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults import trials
from benchmarks.faults.subjects import Subjects, prepare, status_of

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Subjects:
    return prepare(tmp_path_factory.mktemp("trials") / "subjects", ROOT)


def test_the_subjects_are_whole(subjects: Subjects) -> None:
    assert status_of(subjects.run) == "finished"


@pytest.mark.parametrize("where", ["/proc/zoo-out", "a stranger's folder"])
@pytest.mark.parametrize("command", ["save", "convert --to torch", "finetune", "predict"])
def test_a_target_that_must_not_be_written(subjects: Subjects, tmp_path: Path, command: str, where: str) -> None:
    found = trials.forbidden(subjects, command, where, tmp_path)
    assert found.outcome == "right", found


def test_three_at_once(subjects: Subjects, tmp_path: Path) -> None:
    found = trials.together(subjects, "convert", 3, tmp_path)
    assert found.outcome == "right", found


def test_killed_and_started_again(subjects: Subjects, tmp_path: Path) -> None:
    found = trials.kill(subjects, "finetune", 4.0, tmp_path)
    assert found.outcome == "right", found


def test_a_trial_can_fail(subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the judgements behind an outcome says no to what it is for."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").touch()
    assert not trials.whole("save", tmp_path / "out")
    (tmp_path / ".out.lock").touch()
    assert trials.leftovers(tmp_path) == [".out.lock"]
    assert trials.Ended(1, "Traceback (most recent call last):", 1.0).traced()
    bad = {"save": lambda s, target: ["sh", "-c", f"echo changed > {target}/notes.txt"]}
    monkeypatch.setattr(trials, "COMMANDS", bad)
    assert trials.forbidden(subjects, "save", "a stranger's folder", tmp_path).outcome == "lost"

"""Published numbers measured again: which commands run, with what, and what becomes of their scores."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reproduce import __main__ as reproduce
from benchmarks.reproduce import runner
from benchmarks.reproduce.jobs import jobs_of, scores_in
from zoo import published
from zoo.published import ledger
from zoo.published.ledger import OPEN, REPRODUCED
from zoo.tasks import similarity

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
AFQMC = "evaluate-all-MiniLM-L6-v2-afqmc-sts-dev"


class FakeZoo:
    """Stands for the command: writes what a run would write, and keeps what it was called with."""

    def __init__(self, off: float = 0.0, code: int = 0, said: str = "") -> None:
        self.off, self.code, self.said = off, code, said
        self.calls: list[tuple[list[str], dict[str, str]]] = []

    def __call__(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> int:
        self.calls.append((list(words), dict(environ)))
        log.write_text(self.said)
        if not self.code:
            out = Path(words[words.index("--out") + 1])
            out.mkdir(parents=True, exist_ok=True)
            self.write(list(words), out)
        return self.code

    def write(self, words: list[str], out: Path) -> None:
        task, split = (words[words.index(flag) + 1] for flag in ("--task", "--split"))
        rows: dict[str, dict[str, float]] = {}
        for score in published.of_task(MINILM, task, split):
            if score.metric != "main-score":
                rows.setdefault(score.language, {})[score.metric] = score.value + self.off
        content = {"task": task, "split": split, "metric": similarity.find(task).metric, "scores": rows}
        (out / "scores.json").write_text(json.dumps(content))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A ledger and results of the test's own, and a folder with one data set."""
    monkeypatch.setattr(reproduce, "OURS", tmp_path / "ours.csv")
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "results")
    read = published.read

    def rows(name: str) -> Iterator[dict[str, str]]:
        if name != "ours":
            return read(name)
        file = tmp_path / "ours.csv"
        return iter(csv.DictReader(file.read_text().splitlines() if file.is_file() else []))

    monkeypatch.setattr(published, "read", rows)
    ledger.measured.cache_clear()
    (tmp_path / "data/clue").mkdir(parents=True)
    yield tmp_path
    ledger.measured.cache_clear()


def ran(place: Path, zoo: Any, pattern: str = "afqmc-sts") -> int:
    work, data = str(place / "work"), str(place / "data")
    return reproduce.main([pattern, "--data", data, "--work", work, "--devices", "1"], zoo)


def states() -> set[str]:
    return {claim.state for claim in ledger.claims(published.of_task(MINILM, "afqmc-sts", "dev"))}


def test_numbers_are_measured_written_and_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo = FakeZoo(off=0.001)
    assert ran(place, zoo) == 0
    ((words, environ),) = zoo.calls
    assert words[:4] == ["evaluate", MINILM, "--task", "afqmc-sts"]
    assert words[words.index("--data") + 1] == str(place / "data/clue")
    assert environ == {}
    assert states() == {REPRODUCED}
    assert "9 of 9 measured numbers are reproduced" in capsys.readouterr().out
    with (place / "ours.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 and rows[0].keys() == {*ledger.KEY, "ours", "date"}
    document = json.loads((place / "results/claims.json").read_text())
    (row,) = (row for row in document["rows"] if row["task"] == "afqmc-sts")
    assert (row["numbers"], row["reproduced"], row["open"], row["largest difference"]) == (9, 9, 0, "+0.0010")
    assert ran(place, zoo) == 0 and len(zoo.calls) == 1  # what has finished is not run again


def test_a_number_that_is_no_longer_reproduced_ends_with_3(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(place, FakeZoo()) == 0
    before = (place / "ours.csv").read_text()
    (place / f"work/{AFQMC}.json").unlink()
    assert ran(place, FakeZoo(off=0.5)) == 3
    assert "NO LONGER REPRODUCED" in capsys.readouterr().out
    assert (place / "ours.csv").read_text() == before
    assert ran(place, FakeZoo()) == 3, "until it is reproduced again, or its line is deleted"


def test_a_number_that_never_was_may_be_further_off(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(place, FakeZoo(off=0.5)) == 0
    assert states() == {OPEN}
    assert "further off" in capsys.readouterr().out
    (place / f"work/{AFQMC}.json").unlink()
    assert ran(place, FakeZoo()) == 0 and states() == {REPRODUCED}


def test_a_crash_is_a_failure_and_not_a_lack(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crashed = FakeZoo(code=1, said="Traceback (most recent call last):\nSyntaxError: invalid syntax\n")
    assert ran(place, crashed) == 1
    assert "FAILED" in capsys.readouterr().out


def test_what_cannot_run_is_skipped_with_its_reason(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo = FakeZoo(code=1, said=f"reading\nerror: '{place}/data/clue' has no file.\nGive a folder.\n")
    assert ran(place, zoo, "xquad-retrieval") == 0
    assert zoo.calls == [], "its data are not there"
    assert "xquad is not in the folder of the data." in capsys.readouterr().out
    assert ran(place, zoo) == 0 and len(zoo.calls) == 1
    assert "skipped" in (out := capsys.readouterr().out) and "'DIR/clue' has no file." in out
    assert not (place / "ours.csv").read_text().splitlines()[1:]


def test_a_command_that_fails_ends_with_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(place, FakeZoo(code=2, said="error: There is no option --out.\n")) == 1
    assert "FAILED" in (out := capsys.readouterr().out) and "There is no option --out." in out


def test_jobs_are_spread_over_devices(tmp_path: Path) -> None:
    jobs = jobs_of(ledger.claims(published.mteb()))
    for job in jobs:
        (tmp_path / "data" / job.way.data).mkdir(parents=True, exist_ok=True)
    zoo = FakeZoo()
    found = runner.run_jobs(jobs, tmp_path / "data", tmp_path / "work", ["2", "3"], zoo)
    assert {environ["CUDA_VISIBLE_DEVICES"] for _, environ in zoo.calls} <= {"2", "3"}
    assert len(zoo.calls) == len(jobs) == len(found) == 8
    assert all(outcome.scores for outcome in found.values())
    judged = reproduce.judge(found, ledger.claims(published.mteb()))
    assert (len(judged.claims), judged.unmeasured, judged.lost) == (2428, (), ())


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert runner.devices(3) == ["0", "1", "2"] and runner.devices(1) == [""]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert runner.devices(2) == ["4", "6"] and runner.devices(None) == ["4", "6", "7"]


def test_one_jobs_trouble_is_not_the_others(tmp_path: Path) -> None:
    def broken(words: Sequence[str], environ: Mapping[str, str], log: Path) -> int:
        raise OSError("no such program")

    jobs = jobs_of(ledger.claims(published.mteb()))[:2]
    found = runner.run_jobs(jobs, None, tmp_path, [""], broken, say=lambda line: None)
    assert [outcome.failed for outcome in found.values()] == ["OSError: no such program"] * 2


def test_scores_of_trainings(tmp_path: Path) -> None:
    results = {"test": {"row": "average", "scores": {"average": {"accuracy": 80.0}, "de": {"accuracy": 79.0}}}}
    (tmp_path / "run.json").write_text(json.dumps({"results": results}))
    found = scores_in(tmp_path)
    assert found and found["test"][""] == {"accuracy": 80.0} and found["test"]["de"] == {"accuracy": 79.0}
    (tmp_path / "suite.json").write_text(json.dumps({"scores": {"cola": 1.0, "average": 2.0}}))
    assert scores_in(tmp_path) == {"dev": {"": {"average": 2.0}}}
    assert scores_in(tmp_path / "nothing") is None


def test_a_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    (job,) = jobs_of(ledger.claims(s for s in published.scores() if s.model == "veco-large" and s.task == "xnli"))
    assert job.words(None, tmp_path, resume=True)[-1] == "--resume"
    assert job.words(None, tmp_path, resume=False)[:3] == ["finetune", "--recipe", "veco-large-xnli"]


def test_every_command_is_there_once() -> None:
    jobs = jobs_of(ledger.claims())
    assert len({job.name for job in jobs}) == len({job.way for job in jobs}) == len(jobs)
    assert all(claim.score.comparable for job in jobs for claim in job.claims)


@pytest.mark.parametrize("words", [[], ["xnli", "--all"]])
def test_a_pattern_or_all(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        reproduce.main(words)
    assert stopped.value.code == 2

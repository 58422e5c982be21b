"""zoo compare: runs of one task and data together, others apart, as text, JSON and one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.compare.__main__ import main
from zoo.finetune import kept
from zoo.finetune.kept import Kept

EVIL = "<script>alert(1)</script>"


def run(folder: Path, right: list[bool], task: str = "sst2", digest: str = "0", **options: Any) -> Path:
    """Writes the folder of a finished run that answered so."""
    folder.mkdir(parents=True)
    score = 100 * sum(right) / len(right)
    rows = [
        Kept("dev", str(n), "", "a", "ab"[not ok], ok, values={"accuracy": 100.0 * ok})
        for n, ok in enumerate(right)
    ]
    kept.write(folder / kept.FILE, rows, [len(rows)])
    result = {"rows": len(right), "row": "all", "metric": "accuracy", "value": score}
    record = {
        "format": 1, "status": "finished",
        "config": {"task": task, "model": EVIL, "lr": 1e-5, "out": "x", **options},
        "task": {"labels": ["b", "a"]}, "data": {"dev": {"files": {"dev.tsv": digest}}},
        "results": {"dev": {**result, "scores": {"all": {"accuracy": score}}}},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    lines = [{"kind": "update", "update": n, "loss": 1.0 / n} for n in (1, 2)]
    lines.append({"kind": "evaluation", "update": 2, "scores": {"accuracy": score}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


def test_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = run(tmp_path / "a", [True] * 50 + [False] * 50)
    b = run(tmp_path / "b", [True] * 90 + [False] * 10, lr=3e-5)
    page = tmp_path / "page.html"
    assert main([str(a), str(b), "--out", str(page)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "sst2: accuracy on dev"
    assert said[1].split()[:4] == ["run", "model", "lr", "accuracy"]
    assert said[3].split()[:5] == ["b", EVIL, "3e-05", "90.00", "+40.00"] and said[3].endswith("better")
    text = page.read_text("utf-8")
    assert EVIL not in text and "&lt;script&gt;" in text and text.count("<svg") == 3
    assert "http" not in text and "src=" not in text and "out</th>" not in text
    assert main([str(a), str(b), "--out", str(page)]) == 2, "there is such a file"
    capsys.readouterr()
    assert main([str(a), str(b), "--json"]) == 0
    ((group),) = json.loads(capsys.readouterr().out)
    assert group["runs"][1]["test"]["verdict"] == "better" and group["runs"][1]["options"] == {"lr": 3e-5}
    assert group["runs"][0]["scores"] == {"all": {"accuracy": 50.0}}


def test_other_tasks_and_data_stand_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [
        run(tmp_path / "a", [True, False]),
        run(tmp_path / "b", [True, False], digest="1"),
        run(tmp_path / "c", [True, False], task="rte"),
        run(tmp_path / "d", [True, True]),
    ]
    assert main([str(folder) for folder in folders]) == 0
    said = capsys.readouterr().out
    assert "The runs are of 3 tasks, data sets or splits, so they stand apart." in said
    assert said.count("accuracy on dev") == 3 and said.count("resamples of 2 shared rows") == 1


def test_runs_of_one_kind_are_pooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --pool the runs that differ in their seed alone are one side, with all their answers."""
    a = [run(tmp_path / f"a-{n}", [True] * (50 + n) + [False] * (50 - n), seed=n, trackers="") for n in (1, 3)]
    b = [run(tmp_path / f"b-{n}", [True] * (80 + n) + [False] * (20 - n), seed=n, lr=3e-5) for n in (1, 3)]
    page = tmp_path / "page.html"
    words = [str(folder) for folder in (*a, *b)]
    assert main([*words, "--pool", "--json", "--out", str(page)]) == 0
    ((group),) = json.loads(capsys.readouterr().out)
    one, other = group["runs"]
    assert (one["run"], one["score"], one["seeds"]) == ("a-1 + a-3", 52.0, 2)
    assert one["scores"] == {"all": {"accuracy": 52.0}} and one["deviation"] == pytest.approx(2**0.5)
    assert other["difference"] == 30.0 and other["test"]["seeds"] == [2, 2] and other["test"]["rows"] == 100
    text = page.read_text("utf-8")
    assert "2 and 2 seeds, drawn too" in text and "a-1 + a-3 a-3" in text
    assert main(words) == 0 and "a-3" in capsys.readouterr().out
    assert main([*words, "--pool"]) == 0 and "2 and 2 seeds, drawn too" in capsys.readouterr().out
    again = run(tmp_path / "again", [True] * 51 + [False] * 49, seed=3, trackers="")
    assert main([*words, str(again), "--pool"]) == 2
    assert "'a-3' and 'again' have the seed 3" in capsys.readouterr().err
    assert main([*words, "--seed", "-1"]) == 2 and "seed=-1" in capsys.readouterr().err


def test_without_kept_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of an earlier version is compared, and not tested."""
    a, b = run(tmp_path / "x/run", [True, False]), run(tmp_path / "y/run", [True, True])
    (b / kept.FILE).unlink()
    assert main([str(a), str(b)]) == 0
    said = capsys.readouterr().out
    assert "x/run" in said and "y/run: not tested: no answers were kept" in said and "+50.00" in said


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = run(tmp_path / "a", [True])
    (tmp_path / "empty").mkdir()
    for words, said in (
        ([a], "There is one run"),
        ([a, a], "There is one run"),
        ([a, tmp_path / "empty"], "has no run.json"),
        ([a, tmp_path / "none"], "has no run.json"),
    ):
        assert main([str(word) for word in words]) == 2 and said in capsys.readouterr().err
    unfinished = run(tmp_path / "b", [True])
    record = json.loads((unfinished / "run.json").read_text("utf-8"))
    (unfinished / "run.json").write_text(json.dumps({**record, "status": "running"}), "utf-8")
    assert main([str(a), str(unfinished)]) == 2 and "is not finished" in capsys.readouterr().err

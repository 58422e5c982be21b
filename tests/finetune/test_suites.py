"""GLUE and XTREME in one command: a run for each task, and the average of their rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.places import DATA
from tests.texts import write_bucc
from zoo import tasks
from zoo.finetune import recipes, trackers

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "1", "--batch-size", "4", "--max-length", "16", "--eval-every", "9")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of two tasks."""
    monkeypatch.setitem(recipes.SUITES, "glue", ("sst2", "rte"))


@pytest.fixture
def glue(sst2: Path) -> Path:
    """SST-2 and RTE in the benchmark's folder."""
    folder = sst2.parent / "RTE"
    folder.mkdir()
    header = "index\tsentence1\tsentence2\tlabel\n"
    rows = [f"{n}\ta man {n}\ta dog\t{'entailment' if n % 2 else 'not_entailment'}\n" for n in range(8)]
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text(header + "".join(rows), "utf-8")
    return sst2.parent


def test_suite(two: None, glue: Path, english: Path, tmp_path: Path, finetune: Command) -> None:
    out = tmp_path / "run"
    words = ("--task", "glue", "--model", english, "--data", glue, "--out", out, *QUICK)
    code, said, err = finetune(*words)
    assert code == 0, err
    values = {}
    for task in ("sst2", "rte"):
        record = json.loads((out / task / "run.json").read_text("utf-8"))
        values[task] = record["results"]["dev"]["scores"]["all"]["accuracy"]
    found = json.loads((out / "suite.json").read_text("utf-8"))
    mean = (values["sst2"] + values["rte"]) / 2
    assert found["scores"] == {**values, "average": pytest.approx(mean)}
    assert said.splitlines()[-1].startswith(f"average of glue on dev: ours {mean:.2f}")
    before = (out / "rte" / "run.json").read_bytes()
    code, again, err = finetune(*words, "--resume")  # all of it is finished
    assert (code, again) == (0, said) and (out / "rte" / "run.json").read_bytes() == before
    code, _, err = finetune("--resume", out)
    assert code == 2 and "give their command again, with --resume at its end" in err


def test_several_models(
    two: None, glue: Path, english: Path, tmp_path: Path, finetune: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table of models and tasks, a page for all runs, and one store, where each run has its own name."""
    from tests.finetune.test_experiment import STORES, FakeTracker

    monkeypatch.setitem(trackers.TRACKERS, "aim", FakeTracker)
    STORES.clear()
    shutil.copytree(english, other := tmp_path / "other")
    out = tmp_path / "runs"
    words = ("--task", "glue", "--model", english, other, "--data", glue, "--out", out, "--trackers", "aim")
    code, said, err = finetune(*words, *QUICK)
    assert code == 0, err
    found = json.loads((out / "experiment.json").read_text("utf-8"))
    of_suites = [json.loads((out / f"glue-{name}/suite.json").read_text("utf-8")) for name in ("model", "other")]
    assert found["models"] == {str(m): s["scores"] for m, s in zip((english, other), of_suites, strict=True)}
    lines = said.splitlines()
    assert lines[0] == "each task's number on dev" and lines[1].split() == ["model", "sst2", "rte", "average"]
    assert [name for _, name in STORES] == [
        f"glue-{model}-{task}" for model in ("model", "other") for task in ("sst2", "rte")
    ]
    assert {folder for folder, _ in STORES} == {out / "trackers"}
    page = (out / "compare.html").read_text("utf-8")
    assert "4 runs compared" in page and "other/rte" in page


def test_a_missing_file_is_found_before_the_first_run(
    two: None, glue: Path, english: Path, tmp_path: Path, finetune: Command
) -> None:
    (glue / "RTE" / "dev.tsv").unlink()
    out = tmp_path / "run"
    code, _, err = finetune("--task", "glue", "--model", english, "--data", glue, "--out", out, *QUICK)
    assert code == 1 and "has no 'dev.tsv', which rte needs" in err
    assert not out.exists()


def test_mistakes(finetune: Command) -> None:
    code, _, err = finetune("--task", "glue")
    assert code == 2 and "Say --model" in err
    code, _, err = finetune("--task", "clue", "--model", "m", "--show")
    assert code == 2 and "--show shows one task" in err
    code, _, err = finetune("--recipe", "funnel-small-glue")
    assert code == 2 and "glue is several tasks" in err


def test_every_task_of_a_suite_exists() -> None:
    for names in recipes.SUITES.values():
        for task in map(tasks.find, names):
            assert task.files["test" if task.head == "embedding" else "dev"]


@pytest.fixture
def xtreme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three data sets of XTREME in their official layouts: answers, names of things, translations."""
    members = ("panx", "mlqa", "tydiqa-goldp", "tatoeba", "bucc")
    monkeypatch.setitem(recipes.SUITES, "xtreme", members)
    folder = tmp_path / "xtreme"
    for name in ("MLQA_V1", "tydiqa", "tatoeba", "squad", "panx"):
        shutil.copytree(DATA / name, folder / name)
    write_bucc(folder / "bucc2018", ("de",))
    small = {"tatoeba": ("de", "sw"), "panx": ("en", "de"), "bucc": ("de",)}
    table = {
        name: replace(tasks.find(name), **({"languages": small[name]} if name in small else {})) for name in members
    }
    monkeypatch.setattr(tasks, "_table", lambda: table)
    return folder


def test_xtreme(xtreme: Path, english: Path, tmp_path: Path, finetune: Command) -> None:
    """Each task by its own rule, on test; what the average is without is named in line, table and record."""
    out = tmp_path / "run"
    code, said, err = finetune("--task", "xtreme", "--model", english, "--data", xtreme, "--out", out, *QUICK)
    assert code == 1 and "has no 'test-en.tsv', which panx needs" in err and not out.exists()
    for language in ("en", "de"):  # words alone, as the benchmark gives them out
        text = (xtreme / "panx" / f"dev-{language}.tsv").read_text("utf-8")
        bare = "".join(line.partition("\t")[0] + "\n" for line in text.splitlines())
        (xtreme / "panx" / f"test-{language}.tsv").write_text(bare, "utf-8")
    words = ("--task", "xtreme", "--model", english, "--data", xtreme, "--out", out)
    code, said, err = finetune(*words, "--max-steps", "1", "--batch-size", "4", "--max-length", "64")
    assert code == 0, err
    values = {}
    halves = ("f1", "exact")
    for task, names in {"mlqa": halves, "tydiqa-goldp": halves, "tatoeba": ("x->en",), "bucc": ("f1",)}.items():
        rows = json.loads((out / task / "run.json").read_text("utf-8"))["results"]["test"]["scores"]
        row = rows.get("average") or rows["de"]
        values[task] = sum(row[name] for name in names) / len(names)
    found = json.loads((out / "suite.json").read_text("utf-8"))
    mean = sum(values.values()) / 4
    assert found["scores"] == pytest.approx({**values, "average": mean}) and found["split"] == "test"
    assert set(found["missing"]) == {"panx"} and found["comparisons"] == []
    assert "(f1 + exact) / 2" in said and "x->en" in said
    assert "not in the average: panx (its test split has no gold answers)\n" in said
    assert said.splitlines()[-1].startswith(f"average of xtreme without panx on test: ours {mean:.2f}")

"""Data as people have them: three files of any name, Parquet, rows in memory; and a run that knows its options."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.tiny_models import network
from zoo.errors import InputError, UsageError
from zoo.finetune import given_rows, run, seed_run
from zoo.tasks.file_kinds import kind_of
from zoo.tasks.user_files import files_of

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--max-steps", "2", "--batch-size", "4", "--eval-every", "2", "--max-length", "32")
ROWS = [{"text": f"{'good' if n % 2 else 'bad'} film {n}", "label": "pos" if n % 2 else "neg"} for n in range(24)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one layer, with a vocabulary of letters."""
    return network(tmp_path_factory.mktemp("tiny") / "model", "letters")


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def as_csv(rows: list[dict[str, str]]) -> str:
    return "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows)


def as_jsonl(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_three_files_of_any_name(finetune: Command, evaluate: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "part one.dat").write_text(as_csv(ROWS), "utf-8")
    (tmp_path / "b.jsonl").write_text(as_jsonl(ROWS[:6]), "utf-8")
    (tmp_path / "c.tsv").write_text(as_csv(ROWS[:4]).replace(",", "\t"), "utf-8")
    out = tmp_path / "run"
    files = ("--train_file", tmp_path / "part one.dat", "--dev-file", tmp_path / "b.jsonl")
    words = ("--task", "classification", "--model", tiny, *files, "--test_file", tmp_path / "c.tsv", "--out", out)
    code, _, err = finetune(*words, *QUICK)
    assert code == 0, err
    found = record(out)["data"]
    assert {name: split["examples"] for name, split in found.items()} == {"train": 24, "dev": 6, "test": 4}
    code, said, err = evaluate(out, "--split", "test")
    assert code == 0 and "4 examples" in said, err


def test_a_named_data_set_takes_single_files_too(finetune: Command, tiny: Path, tmp_path: Path) -> None:
    rows = "sentence\tlabel\n" + "".join(f"film {n}\t{n % 2}\n" for n in range(20))
    (tmp_path / "x.tsv").write_text(rows, "utf-8")
    words = ("--task", "sst2", "--model", tiny, "--train_file", tmp_path / "x.tsv", "--out", tmp_path / "run")
    code, _, err = finetune(*words, *QUICK)
    assert code == 0, err
    assert "1 of the 20 training rows, drawn by seed 42, are it" in err
    code, _, err = finetune(*words[:4], "--dev_file", tmp_path / "x.tsv", "--out", tmp_path / "other")
    assert code == 2 and "no file for the split 'train'" in err and "--train_file FILE" in err


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (
            ("reviews_train.csv", "reviews-dev.csv", "notes.md"),
            {"train": "reviews_train.csv", "dev": "reviews-dev.csv"},
        ),
        (("all.csv",), {"train": "all.csv"}),
        (("train.csv.gz", "validation.parquet"), {"train": "train.csv.gz", "dev": "validation.parquet"}),
        (("train.csv", "old_train.csv"), {"train": "train.csv"}),
    ],
)
def test_which_file_of_a_folder_is_which(names: tuple[str, ...], found: dict[str, str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert {split: file.name for split, file in files_of(tmp_path).items()} == found


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"text": "a"}\n', "json"), (b'\n[{"text": "a"}]\n', "json"), (b"text\tlabel\n", "tsv"),
        (b"text;label\n", "csv"), (b"one text\n", "txt"), (b"PAR1...", "parquet"),
    ],
)  # fmt: skip
def test_what_a_file_without_a_known_ending_is(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    assert kind_of(tmp_path / "data") == kind


def test_a_spreadsheet_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(InputError, match="Save a spreadsheet as CSV UTF-8"):
        kind_of(tmp_path / "a.xlsx")


def test_parquet_without_its_library(
    finetune: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "all.parquet").write_bytes(b"PAR1")
    words = (
        "--task",
        "classification",
        "--model",
        tiny,
        "--data",
        tmp_path / "all.parquet",
        "--out",
        tmp_path / "r",
    )
    code, _, err = finetune(*words)
    assert code == 2 and "pip install" in err and "needs pyarrow" in err and not (tmp_path / "r").exists()


def test_parquet_is_read_by_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's interface as version 21 has it; its own files are tried where it is installed."""

    class Batch:
        def to_pylist(self) -> list[dict[str, str]]:
            return ROWS

    class ParquetFile:
        def __init__(self, stream: Any) -> None:
            assert stream.read(4) == b"PAR1"

        def iter_batches(self, batch_size: int) -> list[Batch]:
            return [Batch()]

    library, below = ModuleType("pyarrow"), ModuleType("pyarrow.parquet")
    library.ArrowException, below.ParquetFile = Exception, ParquetFile  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", library)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", below)
    from zoo.tasks.user_tasks import own

    (tmp_path / "all.parquet").write_bytes(b"PAR1")
    task = own("classification", tmp_path / "all.parquet")
    assert [example.text for example in task.read(tmp_path / "all.parquet", "train")] == [r["text"] for r in ROWS]


# --- rows in memory ---


class Frame:
    """What pandas calls a data frame, as far as it is used."""

    columns = ("text", "label")

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return self.rows


class ClassLabel:
    def __init__(self) -> None:
        self.names = ["neg", "pos"]


class Dataset(list[dict[str, Any]]):
    """What `datasets` calls one."""

    @property
    def features(self) -> dict[str, object]:
        return {"text": object(), "label": ClassLabel()}


def test_rows_in_memory(tiny: Path, tmp_path: Path, evaluate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = Dataset({**row, "label": int(row["label"] == "pos")} for row in ROWS[:6])
    out = tmp_path / "run"
    options = {"task": "classification", "model": str(tiny), "out": str(out)}
    options |= {"max_steps": 2, "batch_size": 4, "eval_every": 2, "max_length": 32}
    found = run.finetune(train=Frame(ROWS), dev=numbered, **options)
    assert record(out)["data"]["dev"]["examples"] == 6 and found.scores["dev"]["all"]
    assert (out / "data" / "dev.jsonl").read_text("utf-8").splitlines()[1] == json.dumps(ROWS[1])
    monkeypatch.chdir(tmp_path)
    code, said, err = evaluate("run")
    assert code == 0 and "6 examples" in said, err
    assert run.finetune(resume=out).scores == found.scores
    kept = (out / "data" / "train.jsonl").read_bytes()
    with pytest.raises(UsageError, match="not the rows that the run"):
        run.finetune(train=ROWS[::-1], dev=numbered, resume=True, **options)
    assert (out / "data" / "train.jsonl").read_bytes() == kept


def test_rows_that_make_no_sense_leave_nothing(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = {"task": "classification", "model": str(tiny), "out": str(out)}
    for rows, said in (
        ("train.csv", "train_file='train.csv'"),
        ({"train": ROWS}, "train=..., dev=..."),
        ([("a", "b")], "row 1: .* is not a dict"),
        ([{"text": object(), "label": "a"}], "row 1, 'text': a value of the type object"),
        ([], "train has no rows"),
        ([{"text": "a", "label": "x"}], "has 1 label"),
        (5, "of the type int"),
    ):
        with pytest.raises((InputError, UsageError), match=said):
            run.finetune(train=rows, **options)
        assert not out.exists(), rows
    with pytest.raises(UsageError, match="sst2 is a data set"):
        run.finetune(train=ROWS, **{**options, "task": "sst2"})


def test_values_of_numpy_and_missing_ones() -> None:
    import numpy as np

    row = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": float("nan"), "d": None, "e": {"x": np.int64(3)}}
    assert list(given_rows.rows_of([row], "train")) == [
        {"a": 0.5, "b": [1, 2], "c": None, "d": None, "e": {"x": 3}}
    ]


# --- a run knows its options ---


def test_resume_needs_the_folder_alone(
    finetune: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.csv").write_text(as_csv(ROWS), "utf-8")
    monkeypatch.chdir(tmp_path)
    words = ("--task", "classification", "--model", tiny, "--data", "all.csv", "--out", "run", *QUICK)
    code, first, err = finetune(*words)
    assert code == 0, err
    monkeypatch.chdir("/")
    out = tmp_path / "run"
    code, again, err = finetune("--resume", out)
    assert code == 0 and again.splitlines()[0] == first.splitlines()[0], err
    code, _, err = finetune("--resume", out, "--lr", "0.5")
    assert code == 2 and "has lr=2e-05, not 0.5" in err and "--resume RUN needs nothing else" in err
    code, _, err = finetune("--resume", out, "--batch-size", "4")
    assert code == 0, err
    code, _, err = finetune("--resume", tmp_path / "nowhere")
    assert code == 2 and "no run to go on with" in err
    (tmp_path / "all.csv").write_text(as_csv(ROWS[::-1]), "utf-8")
    code, _, err = finetune("--resume", out)
    assert code == 2 and "all.csv' is not what the run" in err and record(out)["status"] == "finished"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--best", "f2"), "has no metric 'f2'"),
        (("--network", "head=qa"), "has no option 'head'"),
        (("--model", "microsoft/infoxlm-bas/e"), "infoxlm-base"),
        (("--train_file", "nowhere.csv"), "there is no 'nowhere.csv'"),
        (("--train_file", "."), "'.' is a folder"),
        (("--trackers", "aim,nothing"), "nothing"),
    ],
)
def test_mistakes_are_found_before_a_file_is_read(
    more: tuple[str, ...], said: str, finetune: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    for owner, name in ((run, "task_of"), (run, "read_data"), (seed_run, "load_model")):
        monkeypatch.setattr(owner, name, lambda *a: read.append(a))
    (tmp_path / "all.csv").write_text(as_csv(ROWS), "utf-8")
    words = ("--task", "classification", "--model", tiny, "--data", tmp_path / "all.csv", "--out", tmp_path / "run")
    code, _, err = finetune(*words, *more)
    assert code == 2 and said in err, err
    assert not read and not (tmp_path / "run").exists()

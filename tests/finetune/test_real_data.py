"""Rows as the real pandas, datasets and pyarrow give them, where they are installed: the same as plain dicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import network
from zoo.errors import InputError, UsageError
from zoo.finetune import run
from zoo.finetune.given_rows import rows_of
from zoo.tasks.user_tasks import own

ROWS = [{"text": f"{'good' if n % 2 else 'bad'} film {n}", "label": "pos" if n % 2 else "neg"} for n in range(24)]
TAGGED = [{"tokens": ["Ada", "wrote"], "ner_tags": ["B-PER", "O"]}, {"tokens": ["Rome"], "ner_tags": ["B-LOC"]}]
ASKED = [
    {
        "id": "1",
        "question": "Where?",
        "context": "In Rome.",
        "answers": {"text": ["Rome"], "answer_start": [3]},
    }
]
OPTIONS = {"task": "classification", "max_steps": 2, "batch_size": 4, "eval_every": 2, "max_length": 32}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one layer, with a vocabulary of letters."""
    return network(tmp_path_factory.mktemp("tiny") / "model", "letters")


def test_pandas(tiny: Path, tmp_path: Path) -> None:
    """A frame with an index of its own, categories, and its three kinds of missing values."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, index=range(100, 124))
    frame["label"] = frame["label"].astype("category")
    assert list(rows_of(frame, "train")) == ROWS
    odd = pandas.DataFrame({"a": [1.5, None], "b": pandas.array([1, None], dtype="Int64"), "c": ["x", None]})
    odd["d"] = pandas.to_datetime(["2020-01-02", None])
    assert list(rows_of(odd, "train")) == [
        {"a": 1.5, "b": 1, "c": "x", "d": "2020-01-02T00:00:00"},
        {"a": None, "b": None, "c": None, "d": None},
    ]
    assert list(rows_of(pandas.DataFrame(TAGGED), "train")) == TAGGED
    with pytest.raises((InputError, UsageError), match="train"):
        list(rows_of(frame["text"], "train"))
    found = run.finetune(train=frame, dev=frame[:6], model=str(tiny), out=str(tmp_path / "run"), **OPTIONS)
    assert found.scores["dev"]["all"]


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    assert list(rows_of(polars.DataFrame(ROWS), "train")) == ROWS
    assert list(rows_of(polars.DataFrame(TAGGED), "train")) == TAGGED


def test_datasets(tiny: Path, tmp_path: Path) -> None:
    """Classes by their names, in lists too; questions as SQuAD has them; all splits at once are refused."""
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["neg", "pos"])
    numbered = [{**row, "label": names.str2int(row["label"])} for row in ROWS]
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    made = datasets.Dataset.from_list(numbered, features=features)
    assert list(rows_of(made, "train")) == ROWS
    assert list(rows_of(made.to_iterable_dataset(), "train")) == ROWS
    tags = datasets.ClassLabel(names=["O", "B-PER", "B-LOC"])
    tagged = [{**row, "ner_tags": [tags.str2int(tag) for tag in row["ner_tags"]]} for row in TAGGED]
    for kind in (datasets.Sequence, datasets.List):
        features = datasets.Features({"tokens": kind(datasets.Value("string")), "ner_tags": kind(tags)})
        assert list(rows_of(datasets.Dataset.from_list(tagged, features=features), "train")) == TAGGED
    assert list(rows_of(datasets.Dataset.from_list(ASKED), "train")) == ASKED
    whole = datasets.DatasetDict(train=made, test=made)
    with pytest.raises(UsageError, match=r"train=\.\.\., dev=\.\.\."):
        list(rows_of(whole, "train"))
    found = run.finetune(
        train=whole["train"], dev=whole["test"], model=str(tiny), out=str(tmp_path / "run"), **OPTIONS
    )
    assert found.scores["dev"]["all"]
    assert json.loads((tmp_path / "run/data/train.jsonl").read_text("utf-8").splitlines()[1]) == ROWS[1]


@pytest.mark.parametrize(("kind", "rows"), [("classification", ROWS), ("tagging", TAGGED), ("qa", ASKED)])
def test_parquet(kind: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Plain columns, lists and structures; the examples are those of the same rows as JSON lines."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file, lines = tmp_path / "all.parquet", tmp_path / "all.jsonl"
    table = arrow.Table.from_pylist(rows)
    if kind == "classification":
        table = table.set_column(1, "label", table["label"].dictionary_encode())
    parquet.write_table(table, file, row_group_size=5)
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    one, other = own(kind, file), own(kind, lines)
    assert list(one.read(file, "train")) == list(other.read(lines, "train"))


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "all.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(InputError, match=r"all\.parquet"):
        own("classification", tmp_path / "all.parquet")

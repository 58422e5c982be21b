"""Files are found, cut into parts and read part by part; a row that cannot be read takes no other one with it."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.map.small import TEXTS, lines, objects
from zoo.errors import InputError, UsageError
from zoo.map import lines as reading
from zoo.map.columns import find_columns
from zoo.map.inputs import Part, Record, TextFile, find, form_of, open_reader


def read(file: Path, rows: int = 3, order: random.Random | None = None) -> list[Record]:
    """The records of a file, part by part."""
    form = form_of(file)
    parts = list(open_reader(file, form, form.header).cut(rows))
    if order:
        order.shuffle(parts)
    reader = open_reader(file, form, form.header)
    found = [record for part in parts for record in reader.records(part)]
    assert len(found) == sum(part.rows for part in parts)
    return sorted(found, key=lambda record: record.row)


def test_patterns_are_expanded_and_files_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("a/2.txt", "a/1.txt", "b[1].txt", "c.csv"):
        lines(tmp_path / name, ["x"])
    found = find(["a/*.txt", "b[1].txt", "c.csv"])
    assert list(found.values()) == ["a/1.txt", "a/2.txt", "b[1].txt", "c.csv"]
    assert next(iter(found)) == tmp_path / "a/1.txt"
    with pytest.raises(UsageError, match="is named twice"):
        find(["c.csv", str(tmp_path / "c.csv")])
    with pytest.raises(InputError, match=r"No file is called 'd\*\.txt'"):
        find(["d*.txt"])
    with pytest.raises(InputError, match=r"There is no file 'd\.txt'"):
        find(["d.txt"])


@pytest.mark.parametrize("name", ["a.json", "a.docx", "a", "a.parquet.gz"])
def test_other_kinds_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="of no kind that is read here"):
        find([str(lines(tmp_path / name, ["x"]))])


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_lines_in_parts_of_any_order(tmp_path: Path, name: str) -> None:
    file = lines(tmp_path / name, ["one", "", "  ", *TEXTS, ""])
    for order in (None, random.Random(3)):
        found = read(file, 4, order)
        assert [record.values["text"] for record in found] == ["one", *TEXTS]
        assert [record.row for record in found][:3] == [1, 4, 5]


def test_a_table_with_line_ends_in_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes('\ufeffnumber;body\n1;"two\nlines"\n\n2;plain\r\n3;"a ""quote"";"\n'.encode())
    found = read(file, 1, random.Random(1))
    assert [(r.row, r.values["body"]) for r in found] == [(2, "two\nlines"), (5, "plain"), (6, 'a "quote";')]


def test_wrong_rows_of_a_table(tmp_path: Path) -> None:
    """A quote that is not closed costs its own row only."""
    file = tmp_path / "a.csv"
    file.write_bytes(b'text,n\ngood,1\n"open,2\nfine,3\n\xff,4\nthree,5,6\n"a"b,7\nlast,8\n')
    found = read(file, 2)
    assert [r.values["text"] for r in found if not r.reason] == ["good", "fine", "last"]
    reasons = {r.row: r.reason for r in found if r.reason}
    assert list(reasons) == [3, 5, 6, 7]
    assert "UTF-8" in reasons[5] and reasons[6] == "3 columns where 2 were expected"


def test_a_long_row_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_RECORD_BYTES", 50)
    file = lines(tmp_path / "a.csv", ["text,n", "a,1", f"{'long' * 100},2", "b,3", '"open,4', *["c,5"] * 30])
    found = read(file)
    assert [r.row for r in found if r.reason] == [3, 5]
    assert [r.values["text"] for r in found if not r.reason] == ["a", "b", *["c"] * 30]


def test_json_lines(tmp_path: Path) -> None:
    file = lines(
        tmp_path / "a.jsonl", ['{"text": "a"}', "", '{"text": "b", "n": NaN}', "[1]", "{", '{"n": "\\ud800"}']
    )
    found = read(file)
    assert [r.row for r in found if r.reason] == [3, 4, 5, 6]
    assert found[0].values == {"text": "a"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a,a\n1,2\n", "two columns 'a'"),
        ("a.csv", b"\xff\n", "cannot be read"),
        ("a.jsonl", b"\n", "is empty"),
        ("a.jsonl", b'"text"\n', "is not an object"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 999, mtime=0)[:-12], "cannot be read"),
        ("a.txt.gz", gzip.compress(b"a\n" * 999, mtime=0)[:-12], "cannot be read behind line"),
        ("a.txt.gz", gzip.compress(b"a\n" * 999, mtime=0)[:20] + b"x" * 40, "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((InputError, UsageError), match=message):
        read(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from('ab",\n'), max_size=9), max_size=12), st.integers(1, 5))
def test_parts_are_the_whole(tmp_path_factory: pytest.TempPathFactory, pieces: list[str], rows: int) -> None:
    """However broken a table is, its parts have the records that reading it at once has."""
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    file.write_text("x,y\n1,2\n" + "\n".join(pieces), "utf-8")
    form = form_of(file)
    whole = list(TextFile(file, form).cut(10**6))
    parts = list(TextFile(file, form).cut(rows))
    assert sum(part.rows for part in parts) == sum(part.rows for part in whole)
    reader = TextFile(file, form)
    assert [r for p in reversed(parts) for r in reversed(list(reader.records(p)))] == [
        r for p in whole for r in reversed(list(reader.records(p)))
    ]


# --- which column is what ---


def test_columns_by_name_and_as_given() -> None:
    assert find_columns("a", ["n", "Body", "Sentence"], "embeddings", {}) == {"text": "Sentence"}
    assert find_columns("a", ["n", "body"], "embeddings", {"text": "body"}) == {"text": "body"}
    assert find_columns("a", ["whatever"], "ner", {}) == {"text": "whatever"}
    pairs = find_columns("a", ["sentence2", "sentence1"], "classification", {})
    assert list(pairs.items()) == [("text", "sentence1"), ("pair", "sentence2")]
    assert find_columns("a", ["context", "question"], "qa", {}) == {"question": "question", "context": "context"}


@pytest.mark.parametrize(
    ("header", "task", "columns", "message"),
    [
        (["a", "b"], "embeddings", {}, "Which column of 'f' is the text. It has: a, b"),
        (["a", "b"], "embeddings", {"text": "c"}, "no column 'c' for text"),
        (["a", "b"], "embeddings", {"pair": "a"}, "embeddings has no column 'pair'"),
        (["a"], "qa", {}, "is the question and which the context"),
        (["a"], "certainty", {}, "are in no columns"),
    ],
)
def test_columns_that_are_not_found(header: list[str], task: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_columns("f", header, task, columns)


def test_a_table_without_a_header(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.tsv", ["7\tgood", "8\tbad"])
    form = form_of(file, ["2"])
    reader = open_reader(file, form, form.header)
    assert [r.values["2"] for r in reader.records(Part(0, 1, 2))] == ["good", "bad"]
    assert [part.rows for part in reader.cut(9)] == [2]


# --- parquet ---


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = tmp_path / "a.parquet"
    table = pyarrow.table({"text": TEXTS, "n": list(range(len(TEXTS)))})
    parquet.write_table(table, file, row_group_size=5)
    for order in (None, random.Random(2)):
        found = read(file, 4, order)
        assert [(r.row, r.values["n"], r.values["text"]) for r in found] == [
            (n + 1, n, text) for n, text in enumerate(TEXTS)
        ]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read as parquet"):
        form_of(file)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match="Parquet needs the package pyarrow") as caught:
        form_of(objects(tmp_path / "a.parquet", [{}]))
    assert "parquet" in caught.value.hint or "pyarrow" in caught.value.hint

"""A user's tables: labels by value, test sets without gold, arrays, files without a header, one file alone."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from zoo import tasks
from zoo.errors import InputError, UsageError, ZooError
from zoo.tasks.user_tasks import own

ROWS = [("good film", "pos"), ("bad film", "neg"), ("so, so", "pos"), ("no fun", "neg")]


def labels(task: Any, folder: Path, split: str) -> list[Any]:
    return [example.label for example in task.read(folder, split)]


def csv_of(rows: list[tuple[str, ...]], sign: str = ",") -> str:
    return "".join(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) + "\n" for row in rows)


def test_spaces_around_a_label_are_none_of_it(tmp_path: Path) -> None:
    rows = [("text", " label "), ("a", "pos"), ("b", " pos"), ("c", "pos "), ("d", "neg\u3000"), ("e", "\u00a0neg")]
    (tmp_path / "train.csv").write_text(csv_of([*rows, ("f", "ne\u0301")]), "utf-8")
    (tmp_path / "dev.jsonl").write_text(
        '{"text": "a", "label": " pos\\n"}\n{"text": "a", "label": "n\u00e9"}', "utf-8"
    )
    task: Any = own("classification", tmp_path)
    assert task.labels == ("neg", "n\u00e9", "pos")
    assert labels(task, tmp_path, "train") == ["pos", "pos", "pos", "neg", "neg", "n\u00e9"]
    assert labels(task, tmp_path, "dev") == ["pos", "n\u00e9"]


@pytest.mark.parametrize(
    ("train", "dev", "names"),
    [
        (["1.0", "0.0", "1"], ["1", "0"], ("0", "1")),
        (["1", "0", "1"], ["1.0", "0.00"], ("0", "1")),
        (["10", "9", "1.0"], ["9.0", "1"], ("1", "9", "10")),
        (["1.5", "2.0", "2"], ["2"], ("1.5", "2")),
        (["True", "false", "FALSE"], ["true", "False"], ("false", "true")),
        (["-1", "1", "-1.0"], ["-1"], ("-1", "1")),
    ],
)
def test_one_class_by_its_value(train: list[str], dev: list[str], names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"x,{v}\n" for v in train), "utf-8")
    rows = [{"text": "x", "label": json.loads(value.lower())} for value in dev]
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    task: Any = own("classification", tmp_path)
    assert task.labels == names
    assert set(labels(task, tmp_path, "dev")) <= set(names)


def test_named_data_sets_take_labels_by_value_too(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\na\t1.0\nb\t 0 \n", "utf-8")
    assert labels(tasks.find("sst2"), tmp_path, "dev") == ["positive", "negative"]


@pytest.mark.parametrize("value", ["-1", "-1.0", "", " "])
def test_a_test_set_without_gold(value: str, tmp_path: Path) -> None:
    for split, label in (("train", "1"), ("test", value)):
        (tmp_path / f"{split}.csv").write_text(f"text,label\nx,{label}\ny,{value if split == 'test' else 0}\n")
    assert labels(own("classification", tmp_path), tmp_path, "test") == [None, None]
    assert labels(own("regression", tmp_path), tmp_path, "test") == [None, None]
    (tmp_path / "test.tsv").write_text(f"index\tsentence\tlabel\n0\ta\t{value}\n", "utf-8")
    assert labels(tasks.find("sst2"), tmp_path / "test.tsv", "test") == [None]
    (tmp_path / "sts.tsv").write_text(f"index\tsentence1\tsentence2\tscore\n0\ta\tb\t{value}\n", "utf-8")
    assert labels(tasks.find("stsb"), tmp_path / "sts.tsv", "test") == [None]


def test_a_real_minus_one_stays(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,score\nx,-1\ny,0.5\nz,-0.5\n")
    (tmp_path / "test.csv").write_text("text,score\nx,-1\ny,0.5\n")
    assert labels(own("regression", tmp_path), tmp_path, "test") == [-1.0, 0.5]
    (tmp_path / "train.csv").write_text("text,label\nx,-1\ny,1\n")
    (tmp_path / "test.csv").write_text("text,label\nx,-1\ny,1\n")
    assert labels(own("classification", tmp_path), tmp_path, "test") == ["-1", "1"]
    with pytest.raises(InputError, match="the label '-1' is none of sst2"):  # a development set must have gold
        (tmp_path / "dev.tsv").write_text("sentence\tlabel\nx\t-1\n")
        labels(tasks.find("sst2"), tmp_path, "dev")


def test_what_counts_as_gold(tmp_path: Path) -> None:
    from zoo.finetune.judgement import with_gold
    from zoo.tasks.classification import TextExample

    def kept(*values: Any) -> list[Any]:
        return [e.label for e in with_gold([TextExample("1", "x", None, value) for value in values])]

    assert kept("a", None, "b") == ["a", "b"] and kept(None, None) == []
    assert kept(-1.0, -1.0) == [] and kept("-1", "-1") == []
    assert kept(-1.0, 1.0) == [-1.0, 1.0]


def test_rows_without_gold_beside_others_become_features(tmp_path: Path) -> None:
    """The first thousand rows have labels, a later one has none."""
    from tests import vocabularies
    from zoo.tokenization import load_tokenizer

    rows = "".join(f"a\t{n % 2}\n" for n in range(1200)) + "a\t-1\n"
    (tmp_path / "test.tsv").write_text("sentence\tlabel\n" + rows, "utf-8")
    task: Any = tasks.find("sst2")
    small = load_tokenizer(vocabularies.letters(tmp_path / "small"), "wordpiece")
    features = task.features(task.read(tmp_path, "test"), small)
    assert len(features) == 1201 and "labels" not in features.columns


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["train.json", "train.jsonl"])
def test_one_array(indent: int | None, name: str, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in ROWS]
    (tmp_path / name).write_text(json.dumps(rows, indent=indent), "utf-8")
    task: Any = own("classification", tmp_path)
    assert [(e.text, e.label) for e in task.read(tmp_path, "train")] == ROWS
    (tmp_path / name).write_text(json.dumps([list(row) for row in ROWS], indent=indent), "utf-8")
    task = own("classification", tmp_path, columns={"text": "1", "label": "2"})
    assert [(e.text, e.label) for e in task.read(tmp_path, "train")] == ROWS


@pytest.mark.parametrize(
    ("name", "sign"), [("csv", ","), ("csv", ";"), ("csv", "\t"), ("csv", "|"), ("tsv", "\t"), ("txt", "\t")]
)
def test_files_without_a_header(name: str, sign: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f"train.{name}").write_text(csv_of([("7", *row) for row in ROWS], sign), "utf-8")
    (tmp_path / f"test.{name}").write_text(csv_of([("8", "new")], sign), "utf-8")
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("classification", tmp_path, columns={"text": "2", "label": "3"})
    task = tasks.from_dict(json.loads(json.dumps(task.to_dict())))
    assert [(e.text, e.label) for e in task.read(tmp_path, "train")] == ROWS
    assert [(e.text, e.label) for e in task.read(tmp_path, "test")] == [("new", None)]
    assert "columns: text = 2, label = 3 (not used: 1)" in caplog.text


def test_what_is_said_of_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(csv_of([("7", *row) for row in ROWS]), "utf-8")
    with pytest.raises(UsageError) as caught:
        own("classification", tmp_path)
    assert "--columns text=1,label=2" in caught.value.hint and "good film" not in caught.value.hint
    with pytest.raises(UsageError, match="has no column 'stars' for label"):
        own("classification", tmp_path, columns={"text": "1", "label": "stars"})
    with pytest.raises(UsageError, match="has no column '9' for label"):
        own("classification", tmp_path, columns={"text": "1", "label": "9"})


@pytest.mark.parametrize(("sign", "word"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_the_line_about_the_data(sign: str, word: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train.csv").write_text(
        csv_of([("id", "review", "stars"), *(("7", *r) for r in ROWS)], sign), "utf-8"
    )
    (tmp_path / "dev.csv").write_text(csv_of([("review", "stars"), *ROWS], sign), "utf-8")
    with caplog.at_level(logging.INFO, "zoo"):
        own("classification", tmp_path, columns={"label": "stars"})
    [line] = [r.getMessage() for r in caplog.records]
    assert line == (
        "labels: 2 (neg, pos); columns: label = 'stars', text = 'review' (not used: id); "
        f"separator: {word}; splits: train = train.csv, dev = dev.csv."
    )


def test_the_separator_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text;more,label;x\na;b,pos;x\nc;d,neg;x\n", "utf-8")
    with pytest.raises(UsageError, match="It has: text;more, label;x"):
        own("classification", tmp_path)
    task: Any = own(
        "classification", tmp_path, columns={"separator": "semicolon", "text": "text", "label": "more,label"}
    )
    assert labels(task, tmp_path, "train") == ["b,pos", "d,neg"]
    with pytest.raises(UsageError, match="There is no separator 'dash'"):
        own("classification", tmp_path, columns={"separator": "dash"})


def test_one_file_is_the_training_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "all.csv"
    file.write_text(csv_of([("text", "label"), *ROWS]), "utf-8")
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("classification", file)
    assert dict(task.files) == {"train": str(file)}
    assert "splits: train = all.csv, dev = one in 20 rows of train, drawn by the seed" in caplog.text


def test_files_of_different_forms(tmp_path: Path) -> None:
    """Each file is read as its own name says."""
    (tmp_path / "train.csv").write_text(csv_of([("text", "label"), *ROWS]), "utf-8")
    (tmp_path / "dev.json").write_text(json.dumps([{"text": t, "label": v} for t, v in ROWS]), "utf-8")
    (tmp_path / "test.tsv").write_text("label\ttext\npos\tso, so\n", "utf-8")
    task: Any = own("classification", tmp_path)
    assert [(e.text, e.label) for e in task.read(tmp_path, "dev")] == ROWS
    assert [(e.text, e.label) for e in task.read(tmp_path, "test")] == [("so, so", "pos")]


def test_a_test_set_of_questions_without_answers(tmp_path: Path) -> None:
    question = {"id": "1", "question": "where?", "answers": []}
    document = {"data": [{"paragraphs": [{"context": "in york", "qas": [question]}]}]}
    (tmp_path / "test.json").write_text(json.dumps(document), "utf-8")
    [example] = tasks.find("squad").read(tmp_path / "test.json", "test")
    assert example.answers is None  # type: ignore[attr-defined]


GOOD = {  # kind -> file -> content
    "classification": {
        "train.csv": "text,label\na,1\nb,0\n",
        "train.json": '[{"text": "a", "label": 1}, {"text": "b", "label": 0}]',
        "train.jsonl": '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n',
        "train.tsv": "text\tlabel\na\tx\nb\ty\n",
    },
    "regression": {"train.csv": "text;score\na;1.5\nb;2\n", "train.json": '[["a", 1], ["b", 2.5]]'},
    "tagging": {
        "train.conll": "# c\na B-X\nb I-X\n\nc O\n",
        "train.csv": "word,tag\na,B-X\nb,O\n",
        "train.txt": "a\tN\tX-B\nb\tV\tO\n",
        "train.json": '[{"words": ["a"], "tags": ["B-X"]}]',
        "train.conllu": "# c\n1\ta\ta\tN\n2\tb\tb\tV\n",
    },
    "qa": {"train.json": '[{"question": "q", "context": "a b", "answers": "b"}]'},
    "text2text": {"train.csv": "source,target\na,b\nc,d\n"},
}
CASES = [(kind, name, content) for kind, files in GOOD.items() for name, content in files.items()]
PIECES = [b"", b"\t", b"\n\n", b'"', b"{", b"]", b",", b"null", b"1e999", b"\xff", b"\x00", b"\r", b"#", b"-1",
          b" ", b"\x1f\x8b", b"NaN", b"[" * 5000, "\u2028".encode(), b"\\ud800", b"9" * 5000, b";", b"|",
          b"-DOCSTART-"]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "content"), CASES)
def test_a_mangled_file_is_read_or_refused(kind: str, name: str, content: str, tmp_path: Path) -> None:
    """Whatever is put anywhere into a good file: one sentence that names it, never a library's error."""
    columns = {"text": "1", "label": "2"} if name.endswith("json") and kind == "regression" else {}
    file = tmp_path / name
    file.write_text(content, "utf-8")
    assert list(own(kind, tmp_path, columns=columns).read(tmp_path, "train"))
    raw = content.encode()
    for n, piece in enumerate(PIECES):
        for place in range(n % 3, len(raw) + 1, 3):
            file.write_bytes(raw[:place] + piece + raw[place + n % 2 :])
            try:
                task = own(kind, tmp_path, columns=columns)
                list(task.read(tmp_path, "train"))
                list(task.read(file, "test"))
            except ZooError as error:
                assert error.message.isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"text,label\n", b"\xff\xfet\x00", b"[]", b"{}", b"3", b"[1, 2]", b"text,text\na,b\n"]
)
@pytest.mark.parametrize("name", ["train.csv", "train.json", "train.tsv", "train.jsonl"])
def test_files_of_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for kind in GOOD:
        if kind == "tagging" and content[:1] in (b"t", b"[") and name[-3:] in ("csv", "tsv"):
            continue  # a word and a tag
        with pytest.raises(ZooError):
            list(own(kind, tmp_path).read(tmp_path, "train"))


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.csv")
    with pytest.raises(InputError, match="is not a regular file"):
        own("classification", tmp_path)
    with pytest.raises(InputError, match="is not a regular file"):
        list(tasks.find("sst2").read(tmp_path / "train.csv", "dev"))
    with pytest.raises(InputError, match="There is no folder or file"):
        own("classification", tmp_path / "none")


def test_what_a_file_says_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\x1b[31m,label\x1b[31m\na,b,c\n", "utf-8")
    with pytest.raises(ZooError) as caught:
        own("classification", tmp_path)
    assert "\x1b" not in str(caught.value)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\na\t\x1b[31m\u202e\n", "utf-8")
    with pytest.raises(InputError) as caught:
        list(tasks.find("sst2").read(tmp_path, "dev"))
    assert "\x1b" not in str(caught.value) and "\u202e" not in str(caught.value)

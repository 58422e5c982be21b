"""Files of words and tags, and plain texts to be tagged: separators, columns, comments, arrays."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.test_tags import IOB2, SCHEMES, WORDS, conll, write
from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.tasks.user_tasks import own

# --- files ---


def test_comments_are_no_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["# text = anna", "#another comment here", "# id", "anna\tB-PER", "#\tO", "#york\tB-LOC", "",
             "# sent 2", "-DOCSTART-\tO", "", "bob\tB-PER", "# in between", "is\tO"]  # fmt: skip
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("tagging", write(tmp_path, lines))
    assert "comments: 5 lines" in caplog.text
    first, second = task.read(tmp_path, "train")
    assert (first.words, first.tags) == (("anna", "#", "#york"), ("B-PER", "O", "B-LOC"))
    assert (second.words, second.tags) == (("bob", "is"), ("B-PER", "O"))
    write(tmp_path, [line.replace("\t", " ") for line in lines])
    assert [e.words for e in own("tagging", tmp_path).read(tmp_path, "train")] == [first.words, second.words]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("sign", "name"),
    [("\t", "tab"), (" ", "space"), ("\t\t", "tab"), ("   ", "spaces"), (" \t ", "tab"), ("  \t", "tab")],
)
def test_separators(sign: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("tagging", write(tmp_path, conll(SCHEMES["IOB2"], sign)))
    [example] = task.read(tmp_path, "train")
    assert [w.strip() for w in example.words] == WORDS and list(example.tags) == IOB2
    assert f"separator: {name}" in caplog.text


def test_columns_lined_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Several spaces, or several tabs, so that columns stand below each other."""
    rows = [(word, "NN", tag) for word, tag in zip(WORDS, IOB2, strict=True)]
    for lines, name in (
        ([f"{a:<8}{b:<5}{c}" for a, b, c in rows], "spaces"),
        ([f"{a}{chr(9) * (1 + (len(a) < 4))}{b}\t{c}" for a, b, c in rows], "tabs"),
        ([f"{a}\t{b}\t{c}" if n % 2 else f"{a}  {b} {c}" for n, (a, b, c) in enumerate(rows)], "blanks"),
    ):
        caplog.clear()
        with caplog.at_level(logging.INFO, "zoo"):
            task: Any = own("tagging", write(tmp_path, lines))
        [example] = task.read(tmp_path, "train")
        assert (list(example.words), list(example.tags)) == (WORDS, IOB2)
        assert f"columns: words = 1, tags = 3 of 3; separator: {name}" in caplog.text


def test_columns_and_separator_can_be_said(tmp_path: Path) -> None:
    lines = [f"{n}\t{word} x\tX\t{tag}" for n, (word, tag) in enumerate(zip(WORDS, IOB2, strict=True))]
    folder = write(tmp_path, lines)
    task: Any = own("tagging", folder, columns={"words": "2", "tags": "3"})
    [example] = task.read(folder, "train")
    assert example.words[0] == "anna x" and set(example.tags) == {"X"}
    task = own("tagging", folder, columns={"separator": "blanks", "words": "2"})
    [example] = task.read(folder, "train")
    assert (list(example.words), list(example.tags)) == (WORDS, IOB2)
    with pytest.raises(UsageError, match="has no column '9' for the tags: it has 4 columns"):
        own("tagging", folder, columns={"tags": "9", "separator": "tab", "words": "1"}).read(folder, "train")
    with pytest.raises(UsageError, match="no separator 'dash'"):
        own("tagging", folder, columns={"separator": "dash"})


def test_a_csv_of_words_and_tags(tmp_path: Path) -> None:
    lines = ["id,word,tag", "1,anna,B-PER", '2,",",O', "", "3,bob, B-PER"]
    task: Any = own("tagging", write(tmp_path, lines, "train.csv"))
    first, second = task.read(tmp_path, "train")
    assert (first.words, first.tags, second.words, second.tags) == (
        ("anna", ","),
        ("B-PER", "O"),
        ("bob",),
        ("B-PER",),
    )
    task = own("tagging", write(tmp_path, ["anna;B-PER", "is;O"], "train.csv"))
    assert [e.words for e in task.read(tmp_path, "train")] == [("anna", "is")]


def test_conll_u(tmp_path: Path) -> None:
    lines = ["# sent_id = 1", "# text = Vamos al mar", "1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_",
             "2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_", "2\ta\ta\tADP\t_\t_\t4\tcase\t_\t_",
             "3\tel\tel\tDET\t_\t_\t4\tdet\t_\t_", "4\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_"]  # fmt: skip
    task: Any = own("tagging", write(tmp_path, lines, "train.conllu"))
    [example] = task.read(tmp_path, "train")
    assert (example.words, example.tags) == (("Vamos", "a", "el", "mar"), ("VERB", "ADP", "DET", "NOUN"))


def test_a_line_of_other_columns_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, [*conll(SCHEMES["IOB2"]), "odd"])
    with pytest.raises(InputError, match=r"line 9: 1 columns where 2 were expected: 'odd'"):
        own("tagging", folder)
    folder = write(tmp_path, conll(SCHEMES["IOB1"]))
    write(folder, ["anna\tPERSON"], "dev.conll")
    with pytest.raises(InputError, match=r"dev.conll', line 1: the tag 'PERSON' of 'anna' is none of IOB1"):
        list(own("tagging", folder).read(folder, "dev"))


def test_tags_in_one_array(tmp_path: Path) -> None:
    rows = [{"tokens": WORDS, "ner_tags": SCHEMES["IOB1"].split()}]
    (tmp_path / "train.json").write_text(json.dumps(rows, indent=1), "utf-8")
    task: Any = own("tagging", tmp_path)
    [example] = task.read(tmp_path, "train")
    assert task.file_scheme == "IOB1" and list(example.tags) == IOB2


# --- plain text ---


@pytest.mark.parametrize("name", ["new.txt", "new"])
def test_plain_lines_are_cut_as_the_model_was_trained(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task: Any = own("tagging", write(tmp_path, conll(SCHEMES["IOB2"])))
    file = tmp_path / name
    file.write_text("Anna lives in York.\n\nBob (in Rome) too\n", "utf-8")
    with caplog.at_level(logging.INFO, "zoo"):
        first, second = task.read(file, "test")
    assert "plain text, each line cut into words" in caplog.text
    assert first.words == ("Anna", "lives", "in", "York", ".") and first.tags is None
    assert second.words == ("Bob", "(", "in", "Rome", ")", "too")
    characters: Any = own("tagging", write(tmp_path, ["小\tB-PER", "明\tI-PER", "在\tO"]))
    file.write_text("小明在 2 北京。\n他\n", "utf-8")
    first, second = characters.read(file, "test")
    assert first.words == tuple("小明在2北京。") and second.words == ("他",)
    named: Any = tasks.find("peoples-daily")
    assert [e.words for e in named.read(file, "test")] == [first.words, second.words]
    cluener: Any = tasks.find("cluener")
    [example, _] = cluener.read(file, "test")
    assert example.words == tuple("小明在 2 北京。")  # its answers are places in the text


def test_a_text_whose_last_word_looks_like_a_tag(tmp_path: Path) -> None:
    task: Any = own("tagging", write(tmp_path, conll(SCHEMES["IOE2"])))
    file = tmp_path / "new.txt"
    file.write_text("anna has blood of type O\nbob too\nbob drove\n", "utf-8")
    assert len(list(task.read(file, "test"))) == 3
    file.write_text("anna E-PER\nbob E-PER\n", "utf-8")
    assert [e.words for e in task.read(file, "test")] == [("anna", "bob")]


def test_words_line_by_line_stay_words(tmp_path: Path) -> None:
    task: Any = own("tagging", write(tmp_path, conll(SCHEMES["IOB2"])))
    file = tmp_path / "new.txt"
    file.write_text("Anna\nlives\n\nBob\n", "utf-8")
    assert [e.words for e in task.read(file, "test")] == [("Anna", "lives"), ("Bob",)]
    file.write_text("Anna B-PER\nlives O\n\nBob B-PER\n", "utf-8")
    assert [e.tags for e in task.read(file, "test")] == [("B-PER", "O"), ("B-PER",)]
    characters: Any = tasks.find("peoples-daily")
    file.write_text("小\n明\n\n他\n", "utf-8")
    assert [e.words for e in characters.read(file, "test")] == [("小", "明"), ("他",)]

"""Parts of speech of Universal Dependencies, read as XTREME prepares them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.places import DATA
from zoo import tasks
from zoo.errors import InputError
from zoo.tasks.tagging import TaggedExample
from zoo.tokenization import Tokenizer

TREEBANKS = DATA / "ud-treebanks-v2.5"


def test_parts_of_speech_of_all_treebanks_of_a_language() -> None:
    """Two treebanks are one training set; a test set without its words is left out."""
    task = tasks.find("udpos")
    found = [e.id for e in task.read(TREEBANKS, "train")]
    assert found == ["t1", "t2", "t3", "t4", "s1", "s2"]
    assert [e.id for e in task.read(TREEBANKS, "test", ["en"])] == ["e1", "e2"]
    [dutch] = [error for error in [_error(task, "nl")] if error]
    assert "has no '*/nl_*-ud-test.conllu', which udpos needs" in dutch


@pytest.mark.parametrize("pattern", ["/*", "**.conllu", "*\0"])
def test_patterns_that_name_no_file(pattern: str) -> None:
    task = replace(tasks.find("udpos"), files={"test": pattern})
    with pytest.raises(InputError, match="which udpos needs"):
        list(task.read(TREEBANKS, "test", ["en"]))


def _error(task: Any, language: str) -> str:
    with pytest.raises(InputError) as found:
        list(task.read(TREEBANKS, "test", [language]))
    return str(found.value)


def test_divided_words_are_whole_again() -> None:
    """The tag is that of the part nearest to the root, of equals the one that ranks first; empty nodes go."""
    first, second = tasks.find("udpos").read(TREEBANKS, "test", ["it"])
    assert first.words == ("Anna", "parla", "della", "macina", ".")
    assert first.tags == ("PROPN", "VERB", "ADP", "NOUN", "PUNCT")
    assert second.words == ("Vendendola", "rise", ".") and second.tags == ("VERB", "VERB", "PUNCT")


def test_spaces_and_joiners_inside_of_words_go() -> None:
    persian, vietnamese = tasks.find("udpos").read(TREEBANKS, "test", ["fa", "vi"])
    assert persian.words[1] == "میچرخد" and vietnamese.words[0] == "Cốixay"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1\tmill\tNOUN\n", "line 1: 3 columns where 10 were expected"),
        ("2\tmill\t_\tNOUN\t_\t_\t0\t_\t_\t_\n", "line 1: the word's number '2' does not follow"),
        ("1\tmill\t_\tNOUM\t_\t_\t0\t_\t_\t_\n", "line 1: the tag 'NOUM' of 'mill' is none of udpos"),
        ("1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\t_\tADP\t_\t_\t0\t_\t_\t_\n", ""),
        ("1\tmill\t_\tNOUN\t_\t_\t1\t_\t_\t_\n", ""),  # a word above itself
    ],
)
def test_damaged_treebanks(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "en_own-ud-train.conllu"
    file.write_text(lines, "utf-8")
    if not said:
        assert len(list(tasks.find("udpos").read(file, "train"))) == 1
        return
    with pytest.raises(InputError, match=said):
        list(tasks.find("udpos").read(file, "train"))


def test_long_sentences_of_a_treebank_are_split_and_never_cut(tokenizers: dict[str, Tokenizer]) -> None:
    task: Any = tasks.find("udpos")
    example = TaggedExample("1", ("mill",) * 90, ("NOUN",) * 90, language="en")
    features = task.features([example], tokenizers["en"], max_length=32)
    assert len(features) == 3 and not features.lost
    assert int((features.columns["labels"].values >= 0).sum()) == 90
    assert task.max_length == 128

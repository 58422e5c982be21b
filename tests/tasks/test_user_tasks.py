"""A user's own files: formats, guessed columns, labels, schemes; a perfect network scores 100 on each."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.oracle import outputs_of
from zoo import tasks
from zoo.errors import InputError, UsageError
from zoo.tasks import Task
from zoo.tasks.classification import Classification
from zoo.tasks.qa import QA
from zoo.tasks.tagging import Tagging
from zoo.tasks.text2text import Text2Text
from zoo.tasks.user_tasks import own
from zoo.tokenization import Tokenizer
from zoo.tokenization.writing import WritingTokenizer


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        stem, _, suffix = name.partition("_")
        (folder / f"{stem}.{suffix}").write_text(content, "utf-8")
    return folder


def check(task: Task, folder: Path, tokenizer: Tokenizer, split: str = "train") -> list[Any]:
    """Reads, scores a perfect network, and goes through the description that is saved beside a checkpoint."""
    task = tasks.from_dict(json.loads(json.dumps(task.to_dict())))
    examples = list(task.read(folder, split))
    features = task.features(examples, tokenizer)
    predictions = task.predictions(outputs_of(task, features), features, examples)
    assert task.score(predictions, examples).value == pytest.approx(100)
    assert task.write_predictions(folder, predictions, examples, split, replace=True).read_text("utf-8")
    return examples


CSV = 'review,stars\n"good, very good\nindeed",5\nbad,1\n"say ""so""",5\n'


def test_csv_with_quotes(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path, train_csv=CSV, test_csv="review\nfun\n")
    with caplog.at_level(logging.INFO, "zoo"):
        task = own("classification", folder, columns={"label": "stars"})
    assert "text = 'review'" in caplog.text and "label = 'stars'" in caplog.text
    assert isinstance(task, Classification) and task.labels == ("1", "5")
    examples = check(task, folder, tokenizers["en"])
    assert [e.text for e in examples] == ["good, very good\nindeed", "bad", 'say "so"']
    assert [e.label for e in task.read(folder, "test")] == [None]  # type: ignore[attr-defined]


def test_pairs_in_json_lines(tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    rows = [{"premise": "a b", "hypothesis": "c", "label": label} for label in ("yes", "no", "maybe")]
    folder = write(tmp_path, train_jsonl="\n".join(map(json.dumps, rows)))
    task = own("classification", folder)
    assert isinstance(task, Classification)
    assert (task.text, task.pair, task.labels) == ("premise", "hypothesis", ("maybe", "no", "yes"))
    check(task, folder, tokenizers["en"])


def test_regression_with_semicolons(tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    folder = write(tmp_path, train_csv="text;score\ngood, good;4.5\nbad;-1\nso;0\n")
    task = own("regression", folder)
    assert [e.label for e in check(task, folder, tokenizers["en"])] == [4.5, -1.0, 0.0]


@pytest.mark.parametrize(
    ("tags", "scheme", "metric"),
    [
        ("B-X I-X O B-Y", "IOB2", "f1-lenient"),
        ("B-X E-X O S-Y", "IOBES", "f1-lenient"),
        ("B-X L-X O U-Y", "BILOU", "f1-lenient"),
        ("B-X E-X O S-Y B-X M-X E-X", "BMES", "f1-lenient"),
        ("NOUN VERB DET X", "", "accuracy"),
    ],
)
def test_tag_schemes(tags: str, scheme: str, metric: str, tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    content = "".join(f"word{n}\tx\t{tag}\n" for n, tag in enumerate(tags.split()))
    folder = write(tmp_path, train_conll=f"-DOCSTART-\tx\tO\n\n{content}\n{content}")
    task = own("tagging", folder)
    assert isinstance(task, Tagging)
    assert (task.scheme, task.metrics[0], task.labels[0]) == (scheme, metric, "O" if scheme else "DET")
    assert len(check(task, folder, tokenizers["en"])) == 2


def test_tags_in_json_lines(tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    row = {"tokens": ["Sioux", "Falls", "is"], "ner_tags": ["B-LOC", "I-LOC", "O"]}
    folder = write(tmp_path, train_jsonl=json.dumps(row))
    task = own("tagging", folder)
    assert check(task, folder, tokenizers["en"])[0].words == ("Sioux", "Falls", "is")
    assert task.to_dict()["unit"] == "words"


def test_tags_of_characters(tmp_path: Path) -> None:
    folder = write(tmp_path, train_conll="北\tB-X\n京\tI-X\n2\tO\n")
    assert own("tagging", folder).to_dict()["unit"] == "characters"


def test_questions(tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    folder = write(
        tmp_path,
        train_csv='question,context,answer\nWhen?,"in 1990, in May",1990\nWhy?,unknown,\n',
        dev_csv='question,context,answer\nWhen?,"in 1990",1990\n',
    )
    task = own("qa", folder)
    assert isinstance(task, QA) and task.unanswerable and task.language_rules == "english"
    examples = check(task, folder, tokenizers["en"])
    assert [e.answers for e in examples] == [(("1990", 3),), ()]
    document = {"data": [{"paragraphs": [{"context": "小明在北京", "qas": [
        {"id": "a", "question": "在哪", "answers": [{"text": "北京", "answer_start": 3}]}
    ]}]}]}  # fmt: skip
    (tmp_path / "train.csv").unlink()
    (tmp_path / "dev.csv").unlink()
    write(tmp_path, train_json=json.dumps(document))
    task = own("qa", folder)
    assert isinstance(task, QA) and not task.unanswerable and task.language_rules == "chinese"
    check(task, folder, tokenizers["zh"])


def test_text_to_text(tmp_path: Path, tokenizers: dict[str, Tokenizer]) -> None:
    folder = write(tmp_path, train_tsv="document\tsummary\n新闻正文很长\t标题新闻\n第二篇\t二二二二\n")
    task = own("text2text", folder)
    assert isinstance(task, Text2Text) and task.metrics[0] == "bleu-4"
    plain = tokenizers["zh"]
    for tokenizer in (plain, WritingTokenizer(plain.engine, plain.layout, plain.specials, plain.max_length)):
        check(task, folder, tokenizer)
    write(tmp_path, train_tsv="source\ttarget\na house\tein haus ist hier\n")
    task = own("text2text", folder)
    assert isinstance(task, Text2Text) and task.metrics == ("bleu", "chrf")
    check(task, folder, tokenizers["en"])


@pytest.mark.parametrize(
    ("kind", "content", "message", "hint"),
    [
        ("classification", "a,b,c\n1,2,3\n", "is the text and which the label? It has: a, b, c.", "text=a,label=b"),
        ("classification", "text,label\nx,1\ny,1\n", "has 1 label in 'label': nothing to tell apart", ""),
        (
            "classification",
            "text,label\n" + "".join(f"x,{n}.5\n" for n in range(60)),
            "60 different labels",
            "regr",
        ),
        ("classification", "text,label\nx\n", "line 2: 1 columns where 2 were expected", "quotes around it"),
        ("classification", 'text,label\n"x,1\ny,1\n', "unexpected end of data", "written twice"),
        ("regression", "text,score\nx,good\n", "'score' must be a number and is 'good'", ""),
    ],
)
def test_what_is_said(kind: str, content: str, message: str, hint: str, tmp_path: Path) -> None:
    folder = write(tmp_path, train_csv=content)
    with pytest.raises((InputError, UsageError)) as caught:
        list(own(kind, folder).read(folder, "train"))
    assert message in caught.value.message and str(folder / "train.csv") in caught.value.message
    assert hint in caught.value.hint


def test_wrong_arguments(tmp_path: Path) -> None:
    folder = write(tmp_path, train_csv="text,label\nx,1\ny,0\n")
    with pytest.raises(UsageError, match="no kind of task 'ner'"):
        own("ner", folder)
    with pytest.raises(UsageError, match="has no column 'body' for text"):
        own("classification", folder, columns={"text": "body"})
    with pytest.raises(UsageError, match="A classification task has no 'words'"):
        own("classification", folder, columns={"words": "text"})
    with pytest.raises(InputError, match="There is no folder"):
        own("classification", folder / "none")
    write(tmp_path, train_tsv="text\tlabel\n")
    with pytest.raises(UsageError, match=r"several files for 'train': train.csv, train.tsv"):
        own("classification", folder)


def test_a_label_that_training_did_not_have(tmp_path: Path) -> None:
    folder = write(tmp_path, train_csv="text,label\nx,1\ny,0\n", dev_csv="text,label\nx,2\n")
    with pytest.raises(InputError, match=r"dev.csv', line 2: the label '2' is none of own"):
        list(own("classification", folder).read(folder, "dev"))


def test_conll_2003_in_both_schemes(tmp_path: Path) -> None:
    words = [
        "-DOCSTART- -X- O O",
        "",
        "EU NNP I-NP I-ORG",
        "Paris NNP I-NP I-LOC",
        "Rome NNP I-NP B-LOC",
        "in IN O O",
    ]
    (tmp_path / "eng.testa").write_text("\n".join(words))
    [example] = tasks.find("conll2003").read(tmp_path, "dev")
    assert example.tags == ("B-ORG", "B-LOC", "B-LOC", "O")  # type: ignore[attr-defined]
    (tmp_path / "eng.testa").write_text("\n".join(words).replace("I-ORG", "B-ORG").replace("I-LOC", "B-LOC"))
    assert next(tasks.find("conll2003").read(tmp_path, "dev")) == example

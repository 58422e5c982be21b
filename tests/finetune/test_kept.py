"""The answers that a run keeps: what each kind of task says of a row, bounds, and files that are none of ours."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.finetune import errors_shown, kept
from zoo.finetune.baseline import Baseline, baseline
from zoo.finetune.judgement import Judgement, Split
from zoo.finetune.kept import Kept
from zoo.tasks import Scores, find
from zoo.tasks.answers import GoldAnswer
from zoo.tasks.classification import TextExample
from zoo.tasks.features import Features, Ragged
from zoo.tasks.qa import Answer, QAExample
from zoo.tasks.tagging import TaggedExample

NO_SCORES = Scores({"all": {"accuracy": 0.0}}, "all", "accuracy")


def rows(task: Any, examples: list[Any], answers: list[Any], features: Any = None, **outputs: Any) -> list[Kept]:
    return list(
        kept.rows_of(task, Judgement(task, answers, NO_SCORES, 0.0, outputs), Split("dev", examples, features))
    )


def test_classes() -> None:
    examples = [TextExample("7", "a good film", None, "negative")]
    (row,) = rows(find("sst2"), examples, ["positive"], logits=[np.log([0.25, 0.75])])
    assert (row.gold, row.answer, row.right, row.values) == ("negative", "positive", False, {"accuracy": 0.0})
    assert row.loss == pytest.approx(math.log(4), abs=1e-5)
    assert row.scores == {"positive": pytest.approx(0.75), "negative": pytest.approx(0.25)}


def test_numbers() -> None:
    (row,) = rows(find("stsb"), [TextExample("1", "a", "b", 3.0)], [2.5])
    assert row.loss == 0.25 and not row.right and row.texts == {"text": "a", "pair": "b"}


def test_tags() -> None:
    """The probability of a word's tag is that of the piece that speaks for it."""
    task = find("conll2003")
    tags = ("B-PER", "I-PER", "O")
    logits = np.zeros((5, len(task.labels)), np.float32)
    for place, tag in ((1, "B-PER"), (2, "O"), (3, "O")):
        logits[place, task.labels.index(tag)] = 10
    words = Ragged.of([[-1, 0, 1, 2, -1]])
    features = Features({"input_ids": Ragged.of([[0, 5, 6, 7, 1]])}, np.array([0]), {"words": words})
    example = TaggedExample("1", ("Ada", "Lovelace", "wrote"), tags)
    (row,) = rows(task, [example], [["B-PER", "O", "O"]], features, logits=[logits])
    assert row.counts == [0, 1, 1] and not row.right
    assert row.loss == pytest.approx(10 / 3, abs=0.01) and row.scores["0"] > 0.99
    gold, said = errors_shown.shown(row)["lines"]
    assert gold[1][0] == ("Ada Lovelace", "miss", "PER")
    assert said[1][0] == ("Ada", "miss", "PER 1.00") and said[1][-1][0].strip() == "Lovelace wrote"


def test_questions() -> None:
    """The context is cut around the answers, and both are marked in it."""
    context = "x" * 1000 + " Paris is nice, Rome is old. " + "y" * 1000
    example = QAExample("1", "Where?", context, (GoldAnswer("Rome", context.index("Rome")),))
    answer = Answer("Paris", 5.0, (("Paris", 3.0), ("Rome", 3.0)), (context.index("Paris"), context.index("Rome")))
    (row,) = rows(find("squad"), [example], [answer])
    text = row.texts["context"]
    assert len(text) < 700
    assert {name: text[a:b] for name, (a, b) in row.marks.items()} == {"gold": "Rome", "answer": "Paris"}
    assert row.loss == pytest.approx(math.log(2), abs=1e-5) and row.values["f1"] == 0
    pieces = errors_shown.shown(row)["lines"][0][1]
    assert "".join(piece[0] for piece in pieces) == text
    assert [piece for piece in pieces if piece[1]] == [("Paris", "answer", ""), ("Rome", "gold", "")]


def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Kept(
        "dev", "1", "en", "a", "b", False, 0.5, {"accuracy": 0.0}, {"b": 0.9}, {"text": "<b>"}, {"gold": [0, 1]}
    )
    two = Kept("test", "2", "", ["O"], ["O"], True, counts=[0, 0, 0])
    file = tmp_path / kept.FILE
    assert kept.write(file, [one, two], [1, 1]) == []
    odd = Kept("dev", "3", "", "a", "a", True, texts={"text": "line\u2028end\x85half \ud800"})
    assert kept.write(file, [odd], [1]) == []
    assert kept.read(file)[0].texts == {"text": "line\u2028end\x85half ?"}
    assert kept.write(file, [one, two], [1, 1]) == []
    assert kept.read(file) == [one, two] and kept.read(file, "test") == [two]
    monkeypatch.setattr(kept, "MOST_TEXT", 2)
    monkeypatch.setattr(kept, "MOST_ROWS", 1)
    notes = kept.write(file, [one], [5])
    assert notes == [
        "predictions.jsonl has the first 1 rows of each split",
        "predictions.jsonl has no texts for its last 1 rows",
    ]
    assert kept.read(file)[0].texts == {} and kept.read(tmp_path / "none") == []


@pytest.mark.parametrize("line", ["[]", "{}", '{"split": "dev", "id": 1, "gold": 1, "answer": 1}', "{", '{"split"'])
def test_a_line_that_no_run_wrote(tmp_path: Path, line: str) -> None:
    file = tmp_path / kept.FILE
    file.write_text(line + "\n", "utf-8")
    with pytest.raises(UsageError, match="line 1"):
        kept.read(file)


def answered(*pairs: tuple[str, str]) -> list[Kept]:
    return [Kept("dev", str(n), "", gold, said, gold == said, float(n)) for n, (gold, said) in enumerate(pairs)]


def test_classes_and_confusions() -> None:
    """As scikit-learn's table of the same answers."""
    from sklearn.metrics import precision_recall_fscore_support

    found = answered(("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "a"))
    names = ("a", "b", "c")
    table = precision_recall_fscore_support(
        [row.gold for row in found], [row.answer for row in found], labels=names, zero_division=0.0
    )
    for n, score in enumerate(errors_shown.class_scores(found, names)):
        ours = (score.precision, score.recall, score.f1, score.support)
        assert ours == pytest.approx((*(100 * column[n] for column in table[:3]), table[3][n]))
    assert errors_shown.confusions(found, names)[0] == ("a", [(1, 50), (1, 50), (0, 0)])
    assert errors_shown.confusions(found, [str(n) for n in range(31)]) == []


def test_which_errors_are_shown() -> None:
    found = answered(*[("a", "b")] * 30, ("a", "a"))
    worst = errors_shown.worst(found)
    assert [row.id for row in worst] == [str(n) for n in range(29, 19, -1)]
    others = errors_shown.drawn(found, 42, worst)
    assert others == errors_shown.drawn(found, 42, worst) and len(others) == 10
    assert not {row.id for row in others} & {row.id for row in worst}


def test_baseline_of_classes() -> None:
    found = answered(("positive", "negative"), ("positive", "positive"), ("negative", "negative"))
    assert baseline(find("sst2"), found, "accuracy") == Baseline("positive", pytest.approx(200 / 3))
    assert baseline(find("sst2"), [], "accuracy") is None
    spread = [replace(row, language="en" if n else "de") for n, row in enumerate(found)]
    assert baseline(find("xnli"), spread, "accuracy") == Baseline("positive", 75.0), "each language once"


def test_baseline_of_numbers() -> None:
    numbers = [Kept("dev", str(n), "", float(n), float(n) + 1, False) for n in (1, 2, 3)]
    found = baseline(find("stsb"), numbers, "pearson")
    assert found and (found.answer, found.value) == ("2.000", 0.0)
    assert "it is 0.816 off, this run 1.000" in found.more


def test_baseline_of_questions() -> None:
    """No answer where that is most frequent, as in SQuAD 2; else the most frequent answer, by the task's rules."""
    gold = (["Rome"], ["the Rome", "Rome"], [], [], [])
    questions = [Kept("dev", str(n), "", texts, "", False) for n, texts in enumerate(gold)]
    assert baseline(find("squad2"), questions, "f1") == Baseline("no answer", 60.0)
    found = baseline(find("squad"), [*questions[:2], replace(questions[0], gold=["Rome Italy"])], "f1")
    assert found == Baseline("Rome", pytest.approx(100 * (1 + 1 + 2 / 3) / 3))

"""SQuAD's metric beside transformers' copy of the official script, CMRC's beside hand-counted cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import metrics, tasks
from zoo.metrics import squad
from zoo.tasks.qa import Answer, GoldAnswer, QAExample

WORDS = st.lists(
    st.sampled_from(["a", "an", "the", "The", "cat,", "dog;", "U.S.", "1990s", "--", "é"]), max_size=5
).map(" ".join)


@pytest.mark.parametrize(
    ("gold", "predicted", "exact", "f1"),
    [
        ("the Cat!", "a cat", 1, 1),
        ("in the late 1990s", "1990s", 0, 0.5),
        ("U.S.", "us", 1, 1),
        ("", "cat", 0, 0),
        ("the", "", 1, 1),
        ("another", "an other", 0, 0),
    ],
)
def test_one_answer(gold: str, predicted: str, exact: float, f1: float) -> None:
    assert squad.exact(gold, predicted) == exact
    assert squad.token_f1(gold, predicted) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("golds", "predicted", "f1", "exact"),
    [
        (["the"], "", 0, 1),  # SQuAD 1.1: nothing is shared, so F1 is 0, while both are equal
        (["the"], "a", 0, 1),
        (["the", "cat"], "", 0, 1),
        (["the"], "cat", 0, 0),
        (["cat", "a dog"], "dog", 1, 1),
    ],
)
def test_golds_of_which_nothing_is_left(golds: list[str], predicted: str, f1: float, exact: float) -> None:
    """evaluate-v1.1.py keeps them; evaluate-v2.0.py leaves them out: a question without others has no answer."""
    task = tasks.find("squad")
    example = QAExample("1", "?", "", tuple(GoldAnswer(g, 0) for g in golds))
    rows = task.score([Answer(predicted, -1.0)], [example]).rows["all"]
    assert rows == {"f1": 100 * f1, "exact": 100 * exact}
    again = tasks.find("squad2").score([Answer(predicted, -1.0)], [example]).rows["all"]
    kept = [g for g in golds if pieces(g)]
    expected = 100.0 * (any(pieces(g) == pieces(predicted) for g in kept) if kept else not pieces(predicted))
    assert again == {"f1": expected, "exact": expected}


def pieces(text: str) -> list[str]:
    """Words that count, sorted; written apart from the module under test."""
    bare = "".join(c for c in text.lower() if not (c.isascii() and not c.isalnum() and not c.isspace()))
    return sorted(word for word in bare.split() if word not in ("a", "an", "the"))


@settings(deadline=None)
@given(WORDS, WORDS)
def test_one_answer_beside_another_implementation(gold: str, predicted: str) -> None:
    a, b = pieces(gold), pieces(predicted)
    left = list(b)
    for word in a:
        if word in left:
            left.remove(word)
    same = len(b) - len(left)
    expected = float(a == b) if not a or not b else 2 * same / (len(a) + len(b))
    assert squad.token_f1(gold, predicted) == pytest.approx(expected)
    assert squad.exact(gold, predicted) <= (a == b)


ROWS = st.lists(
    st.tuples(st.lists(WORDS, max_size=3), WORDS, st.integers(-8, 8).map(lambda n: n / 4)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(ROWS)
def test_whole_evaluation_beside_every_threshold(rows: list[tuple[list[str], str, float]]) -> None:
    """The best threshold is the best of all, and the parts add up to the whole."""
    threshold = 0.5
    task: Any = tasks.from_dict({**tasks.find("squad2").to_dict(), "threshold": threshold})
    golds = [[g for g in row[0] if pieces(g)] for row in rows]
    examples = [QAExample(str(n), "?", "", tuple(GoldAnswer(g, 0) for g in gold)) for n, gold in enumerate(golds)]
    found = task.score([Answer(text, no) for _, text, no in rows], examples).rows

    def total(at: float) -> float:
        each = []
        for gold, (_, text, no) in zip(golds, rows, strict=True):
            given = text if no <= at else ""
            each.append(max((squad.token_f1(g, given) for g in gold), default=float(not pieces(given))))
        return 100 * sum(each) / len(each)

    assert found["all"]["f1"] == pytest.approx(total(threshold))
    counts = {row: sum(bool(g) is (row == "HasAns") for g in golds) for row in ("HasAns", "NoAns")}
    parts = sum(found[row]["f1"] * count for row, count in counts.items() if count)
    assert parts / len(rows) == pytest.approx(found["all"]["f1"])
    if all(pieces(text) for _, text, _ in rows):
        best = max(total(at) for at in (-1e9, *(no for *_, no in rows)))
        assert found["best threshold"]["f1"] == pytest.approx(best)
        assert total(found["best threshold"]["f1 threshold"]) == pytest.approx(best)


def test_threshold_by_hand() -> None:
    """Three questions: one answered rightly, one wrongly, one without an answer that is answered."""
    value, at = metrics.best_threshold([1.0, 0.0, 0.0], [-2.0, -1.0, 3.0], [True, True, False], [False] * 3)
    assert (value, at) == (pytest.approx(200 / 3), -2.0)


def test_a_threshold_that_answers_nothing() -> None:
    """Every answer is wrong, and every `no_answer` is negative: 0 would answer them all."""
    value, at = metrics.best_threshold([0.0, 0.0, 0.0], [-2.0, -1.0, -3.0], [True, False, False], [False] * 3)
    assert value == pytest.approx(200 / 3) and at < -3.0


def test_equal_questions_are_answered_together() -> None:
    """After the first of two equal ones the sum is best, but no threshold divides them."""
    value, at = metrics.best_threshold([1.0, 0.0, 1.0], [-1.0, -1.0, 2.0], [True, False, True], [False] * 3)
    assert (value, at) == (pytest.approx(200 / 3), 2.0)


@pytest.mark.parametrize(
    ("gold", "predicted", "exact", "f1"),
    [
        ("光荣和ω-force", "光荣和ω-force", 1, 1),
        ("光荣和ω-force", "光荣、ωForce", 0, 0.5 * 2 * 2 / (0.5 * 7)),
        ("1990年", "于1990年。", 0, 0.8),
        ("北京大学", "大学", 0, 2 * 2 / 6),
        ("北京大学", "北大", 0, 2 / 6),  # the longest run is one character
        ("《红楼梦》", "红楼梦", 1, 1),
        ("北京", "上海", 0, 0),
    ],
)
def test_chinese_answers(gold: str, predicted: str, exact: float, f1: float) -> None:
    assert squad.chinese_exact(gold, predicted) == exact
    assert squad.chinese_f1(gold, predicted) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # what NLTK's word_tokenize gives
        ("don't stop.", ["do", "n't", "stop", "."]),
        ("u.s. 3.5% of $1,000", ["u.s.", "3.5", "%", "of", "$", "1,000"]),
        ('the "best" cat\'s', ["the", "``", "best", "''", "cat", "'s"]),
        ("we'll (cannot)", ["we", "'ll", "(", "can", "not", ")"]),
        ("a;b c&d, e...f", ["a", ";", "b", "c", "&", "d", ",", "e", "...", "f"]),
        ("the end. of it", ["the", "end", ".", "of", "it"]),
        ("j. r. r. tolkien", ["j.", "r.", "r.", "tolkien"]),
        ("mr. smith", ["mr.", "smith"]),
        ("dogs' tails", ["dogs", "'", "tails"]),
        ("what?! 1990.", ["what", "?", "!", "1990", "."]),
        ("windows nt/2000", ["windows", "nt/2000"]),
        ("ガンダム@home", ["ガンダム", "@", "home"]),
        ("", []),
    ],
)
def test_words_of_the_treebank(text: str, expected: list[str]) -> None:
    from zoo.metrics.treebank import words

    assert words(text) == expected


@pytest.mark.parametrize(
    ("gold", "predicted", "f1"),
    [
        ("windows nt.2000", "nt.2000", 2 * 1 / 3),  # one word, as the script cuts it
        ("3.5%的人", "3.5", 2 * 1 / 5),
        ("at&t公司", "at&t", 2 * 3 / 8),
        ("（）", "", 0),  # nothing is shared
        ("……", "……", 1),  # the ellipsis stays
        ("don't", "do not", 2 * 1 / 4),
    ],
)
def test_chinese_answers_with_other_words(gold: str, predicted: str, f1: float) -> None:
    assert squad.chinese_f1(gold, predicted) == pytest.approx(f1)


def test_characters_as_the_published_script_scores_them() -> None:
    """What DuReader's script gave for three texts whose characters are as equal and as different as these."""
    gold, predicted = ["abcdefgh", "jkklmnABC", "qrstuv"], ["abcdgh", "jkklop abc", "wxyz"]
    published = {
        "bleu-1": 0.4263988078142879,
        "bleu-2": 0.38876021256188315,
        "bleu-3": 0.33523545795758797,
        "bleu-4": 0.27951965748985225,
        "rouge-l": 0.42668696093353625,
    }
    found = metrics.character_scores(gold, predicted)
    assert found == {name: pytest.approx(100 * value, rel=1e-12) for name, value in published.items()}


@settings(deadline=None)
@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_longest_common_subsequence(a: str, b: str) -> None:
    from zoo.metrics.generated import _common

    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
    assert _common(a, b) == table[-1, -1]


def test_translations_are_sacrebleus() -> None:
    import sacrebleu

    gold, predicted = ["Das ist ein Test.", "Guten Tag"], ["Das ist der Test.", "Guten Tag!"]
    assert metrics.sacrebleu_scores(gold, predicted)["bleu"] == sacrebleu.corpus_bleu(predicted, [gold]).score
    assert metrics.sacrebleu_scores(["你好 世界。"], ["你好世界。"], "zh")["bleu"] == pytest.approx(100)


def test_nearest_takes_the_first_of_equals() -> None:
    keys = np.array([[1.0, 0], [2, 0], [0, 1]])
    assert metrics.nearest(np.array([[5.0, 0], [0, 3]]), keys).tolist() == [0, 2]
    assert metrics.retrieval_accuracy(keys, keys) == pytest.approx(200 / 3)

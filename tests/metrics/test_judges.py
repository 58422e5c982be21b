"""Our scores of whole data sets beside second, plain implementations of the protocols and independent packages."""

from __future__ import annotations

import re
import unicodedata
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.places import DATA
from zoo import metrics, tasks
from zoo.errors import InputError
from zoo.tasks.qa import Answer, GoldAnswer, QAExample
from zoo.tasks.tagging import TaggedExample

WORDS = {
    "en": ["a", "The", "an", "mill,", "another", "mill's"],
    "de": ["der", "Die", "des", "Mühle.", "Müllerin", "ein-"],
    "es": ["El", "los", "¿molino?", "la", "centeno", "¡la!"],
    "vi": ["của", "Những", "cái", "cối", "xay", "là"],
    "ar": ["الطاحونة", "نهر", "ال", "عام،", "والجاودار؟", "1784"],
    "hi": ["चक्की", "नदी।", "के", "1784", "a", "the"],
    "zh": ["老磨坊", "磨", "，", "1784年", "the Orl", "《坊》"],
}
ARTICLES = {
    "en": "a an the",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
}
ASCII = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def mlqa_words(text: str, language: str) -> list[str]:
    """The protocol step by step: lower case, punctuation, articles, words."""
    bare = ""
    for character in text.lower():
        if unicodedata.category(character).startswith("P") or character in ASCII:
            continue
        bare += f" {character} " if language == "zh" and "\u4e00" <= character <= "\u9fa5" else character
    if language == "ar":
        bare = " ".join(bare.split("ال"))
    runs = re.split(r"(\W+)", bare)  # an article counts wherever no letter touches it
    articles = ARTICLES.get(language, "").split()
    return "".join(" " if run in articles else run for run in runs).split()


def shared_words(gold: list[str], predicted: list[str]) -> float:
    """F1 of bags, by crossing out."""
    left = list(predicted)
    for word in gold:
        if word in left:
            left.remove(word)
    same = len(predicted) - len(left)
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / len(gold)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("language", list(WORDS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_mlqa(language: str, data: st.DataObject) -> None:
    texts = st.lists(st.sampled_from(WORDS[language]), max_size=4).map(" ".join)
    rows = data.draw(st.lists(st.tuples(st.lists(texts, min_size=1, max_size=3), texts), min_size=1, max_size=4))
    f1 = exact = 0.0
    for golds, predicted in rows:
        sides = [(mlqa_words(gold, language), mlqa_words(predicted, language)) for gold in golds]
        f1 += max(shared_words(*side) for side in sides)
        exact += max(float(a == b) for a, b in sides)
    examples = [
        QAExample(str(n), "?", "", tuple(GoldAnswer(g, 0) for g in golds), language=language)
        for n, (golds, _) in enumerate(rows)
    ]
    found = tasks.find("mlqa").score([Answer(text, 0.0) for _, text in rows], examples).rows[language]
    assert found["f1"] == pytest.approx(100 * f1 / len(rows))
    assert found["exact"] == pytest.approx(100 * exact / len(rows))


@pytest.mark.parametrize(
    ("language", "gold", "predicted", "f1", "exact"),
    [
        ("de", "der Müllerin Anna Brandt", "Müllerin Anna Brandt", 1, 1),
        ("en", "der Müllerin", "Müllerin", 2 / 3, 0),  # no article of English
        ("es", "¿La molinera?", "molinera", 1, 1),
        ("vi", "cái cối xay", "cối xay", 1, 1),
        ("ar", "الجاودار", "جاودار", 1, 1),
        ("hi", "the चक्की", "चक्की।", 2 / 3, 0),
        ("zh", "1784年", "于1784年。", 4 / 5, 0),
        ("zh", "磨坊主", "磨坊", 4 / 5, 0),
    ],
)
def test_mlqa_by_hand(language: str, gold: str, predicted: str, f1: float, exact: float) -> None:
    scores = metrics.answer_scores("mlqa", language)
    assert scores["f1"](gold, predicted) == pytest.approx(f1)
    assert scores["exact"](gold, predicted) == exact


def test_mlqa_wants_a_language_that_it_has_rules_for() -> None:
    with pytest.raises(InputError, match="no rules for the language 'fr'"):
        metrics.answer_scores("mlqa", "fr")


def test_tydiqa_is_scored_by_english_rules_in_every_language() -> None:
    """As SQuAD 1.1's script: a Finnish answer loses English articles only, and the average is over languages."""
    task = tasks.find("tydiqa-goldp")
    examples: Any = list(task.read(DATA / "tydiqa", "dev", task.languages))
    assert [e.language for e in examples].count("en") == 2 and len(examples) == 10
    answers = [Answer(f"the {e.answers[0].text}!" if e.language != "ko" else "", 0.0) for e in examples]
    scores = task.score(answers, examples)
    assert set(scores.rows) == {*task.languages, "average", "transfer gap"}
    assert scores.rows["fi"] == {"f1": 100.0, "exact": 100.0} and scores.rows["ko"]["f1"] == 0.0
    assert scores.value == pytest.approx(100 * 8 / 9)


def runs_of(tags: list[str]) -> list[tuple[int, int, str]]:
    """Equal neighbours are one; tags that begin with S, which seqeval reads as singles, stand alone."""
    found: list[tuple[int, int, str]] = []
    for n, tag in enumerate(tags):
        if found and found[-1][2] == tag and tag[0] != "S":
            found[-1] = (found[-1][0], n, tag)
        else:
            found.append((n, n, tag))
    return found


def test_parts_of_speech_by_hand() -> None:
    """Eight tags are seven entities; one wrong tag costs two of them, and an eighth of the accuracy."""
    gold = ["DET", "NOUN", "NOUN", "VERB", "SCONJ", "SCONJ", "X", "PUNCT"]
    predicted = ["DET", "NOUN", "VERB", "VERB", "SCONJ", "SCONJ", "X", "PUNCT"]
    assert len(runs_of(gold)) == 7
    task = tasks.find("udpos")
    words = ("w",) * 8
    rows = task.score([predicted], [TaggedExample("1", words, tuple(gold))]).rows["all"]
    assert rows == {"f1": pytest.approx(500 / 7), "accuracy": 87.5}


# Without CCONJ and X: seqeval takes SCONJ CCONJ for one entity, and loses an X at the end of a sentence.
OTHER_TAGS = "ADJ ADV AUX DET INTJ NOUN NUM PROPN PUNCT SCONJ SYM VERB"
TAGS = st.lists(st.sampled_from(tuple(OTHER_TAGS.split())), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=4))
def test_parts_of_speech_as_xtreme_scores_them(pairs: list[tuple[list[str], list[str]]]) -> None:
    from seqeval.metrics import f1_score

    warnings.simplefilter("ignore")
    sides = [(a[: len(b)], b[: len(a)]) for a, b in pairs]
    gold, predicted = [a for a, _ in sides], [b for _, b in sides]
    found = metrics.tags_score(gold, predicted)["f1"]
    entities = [{(n, *run) for n, tags in enumerate(side) for run in runs_of(tags)} for side in (gold, predicted)]
    total = len(entities[0]) + len(entities[1])
    assert found == pytest.approx(100 * 2 * len(entities[0] & entities[1]) / total if total else 0)
    if total:
        assert found == pytest.approx(100 * f1_score(gold, predicted))

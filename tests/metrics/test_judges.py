"""Our scores of whole data sets beside second, plain implementations of the protocols and independent packages."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
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


SUMMARY = ("The Council of Arn keeps its ferries .\nA bridge would have cost 3 million .", "bell rings in vell")
GENERATED = ("A bridge costs 3 million. Arn's council keeps the ferry!", "the bell of unk rang")


def stems(text: str) -> list[str]:
    """Words of lower-case ASCII letters and digits; Porter's stems of those with more than three characters."""
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split()
    return [stemmer.stem(word) if len(word) > 3 else word for word in words]


def common(a: list[str], b: list[str]) -> list[int]:
    """Places in `a` of a longest common subsequence of both, found from the end as ROUGE-1.5.5 does."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
    found, i, j = [], len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            found.append(i - 1)
            i, j = i - 1, j - 1
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return found


def f1_of(hits: float, gold: int, predicted: int) -> float:
    return 2 * hits / (gold + predicted) if hits else 0.0


def rouge_of(gold: list[str], predicted: list[str]) -> dict[str, float]:
    """The four F1 scores of two texts, given as sentences."""
    a, b = [stems(s) for s in gold], [stems(s) for s in predicted]
    whole, other = ([word for sentence in side for word in sentence] for side in (a, b))
    scores = {"rougeL": f1_of(len(common(whole, other)), len(whole), len(other))}
    for n in (1, 2):
        sides = [Counter(tuple(side[i : i + n]) for i in range(len(side) - n + 1)) for side in (whole, other)]
        scores[f"rouge{n}"] = f1_of((sides[0] & sides[1]).total(), sides[0].total(), sides[1].total())
    left, right, hits = Counter(whole), Counter(other), 0
    for sentence in a:  # the union of what each predicted sentence has in common with it; a word counts once
        for at in sorted({at for each in b for at in common(sentence, each)}):
            word = sentence[at]
            if left[word] and right[word]:
                left[word], right[word], hits = left[word] - 1, right[word] - 1, hits + 1
    scores["rougeLsum"] = f1_of(hits, len(whole), len(other))
    return scores


def test_rouge() -> None:
    """Sentences are lines; of a text of one line they end with . ! or ? before a space."""
    sentences = [["A bridge costs 3 million.", "Arn's council keeps the ferry!"], [GENERATED[1]]]
    each = [rouge_of(g.split("\n"), p) for g, p in zip(SUMMARY, sentences, strict=True)]
    found = metrics.rouge_scores(SUMMARY, GENERATED)
    assert set(found) == {"rouge1", "rouge2", "rougeL", "rougeLsum"}
    for name, value in found.items():
        assert value == pytest.approx(50 * (each[0][name] + each[1][name])), name
    assert found["rougeLsum"] > found["rougeL"]  # the sentences stand in another order


def test_each_summary_task_names_its_rouge() -> None:
    assert tasks.find("cnndm").metrics == ("rougeLsum", "rouge1", "rouge2")
    assert tasks.find("gigaword").metrics == ("rougeL", "rouge1", "rouge2")

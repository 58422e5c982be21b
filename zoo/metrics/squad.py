"""Computes SQuAD's, MLQA's and CMRC 2018's metrics of extracted answers. All in percent.

SQuAD: the official scripts evaluate-v1.1.py and evaluate-v2.0.py (Rajpurkar et al. 2016, 2018), which differ where
nothing is left of an answer. CMRC 2018: cmrc2018_evaluate.py (Cui et al. 2019), which cuts words by NLTK. MLQA:
zoo.metrics.mlqa.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo.metrics import mlqa
from zoo.metrics.treebank import words

Score = Callable[[str, str], float]  # of a gold and a predicted answer, 0 to 1

ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# What cmrc2018_evaluate.py takes out of both sides; ASCII stops, commas and the ellipsis stay.
CHINESE_PUNCTUATION = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CHINESE_CHARACTER = re.compile(r"([\u4e00-\u9fa5])")


def normalize(text: str) -> str:
    """Gives a text in lower case, without ASCII punctuation and English articles, with single spaces."""
    return " ".join(ENGLISH_ARTICLES.sub(" ", text.lower().translate(ASCII_PUNCTUATION)).split())


def exact(gold: str, predicted: str) -> float:
    """Gives 1 when both are equal after `normalize`."""
    return float(normalize(gold) == normalize(predicted))


def token_f1(gold: str, predicted: str) -> float:
    """Gives the F1 of the bags of words; where one side has none, 1 only when both have none (SQuAD 2.0)."""
    a, b = normalize(gold).split(), normalize(predicted).split()
    return shared_f1(gold, predicted) if a and b else float(a == b)


def shared_f1(gold: str, predicted: str) -> float:
    """Gives the F1 of the bags of words; 0 where they share none, also where neither side has one (SQuAD 1.1)."""
    return bag_f1(normalize(gold).split(), normalize(predicted).split())


def bag_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Gives the F1 of two bags of words; 0 where they share none."""
    same = sum((Counter(gold) & Counter(predicted)).values())
    return 2 * same / (len(gold) + len(predicted)) if same else 0.0


def chinese_pieces(text: str) -> list[str]:
    """Gives Chinese characters one by one and words between them, lower case, without punctuation."""
    kept = "".join(c for c in text.lower().strip() if c not in CHINESE_PUNCTUATION)
    parts = CHINESE_CHARACTER.split(kept)  # with the characters that divide them
    return [piece for n, part in enumerate(parts) for piece in ([part] if n % 2 else words(part))]


def chinese_exact(gold: str, predicted: str) -> float:
    """Gives 1 when both are equal in lower case and without punctuation."""
    a, b = ("".join(c for c in t.lower().strip() if c not in CHINESE_PUNCTUATION) for t in (gold, predicted))
    return float(a == b)


def chinese_f1(gold: str, predicted: str) -> float:
    """Gives the F1 of the longest run of pieces that both share; 0 where they share none."""
    a, b = chinese_pieces(gold), chinese_pieces(predicted)
    longest, row = 0, [0] * (len(b) + 1)
    for piece in a:
        row = [0, *(row[n] + 1 if piece == other else 0 for n, other in enumerate(b))]
        longest = max(longest, max(row))
    return 2 * longest / (len(a) + len(b)) if longest else 0.0


def best_over(score: Score, golds: Sequence[str], predicted: str) -> float:
    """Gives the score of the gold answer that fits best; 0 without one."""
    return max((score(gold, predicted) for gold in golds), default=0.0)


def best_or_none(score: Score, golds: Sequence[str], predicted: str) -> float:
    """Gives the same where nothing may be the right answer: empty golds do not count (SQuAD 2.0).

    Where none counts, 1 for an answer of which nothing is left, and 0 for others.
    """
    kept = [gold for gold in golds if normalize(gold)]
    return best_over(score, kept, predicted) if kept else float(not normalize(predicted))


def best_threshold(
    scores: Sequence[float], no_answer: Sequence[float], answerable: Sequence[bool], empty: Sequence[bool]
) -> tuple[float, float]:
    """Gives the best score that a threshold on `no_answer` can give, and that threshold.

    A question whose `no_answer` is above the threshold is answered with nothing.

    Args:
        scores: what the answer of each question is worth, 0 to 1.
        no_answer: any number that grows with the belief that there is no answer.
        answerable: whether the question has an answer.
        empty: whether the predicted answer is no text.

    Returns:
        percent, threshold. Of equal ones the first, walking from low to high, is taken. Where nothing should be
        answered the threshold is just below the smallest `no_answer`: the official script says 0.0, which fits
        probabilities only. Questions of equal `no_answer` are answered all or none.
    """
    current = best = float(len(answerable) - sum(answerable))
    threshold = float(np.nextafter(min(no_answer), -np.inf))
    order = sorted(range(len(scores)), key=lambda n: no_answer[n])
    for n, following in zip(order, [*order[1:], None], strict=True):
        current += scores[n] if answerable[n] else (0.0 if empty[n] else -1.0)
        last = following is None or no_answer[following] != no_answer[n]
        if last and current > best:
            best, threshold = current, float(no_answer[n])
    return 100 * best / len(scores), threshold


def mean_percent(scores: Sequence[float] | np.ndarray) -> float:
    """Gives 100 times the mean."""
    return 100 * float(np.mean(scores))


ANSWER_SCORES: dict[str, dict[str, Score]] = {
    "english": {"f1": shared_f1, "exact": exact},
    "chinese": {"f1": chinese_f1, "exact": chinese_exact},
}


def answer_scores(rules: str, language: str = "") -> Mapping[str, Score]:
    """Gives what scores one answer, by metric: "f1" and "exact".

    Args:
        rules: "english", "chinese", or "mlqa" for those of each language.
        language: code of the answer's language, for "mlqa".

    Raises:
        InputError: MLQA has no rules for the language.
    """
    if rules != "mlqa":
        return ANSWER_SCORES[rules]

    def pieces(text: str) -> list[str]:
        return mlqa.pieces(text, language)

    mlqa.check(language)
    return {
        "f1": lambda gold, predicted: bag_f1(pieces(gold), pieces(predicted)),
        "exact": lambda gold, predicted: float(pieces(gold) == pieces(predicted)),
    }


def answer_score(
    rules: str, name: str, unanswerable: bool, golds: Sequence[str], predicted: str, language: str = ""
) -> float:
    """Scores an answer by the script of its kind of data set, from 0 to 1.

    Args:
        rules, language: as for `answer_scores`.
        name: "f1" or "exact".
        unanswerable: the data set has questions without an answer.
        golds: right answers; none for a question without one.
        predicted: "" for none.
    """
    return (best_or_none if unanswerable else best_over)(answer_scores(rules, language)[name], golds, predicted)

"""SQuAD's and CMRC 2018's metrics of extracted answers. All in percent.

SQuAD: the official script evaluate-v2.0.py (Rajpurkar et al. 2018), which for a data set without unanswerable
questions gives what evaluate-v1.1.py gives. CMRC 2018: cmrc2018_evaluate.py (Cui et al. 2019).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

Score = Callable[[str, str], float]  # of a gold and a predicted answer, 0 to 1

ARTICLES = re.compile(r"\b(a|an|the)\b")
ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# What cmrc2018_evaluate.py takes out of both sides; ASCII stops, commas and the ellipsis stay.
CHINESE_PUNCTUATION = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CHINESE = re.compile(r"[\u4e00-\u9fa5]")
WORD = re.compile(r"\w+(?:[.,']\w+)*|[^\w\s]")


def normalize(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces; in this order."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(ASCII_PUNCTUATION)).split())


def exact(gold: str, predicted: str) -> float:
    """1 when both are equal after `normalize`."""
    return float(normalize(gold) == normalize(predicted))


def token_f1(gold: str, predicted: str) -> float:
    """F1 of the bags of words; where one side has none, 1 only when both have none."""
    a, b = normalize(gold).split(), normalize(predicted).split()
    if not a or not b:
        return float(a == b)
    same = sum((Counter(a) & Counter(b)).values())
    return 2 * same / (len(a) + len(b)) if same else 0.0


def chinese_pieces(text: str) -> list[str]:
    """Chinese characters one by one and other words whole, lower case, without punctuation."""
    kept = "".join(c for c in text.lower().strip() if c not in CHINESE_PUNCTUATION)
    return WORD.findall(CHINESE.sub(r" \g<0> ", kept))


def chinese_exact(gold: str, predicted: str) -> float:
    """1 when both are equal in lower case and without punctuation."""
    a, b = ("".join(c for c in t.lower().strip() if c not in CHINESE_PUNCTUATION) for t in (gold, predicted))
    return float(a == b)


def chinese_f1(gold: str, predicted: str) -> float:
    """F1 of the longest run of pieces that both share; where one side has none, 1 only when both have none."""
    a, b = chinese_pieces(gold), chinese_pieces(predicted)
    if not a or not b:
        return float(a == b)
    longest, row = 0, [0] * (len(b) + 1)
    for piece in a:
        row = [0, *(row[n] + 1 if piece == other else 0 for n, other in enumerate(b))]
        longest = max(longest, max(row))
    return 2 * longest / (len(a) + len(b)) if longest else 0.0


def best_over(score: Score, golds: Sequence[str], predicted: str) -> float:
    """The score of the gold answer that fits best. Golds of which nothing is left count as no answer, ""."""
    kept = [gold for gold in golds if not score(gold, "")] or [""]
    return max(score(gold, predicted) for gold in kept)


def best_threshold(
    scores: Sequence[float], no_answer: Sequence[float], answerable: Sequence[bool], empty: Sequence[bool]
) -> tuple[float, float]:
    """The best score that a threshold on `no_answer` can give, and that threshold.

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
    """100 times the mean."""
    return 100 * float(np.mean(scores))


ANSWERS: dict[str, dict[str, Score]] = {
    "english": {"f1": token_f1, "exact": exact},
    "chinese": {"f1": chinese_f1, "exact": chinese_exact},
}

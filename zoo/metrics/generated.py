"""Computes metrics of generated text. All in percent.

BLEU of translations is sacrebleu's, which names how it cuts words. BLEU and ROUGE-L of question generation and
summaries in Chinese are those of DuReader's script (Baidu), over characters: what PALM's published scores are.
ROUGE of English summaries is that of the package rouge-score, by its names: rougeL is the longest common
subsequence of two whole texts, rougeLsum its union over sentences, which papers on CNN/DailyMail call ROUGE-L. All
are means of F1 over lower-case words with Porter's stems, without signs, as ROUGE-1.5.5 with -m.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import exp

import numpy as np

from zoo.metrics.extra import extra

MAX_NGRAM = 4
NUMERATOR_EPSILON, DENOMINATOR_EPSILON = 1e-15, 1e-9  # DuReader's script adds them above and below a fraction
ROUGE_BETA = 1.2  # weight of recall in ROUGE-L
WORD_ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def generated_scores(
    names: Sequence[str], gold: Sequence[str], predicted: Sequence[str], tokenize: str = ""
) -> dict[str, float]:
    """Gives metrics of generated texts, one reference each.

    Args:
        names: of sacrebleu's ("bleu", "chrf"), of WORD_ROUGE, or of DuReader's ("bleu-1", ..., "rouge-l").
        gold, predicted: texts.
        tokenize: for sacrebleu's.
    """
    if set(names) <= set(WORD_ROUGE):
        scores = rouge_scores(gold, predicted)
    else:
        scores = sacrebleu_scores(gold, predicted, tokenize) if tokenize else character_scores(gold, predicted)
    return {name: scores[name] for name in names}


def rouge_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Gives the means of rouge-score's F1, with stems, by WORD_ROUGE.

    Sentences of rougeLsum are lines; a text of one line is divided after each . ! or ? that a space follows.
    """
    with extra():
        from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(WORD_ROUGE, use_stemmer=True)
    each = [scorer.score(_in_lines(g), _in_lines(p)) for g, p in zip(gold, predicted, strict=True)]
    return {name: 100 * float(np.mean([row[name].fmeasure for row in each])) for name in WORD_ROUGE}


def _in_lines(text: str) -> str:
    """Gives a text with a sentence on each line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines if len(lines) > 1 else SENTENCE_END.split(text.strip()))


def sacrebleu_scores(gold: Sequence[str], predicted: Sequence[str], tokenize: str = "13a") -> dict[str, float]:
    """Corpus BLEU and chrF2 of detokenized text, one reference each.

    Args:
        tokenize: how sacrebleu cuts words: "13a" for most languages, "zh", "ja-mecab", "ko-mecab", "char".
    """
    with extra():
        import sacrebleu

    hypotheses, references = list(predicted), [list(gold)]
    bleu = sacrebleu.corpus_bleu(hypotheses, references, tokenize=tokenize)
    return {"bleu": float(bleu.score), "chrf": float(sacrebleu.corpus_chrf(hypotheses, references).score)}


def character_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Gives BLEU-1 to BLEU-4 and the mean ROUGE-L over characters that are not spaces; case counts."""
    pairs = [("".join(g.split()), "".join(p.split())) for g, p in zip(gold, predicted, strict=True)]
    scores = {f"bleu-{n}": 100 * value for n, value in enumerate(_bleu(pairs), 1)}
    return {**scores, "rouge-l": 100 * float(np.mean([_rouge_l(g, p) for g, p in pairs]))}


def _bleu(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Gives geometric means of the precisions of 1 to n characters, times the brevity penalty of the corpus."""
    right, guessed = np.zeros(MAX_NGRAM), np.zeros(MAX_NGRAM)
    for gold, predicted in pairs:
        for n in range(1, MAX_NGRAM + 1):
            a, b = _grams(gold, n), _grams(predicted, n)
            right[n - 1] += sum((a & b).values())
            guessed[n - 1] += max(0, len(predicted) - n + 1)
    products = np.cumprod((right + NUMERATOR_EPSILON) / (guessed + DENOMINATOR_EPSILON))
    ratio = (sum(len(p) for _, p in pairs) + NUMERATOR_EPSILON) / (
        sum(len(g) for g, _ in pairs) + DENOMINATOR_EPSILON
    )
    penalty = exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return [float(product ** (1 / n)) * penalty for n, product in enumerate(products, 1)]


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def _rouge_l(gold: str, predicted: str) -> float:
    """Gives the F of the longest common subsequence; 0 when nothing is common."""
    longest = _common(gold, predicted)
    if not longest:
        return 0.0
    precision, recall = longest / len(predicted), longest / len(gold)
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _common(a: str, b: str) -> int:
    """Gives the length of the longest common subsequence, computed a row at a time."""
    row = [0] * (len(b) + 1)
    for char in a:
        diagonal = 0
        for n, other in enumerate(b, 1):
            above = row[n]
            row[n] = diagonal + 1 if char == other else max(above, row[n - 1])
            diagonal = above
    return row[-1]

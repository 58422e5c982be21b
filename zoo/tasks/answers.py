"""Finds where extracted answers are in their context, and which tokens hold them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo.tasks.features import Ragged
from zoo.tasks.rows import Row, shown

if TYPE_CHECKING:
    from zoo.tokenization import Tokenizer


class GoldAnswer(NamedTuple):
    """A right answer and the character of the context where it starts; -1 when the context does not have it."""

    text: str
    start: int


def nearest(context: str, text: str, start: int) -> int:
    """Gives where the text is in the context: at `start`, else the place nearest to it; -1 when it is nowhere.

    DuReader-robust's files say -1 everywhere, and a few of CMRC 2018's say a wrong place.
    """
    if not text:
        return -1
    if start >= 0 and context.startswith(text, start):
        return start
    before, after = context.rfind(text, 0, max(start, 0) + len(text)), context.find(text, max(start, 0))
    if before < 0 or after < 0:
        return max(before, after)
    return before if start - before <= after - start else after


def golds_of(row: Row, column: str, context: str) -> tuple[GoldAnswer, ...] | None:
    """Gives the right answers of a row: () for a question without one, None where the row does not say.

    Raises:
        InputError: they are no list of {text, answer_start}.
    """
    values = row.values.get(column)
    if row.values.get("is_impossible") is True:
        return ()
    if isinstance(values, dict) and all(isinstance(v, list) for v in values.values()):  # as on the Hub
        names = list(values)
        values = [dict(zip(names, each, strict=False)) for each in zip(*values.values(), strict=False)]
    if isinstance(values, str):  # a user's own table
        values = [{"text": values, "answer_start": -1}] if values.strip() else []
    if values is None:
        return None
    if not isinstance(values, list):
        raise row.error(f"'answers' must be a list and is {shown(values)}.")
    golds = []
    for value in values:
        value = {"text": value} if isinstance(value, str) else value
        text, start = (value.get("text"), value.get("answer_start", -1)) if isinstance(value, dict) else (None, 0)
        if not isinstance(text, str) or type(start) is not int:
            raise row.error(f"an answer must be {{text, answer_start}} and is {shown(value)}.")
        golds.append(GoldAnswer(text, nearest(context, text, start)))
    # One of DuReader-robust's questions has an empty answer beside others; alone it means that there is none.
    return tuple(golds) if any(gold.text for gold in golds) else ()


def trained_on(answers: Sequence[GoldAnswer]) -> GoldAnswer | None:
    """Gives the answer that is learned: the first one that the context has, else the first; None for none."""
    return next((gold for gold in answers if gold.start >= 0), answers[0] if answers else None)


def with_marks(spans: Ragged, sample: np.ndarray, contexts: Sequence[str]) -> Ragged:
    """Gives the characters of tokens, each with the combining marks behind it that no token has.

    A tokenizer that lower-cases drops accents and vowel signs; no answer ends between a letter and its sign.

    Args:
        spans: [total, 2], of each row's tokens the first character and one after the last; -1 outside of the
            context.
        sample: [N], the example of each row, ascending.
        contexts: of each example.
    """
    held = {text: marks_of(text) for text in set(contexts)}
    if not any(held.values()):
        return spans
    out = spans.values.copy()
    for number in np.unique(sample).tolist():
        context, marks = contexts[number], held[contexts[number]]
        if not marks:
            continue
        first, last = spans.starts[np.searchsorted(sample, [number, number + 1])]
        tokens = first + np.flatnonzero(out[first:last, 0] >= 0)
        starts = np.append(np.unique(spans.values[tokens, 0]), len(context))
        limits = starts[np.searchsorted(starts[:-1], spans.values[tokens, 0], side="right")]
        for token, limit in zip(tokens.tolist(), limits.tolist(), strict=True):
            while 0 < out[token, 1] < limit and context[out[token, 1]] in marks:
                out[token, 1] += 1
    return Ragged(out, spans.starts)


def marks_of(text: str) -> frozenset[str]:
    """Gives the combining marks of a text."""
    if text.isascii():
        return frozenset()
    return frozenset(c for c in set(text) if unicodedata.category(c)[0] == "M")


def places(spans: Ragged, sample: np.ndarray, golds: Sequence[GoldAnswer | None]) -> np.ndarray:
    """Gives the tokens that share a character with each answer.

    An answer may begin or end with characters that have no token (spaces, line ends, marks that were stripped): the
    tokens of the others hold it.

    Args:
        spans: characters of each row's tokens, -1 outside of the context.
        sample: [N], the example of each row.
        golds: of each example.

    Returns:
        [N, 2] int64, first and last token; (0, 0) where the row lacks one of them, or there is no answer.
    """
    out = np.zeros((len(spans), 2), np.int64)
    reach = np.full((len(spans), 2), -1)
    whole: dict[int, tuple[int, int]] = {}
    for row, number in enumerate(sample.tolist()):
        gold = golds[number]
        if gold is None or gold.start < 0:
            continue
        begin, end = gold.start, gold.start + len(gold.text)
        offsets = spans[row]
        held = np.flatnonzero((offsets[:, 0] >= 0) & (offsets[:, 1] > begin) & (offsets[:, 0] < end))
        if not len(held):
            continue
        out[row] = held[0], held[-1]
        reach[row] = offsets[held[0], 0], offsets[held[-1], 1]
        low, high = whole.get(number, reach[row])
        whole[number] = min(low, reach[row, 0]), max(high, reach[row, 1])
    for row, number in enumerate(sample.tolist()):  # another row may have tokens of the answer that this one lacks
        if reach[row, 0] >= 0 and tuple(reach[row]) != whole[number]:
            out[row] = 0
    return out


NOT_IN_CONTEXT = "answers that are not in the context"
WITHOUT_TOKENS = "answers of which no character has a token"
CUT_OFF = "answers that no row holds whole"
INSIDE_A_TOKEN = "answers that begin or end inside of a token"
AT_A_LOST_CHARACTER = "answers that begin or end with a character that has no token"


def lost(
    spans: Ragged,
    sample: np.ndarray,
    labels: np.ndarray,
    golds: Sequence[GoldAnswer | None],
    contexts: Sequence[str],
    longest: int,
    same: Callable[[int, str, str], bool],
) -> Counter[str]:
    """Counts the answers that no span of tokens gives back, by reason.

    Args:
        spans, sample, golds: as for `places`, which gave the labels.
        labels: [N, 2].
        contexts: of each example.
        longest: tokens of the longest answer that is predicted.
        same: whether the text of a span is as good as the answer of an example, by its number.
    """
    found: dict[int, list[tuple[int, int, int]]] = {}
    for row in np.flatnonzero(labels[:, 1]).tolist():
        found.setdefault(int(sample[row]), []).append((row, *labels[row].tolist()))
    touched = _touched(spans, sample, golds) if len(found) < sum(g is not None for g in golds) else set()
    counts: Counter[str] = Counter()
    for n, gold in enumerate(golds):
        if gold is None:
            continue
        if gold.start < 0:
            counts[NOT_IN_CONTEXT] += 1
        elif n not in found:
            counts[CUT_OFF if n in touched else WITHOUT_TOKENS] += 1
        elif all(last - first + 1 > longest for _, first, last in found[n]):
            counts[f"answers of more than {longest} tokens"] += 1
        else:
            held = [(spans[row][first, 0], spans[row][last, 1]) for row, first, last in found[n]]
            if not any(same(n, gold.text, contexts[n][a:b]) for a, b in held):
                begin, end = gold.start, gold.start + len(gold.text)
                counts[INSIDE_A_TOKEN if any(a < begin or b > end for a, b in held) else AT_A_LOST_CHARACTER] += 1
    return counts


def _touched(spans: Ragged, sample: np.ndarray, golds: Sequence[GoldAnswer | None]) -> set[int]:
    """Gives the examples of which some row has a token of the answer."""
    alone = places(spans, np.arange(len(spans)), [golds[n] for n in sample.tolist()])
    return {int(n) for n in sample[np.flatnonzero(alone[:, 1])]}


def cut(questions: list[str], tokenizer: Tokenizer, limit: int) -> list[str]:
    """Gives questions of at most `limit` tokens."""
    long = [n for n, question in enumerate(questions) if len(question) > limit // 2]
    if not long:
        return questions
    kept = list(questions)
    rows = tokenizer([questions[n] for n in long], return_offsets=True, truncation=False, padding=False)
    for n, spans, sequence in zip(long, rows["offsets"], rows["sequence_ids"], strict=True):
        offsets = spans[sequence == 0]
        if len(offsets) > limit:
            kept[n] = questions[n][: offsets[limit - 1, 1]]
    return kept

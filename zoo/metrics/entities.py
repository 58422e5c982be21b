"""Reads entities from tags, and computes the metrics of tagging. All in percent.

Two readings of the same tags are in use, and they differ: "lenient" as conll's script and seqeval by default (an
I-X that continues nothing starts an entity), "strict" (it does not count). Whoever quotes an F1 must say which.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from zoo.metrics.extra import extra

Tags = Sequence[Sequence[str]]
Span = tuple[int, int, str]  # first word, last word, kind
Named = Iterable[tuple[str, str]]  # kind, text
STRICT_SCHEMES = ("IOB2", "IOBES", "BILOU", "BMES")
LOOSE_SCHEMES = ("IOB1", "IOE1", "IOE2", "IO")  # an entity begins or ends without a sign of its own
OUTSIDE_TAG = "O"
IOBES_LETTERS = {"M": "I", "L": "E", "U": "S"}


def spans(tags: Sequence[str]) -> list[Span]:
    """Gives the entities of a sentence, read leniently by any of the schemes: first word, last word, kind.

    As seqeval's get_entities; written out, so that predicting needs no extra.
    """
    found: list[Span] = []
    before, kind_before = OUTSIDE_TAG, ""
    for n, tag in enumerate(_inner(tags)):
        letter, kind = tag[:1], tag[1:].removeprefix("-") or "_"
        goes_on = letter in "IE" and before in "BI" and kind == kind_before
        if goes_on:
            found[-1] = (found[-1][0], n, kind)
        elif letter != OUTSIDE_TAG:
            found.append((n, n, kind))
        before, kind_before = letter, kind
    return found


def tags_of(entities: Sequence[Span], length: int, scheme: str = "IOB2") -> list[str]:
    """Gives the tags of a sentence of `length` words from its entities, in the order of their places.

    Args:
        entities: first word, last word, kind.
        scheme: IOB2, or one of LOOSE_SCHEMES.
    """
    tags = [OUTSIDE_TAG] * length
    for n, (first, last, kind) in enumerate(entities):
        tags[first : last + 1] = [f"I-{kind}"] * (last - first + 1)
        touches = n > 0 and entities[n - 1][1:] == (first - 1, kind)
        touched = n + 1 < len(entities) and entities[n + 1][0] == last + 1 and entities[n + 1][2] == kind
        if scheme == "IOB2" or (scheme == "IOB1" and touches):
            tags[first] = f"B-{kind}"
        if scheme == "IOE2" or (scheme == "IOE1" and touched):
            tags[last] = f"E-{kind}"
    return tags


def as_iob2(tags: Sequence[str]) -> list[str]:
    """Gives the same entities as IOB2 marks them, lenient reading."""
    return tags_of(spans(tags), len(tags))


def _inner(tags: Sequence[str]) -> list[str]:
    """Gives the letters of BMES and BILOU as IOBES has them; tags of other schemes stay."""
    return [
        f"{IOBES_LETTERS[tag[0]]}{tag[1:]}" if tag[:1] in IOBES_LETTERS and tag[1:2] == "-" else tag for tag in tags
    ]


def tags_score(gold: Tags, predicted: Tags, scheme: str = "") -> dict[str, float]:
    """Gives precision, recall and F1 of entities, micro average, by seqeval.

    Args:
        gold, predicted: tags of sentences of equal length. Of tags without a prefix (NOUN, VERB) equal neighbours
            are one entity, except those that begin with S, as seqeval reads them.
        scheme: one of STRICT_SCHEMES for the strict reading; empty for the lenient one. In LOOSE_SCHEMES an I may
            begin an entity, so both readings are one.
    """
    with extra():
        from seqeval import scheme as schemes
        from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as lenient
        from seqeval.metrics.v1 import precision_recall_fscore_support as strict

    a, b = [_inner(t) for t in gold], [_inner(t) for t in predicted]
    scheme = "" if scheme in LOOSE_SCHEMES else "IOB2" if scheme == "IOB2" else scheme and "IOBES"
    if all(tag == "O" for tags in (*a, *b) for tag in tags):
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag")  # parts of speech are none
        if scheme:
            p, r, f, _ = strict(a, b, average="micro", scheme=getattr(schemes, scheme), zero_division=0)
        else:
            p, r, f, _ = lenient(a, b, average="micro", zero_division=0)
    return {"f1": 100 * float(f), "precision": 100 * float(p), "recall": 100 * float(r)}


def tags_accuracy(gold: Tags, predicted: Tags) -> float:
    """Gives the share of words with the right tag, O included."""
    pairs = [g == p for a, b in zip(gold, predicted, strict=True) for g, p in zip(a, b, strict=True)]
    return 100 * float(np.mean(pairs)) if pairs else 0.0


def texts_score(gold: Sequence[Named], predicted: Sequence[Named], kinds: Sequence[str]) -> float:
    """Gives CLUENER2020's own score: the plain mean over `kinds` of the F1 of entity texts, each once per sentence.

    A kind that is neither in the gold nor predicted counts as 0, as in the script of its authors.

    Args:
        gold, predicted: of each sentence the entities, as pairs of kind and text.
    """
    scores = []
    for kind in kinds:
        sides = [
            {(n, text) for n, held in enumerate(side) for of, text in held if of == kind}
            for side in (gold, predicted)
        ]
        scores.append(entities_score(*sides)["f1"])
    return float(np.mean(scores)) if scores else 0.0


def entities_score(gold: Iterable[tuple], predicted: Iterable[tuple]) -> dict[str, float]:
    """Gives precision, recall and F1 of sets of entities, micro average; 0 where a share is of nothing."""
    a, b = set(gold), set(predicted)
    right = len(a & b)
    precision = right / len(b) if b else 0.0
    recall = right / len(a) if a else 0.0
    f = 2 * right / (len(a) + len(b)) if a or b else 0.0
    return {"f1": 100 * f, "precision": 100 * precision, "recall": 100 * recall}

"""Makes sets of the examples of data sets that other tasks read: SQuAD's form, parallel text, labelled pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.tasks.similarity.sets import Bitext, Pairs, Retrieval


def questions_as_queries(examples: Sequence[Any]) -> Retrieval:
    """Gives questions as queries and their contexts as documents, as mteb's XQuADRetrieval does.

    Texts are stripped; the same context is one document, and of a repeated question the last row's id stays.
    """
    corpus: dict[str, str] = {}
    queries: dict[str, str] = {}
    relevant: dict[str, dict[str, float]] = {}
    names = {example.question.strip(): example.id for example in examples}
    for example in examples:
        context, question = example.context.strip(), example.question.strip()
        document = hashlib.sha256(context.encode()).hexdigest()
        corpus[document] = context
        queries[names[question]] = question
        relevant.setdefault(names[question], {})[document] = 1.0
    return Retrieval(queries, corpus, relevant)


def translations(examples: Sequence[Any]) -> Bitext:
    """Gives sentences and their translations."""
    return Bitext([e.source for e in examples], [e.target for e in examples])


def labelled_pairs(
    same: str = "", dropped: str = "", classes: Sequence[str] = (), size: int = 0, binary: bool = True
) -> Callable[[list[Any]], Pairs]:
    """Gives the function that makes pairs of classified or scored examples.

    Args:
        same: the label that means alike; without it the label is a number.
        dropped: the label of pairs that do not count.
        classes: all labels in the order of their published numbers, where mteb draws a sample.
        size: rows of that sample, drawn before others are dropped; 0 for all.
        binary: a threshold is looked for; else the label is correlated, also where it is 1 or 0.
    """

    def gather(examples: list[Any]) -> Pairs:
        numbers = [classes.index(e.label) for e in examples] if size else []
        chosen = [examples[n] for n in mteb_sample(numbers, size)] if size else examples
        kept = [e for e in chosen if e.label is not None and e.label != dropped]
        gold = [float(e.label == same) if same else float(e.label) for e in kept]
        return Pairs([e.text for e in kept], [e.pair for e in kept], gold, binary)

    return gather


def mteb_sample(labels: Sequence[int], size: int, seed: int = 42) -> list[int]:
    """Draws the rows that mteb's stratified subsample has: `datasets`' train_test_split, stratified by label.

    Args:
        labels: [N] class numbers, as published.
        size: rows that are drawn; all when there are not more.
    """
    if size >= len(labels):
        return list(range(len(labels)))
    generator = np.random.default_rng(seed)
    _, classes = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.bincount(classes)
    left_out = _shares(counts, len(labels) - size, generator)
    drawn = _shares(counts - left_out, size, generator)
    others: list[int] = []
    chosen: list[int] = []
    for label, count in enumerate(counts):
        rows = np.flatnonzero(classes == label)[generator.permutation(count)]
        others.extend(rows[: left_out[label]])
        chosen.extend(rows[left_out[label] : left_out[label] + drawn[label]])
    generator.permutation(others)
    return [int(n) for n in generator.permutation(chosen)]


def _shares(counts: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Gives how many of each class so many draws have: in proportion, what is left by the largest remainders."""
    exact = draws * counts / counts.sum()
    shares = np.floor(exact)
    missing = int(draws - shares.sum())
    for remainder in np.sort(np.unique(exact - shares))[::-1]:
        if missing <= 0:
            break
        equal = np.flatnonzero(exact - np.floor(exact) == remainder)
        added = generator.choice(equal, size=min(len(equal), missing), replace=False)
        shares[added] += 1
        missing -= len(added)
    return shares.astype(np.int64)

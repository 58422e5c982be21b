"""Pairs in, triplets out: reads the files, embeds the texts, writes what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files
from zoo.errors import InputError, UsageError
from zoo.files import quote
from zoo.loading import load
from zoo.mine.mining import MiningRules, mine
from zoo.models.common.sentence_transformers.encoder import SentenceEncoder
from zoo.tasks import answer_files
from zoo.tasks.rows import lines
from zoo.tasks.text_pairs import PairExample
from zoo.tasks.user_tasks import own
from zoo.terminal import Progress, status

BLOCK_ANCHORS = 1024  # anchors whose similarities to all documents are held at once
BLOCK_TEXTS = 1024  # texts between two steps of the progress bar


@dataclass(frozen=True)
class Sources:
    """What is read: pairs, how their columns are called, and more documents, a text a line; None for none."""

    data: Path
    columns: Mapping[str, str]
    corpus: Path | None = None


def write_negatives(
    model: str, sources: Sources, out: Path, rules: MiningRules, replace: bool = False
) -> dict[str, Any]:
    """Writes a file of triplets: a row with anchor, positive and negative for each negative of each pair.

    Args:
        model: of sentence embeddings, with its prompts for queries and documents.
        sources: where pairs and documents are.
        out: csv, tsv or jsonl, by its name; whole or not at all.
        rules: which negatives are taken.
        replace: a file that is there.

    Returns:
        Counts: pairs, anchors, documents, triplets, pairs without a negative, and what each rule passed over.

    Raises:
        UsageError: the model makes no vectors, or the file is there.
        InputError: the pairs or the corpus cannot be read.
    """
    answer_files.form_of(out, sources.data)
    files.probe_file(out, replace=replace)
    examples = _pairs(sources)
    with status("loading the model"):
        encoder = load(model, task="embedding")
    assert isinstance(encoder, SentenceEncoder)
    anchors = list(dict.fromkeys(e.anchor for e in examples))
    documents = list(dict.fromkeys([*(e.positive for e in examples), *_corpus(sources.corpus)]))
    number = {text: n for n, text in enumerate(documents)}
    positives: dict[str, list[int]] = {anchor: [] for anchor in anchors}
    for example in examples:
        positives[example.anchor].append(number[example.positive])
    with Progress("embedding", len(anchors) + len(documents), lambda n: f"{n:,}") as bar:
        queries = _vectors(encoder.encode_query, anchors, bar)
        held = _vectors(encoder.encode_document, documents, bar)
    blocks = (
        encoder.similarity(queries[at : at + BLOCK_ANCHORS], held) for at in range(0, len(queries), BLOCK_ANCHORS)
    )
    found = mine(blocks, list(positives.values()), rules, [number.get(anchor, -1) for anchor in anchors])
    rows = list(_triplets(examples, dict(zip(anchors, found.negatives, strict=True)), documents))
    if not rows:
        raise InputError("No candidate is left by the rules: there is nothing to write.", "Loosen them.")
    answer_files.write(out, rows, sources.data, replace)
    return {
        "pairs": len(examples),
        "anchors": len(anchors),
        "documents": len(documents),
        "triplets": len(rows),
        "anchors without a negative": sum(not len(each) for each in found.negatives),
        "passed over": dict(found.passed_over),
    }


def _pairs(sources: Sources) -> list[PairExample]:
    task: Any = own("pairs", sources.data, columns=sources.columns)
    if task.score_column:
        raise UsageError(
            f"{quote(str(sources.data), 200)} has scores, in the column {quote(task.score_column)}; negatives are "
            "looked for to pairs that belong together.",
            "Keep those that do, and remove the column.",
        )
    return list(task.read(sources.data))


def _corpus(file: Path | None) -> Iterator[str]:
    return iter(()) if file is None else (line for _, line in lines(file) if line.strip())


def _vectors(encode: Any, texts: Sequence[str], bar: Progress) -> np.ndarray:
    made = []
    for at in range(0, len(texts), BLOCK_TEXTS):
        made.append(encode(list(texts[at : at + BLOCK_TEXTS])))
        bar.add(len(made[-1]))
    return np.concatenate(made)


def _triplets(
    examples: Sequence[PairExample], negatives: Mapping[str, np.ndarray], documents: Sequence[str]
) -> Iterator[dict[str, str]]:
    for e in dict.fromkeys((e.anchor, e.positive) for e in examples):
        for n in negatives[e[0]].tolist():
            yield {"anchor": e[0], "positive": e[1], "negative": documents[n]}

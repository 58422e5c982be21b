"""Scores a model's embeddings on a task without training, and writes what was found."""

from __future__ import annotations

import argparse
import csv
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import files, published, registry, terminal
from zoo.errors import UsageError
from zoo.files import user_path
from zoo.finetune.data import source_of_path
from zoo.models.common.sentence_transformers import arrays
from zoo.search.compare import similarities
from zoo.tasks.scores import AVERAGE_ROW, Rows
from zoo.tasks.similarity import Measure, SimilarityData, SimilarityTask
from zoo.tasks.similarity.sets import DOCUMENT, QUERY, Side

if TYPE_CHECKING:
    from zoo.inference.pipelines.embeddings import Embeddings

log = logging.getLogger("zoo")

KEPT_VECTORS = 200_000  # texts whose vectors are kept for later languages of a data set
CHUNK_TEXTS = 1024  # texts between two movements of the progress bar
Prompt = tuple[str, str | None]  # an option of `Embeddings.encode`, and its value
PROMPTS = {QUERY: arrays.QUERY_PROMPTS, DOCUMENT: arrays.DOCUMENT_PROMPTS}


@dataclass
class Evaluation:
    """What a model scored on a task.

    Attributes:
        rows: language, "" where there is one, and "average" -> metric -> value; percent, but for thresholds.
        texts: that were embedded, each once.
        seconds: of embedding and scoring.
    """

    task: SimilarityTask
    split: str
    rows: Rows
    texts: int
    seconds: float

    @property
    def value(self) -> float:
        """Gives the headline: of the average, which is the last row, or of the one row."""
        return list(self.rows.values())[-1][self.task.metric]


def evaluate(
    pipe: Embeddings,
    task: SimilarityTask,
    source: str | Path,
    split: str = "",
    languages: Sequence[str] = (),
    on_language: Callable[[str, dict[str, float]], None] | None = None,
    prompt: str = "",
) -> Evaluation:
    """Scores the embeddings of a pipeline.

    Args:
        pipe: `zoo.pipeline("embeddings", model)`.
        task: of `zoo.tasks.similarity.find`.
        source: folder or file as published, or "hub".
        split: the task's own when empty.
        languages: all of the task when empty.
        on_language: is told the scores of each language as they come.
        prompt: what stands before texts that are neither query nor document: a name of the model's prompts, or a
            text; the model's default one when empty.

    Raises:
        InputError: a file is missing or malformed.
        UsageError: there is no such language.

    Example:
        >>> import zoo
        >>> from zoo.evaluate.untrained import evaluate
        >>> from zoo.tasks import similarity
        >>> pipe = zoo.pipeline("embeddings", "all-MiniLM-L6-v2")
        >>> found = evaluate(pipe, similarity.find("sts"), "pairs.csv")  # doctest: +SKIP
        >>> found.value  # doctest: +SKIP
        86.7
    """
    measure = Measure(pipe.sentence.similarity, partial(similarities, kind=pipe.sentence.similarity))
    rows: Rows = {}
    begin = time.perf_counter()
    wanted = task.chosen(source, languages)
    with ExitStack() as stack:
        texts = _Texts(pipe, stack, task.name, prompt)
        for number, (language, data) in enumerate(task.read(source, split, languages), 1):
            texts.label = f"{task.name} {language} ({number} of {len(wanted)})" if language else task.name
            rows[language] = data.scores(texts.vectors(data), measure)
            if on_language:
                on_language(language, rows[language])
    if len(rows) > 1:
        names = rows[next(iter(rows))]
        rows[AVERAGE_ROW] = {name: float(np.mean([row[name] for row in rows.values()])) for name in names}
    return Evaluation(task, split or task.split, rows, texts.count, time.perf_counter() - begin)


class _Texts:
    """Embeds each text once for each prompt, and keeps the vectors for the next language."""

    def __init__(self, pipe: Embeddings, stack: ExitStack, label: str, prompt: str) -> None:
        self.pipe, self.label, self.count, self.plain = pipe, label, 0, prompt
        self.kept: dict[tuple[Prompt, str], np.ndarray] = {}
        self.bar = stack.enter_context(terminal.Progress(label, 0, lambda n: f"{n:,} texts"))

    def vectors(self, data: SimilarityData) -> dict[str, np.ndarray]:
        """Gives side -> [N, D]."""
        prompts = {name: self._prompt(side) for name, side in data.sides.items()}
        if len(self.kept) > KEPT_VECTORS:
            self.kept.clear()
        for prompt in dict.fromkeys(prompts.values()):
            wanted = dict.fromkeys(t for n, side in data.sides.items() if prompts[n] == prompt for t in side.texts)
            self._embed([text for text in wanted if (prompt, text) not in self.kept], prompt)
        return {
            name: np.stack([self.kept[prompts[name], text] for text in side.texts])
            for name, side in data.sides.items()
        }

    def _prompt(self, side: Side) -> Prompt:
        if side.role:
            return "prompt_name", self.pipe.sentence.first_of(PROMPTS[side.role])
        if not self.plain and (unused := self.pipe.sentence.unused):
            log.warning("The texts get none of the model's prompts %s; --prompt NAME takes one.", ", ".join(unused))
        return ("prompt", self.plain) if self.plain else ("prompt_name", None)

    def _embed(self, texts: list[str], prompt: Prompt) -> None:
        self.bar.label = self.label
        self.bar.total += len(texts)
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), CHUNK_TEXTS):
            chunk = ordered[start : start + CHUNK_TEXTS]
            vectors = self.pipe.encode(chunk, **dict[str, Any]([prompt]))
            self.kept.update(((prompt, text), row) for text, row in zip(chunk, vectors, strict=True))
            self.bar.add(len(chunk))
        self.count += len(texts)


# --- the command ---


def evaluate_command(given: argparse.Namespace, task: SimilarityTask, languages: tuple[str, ...]) -> int:
    """Runs `zoo evaluate MODEL --task NAME` for a task without training."""
    import zoo

    if not given.data:
        raise UsageError(
            f"{task.name} needs its files.", "--data DIR, as published; `zoo evaluate --help` has examples."
        )
    out = user_path(given.out) if given.out else None
    if out:
        files.probe(out, last="scores.json")
    source = source_of_path(given.data)
    task.chosen(source, languages)
    with terminal.notes():
        pipe: Any = zoo.pipeline("embeddings", given.model, engine=given.engine, precision=given.precision)
        found = evaluate(pipe, task, source, given.split, languages, prompt=given.prompt)
    content = {
        "model": given.model,
        "task": task.name,
        "split": found.split,
        "prompt": given.prompt,
        "engine": pipe.deployed.summary,
        "metric": task.metric,
        "value": found.value,
        "texts": found.texts,
        "seconds": round(found.seconds, 2),
        "scores": found.rows,
    }
    if out:
        _write(out, content, found)
    if given.json:
        terminal.print_json(content)
        return 0
    _print(found, task, published_beside(given.model, found))
    if out:
        print(f"{out}: scores.json, scores.csv, scores.png")
    return 0


def published_beside(model: str, found: Evaluation) -> dict[str, float]:
    """Gives language -> the published headline, where the ledger has a number of this very data and metric."""
    card = registry.lookup(model)
    scores = published.of_task(card.name, found.task.name, found.split) if card else ()
    return {score.language: score.value for score in scores if score.metric == found.task.metric}


def _print(found: Evaluation, task: SimilarityTask, beside: dict[str, float]) -> None:
    names = task.shown
    header = (f"{task.name}, {found.split}", *names, *((f"published {task.metric}",) if beside else ()))
    rows = [
        (
            row or task.title,
            *(f"{held[n]:.2f}" for n in names),
            *((f"{beside[row]:.2f}" if row in beside else "",) if beside else ()),
        )
        for row, held in found.rows.items()
    ]
    terminal.table(rows, header, right=range(1, len(header)))
    print(f"{task.metric} {found.value:.2f}; {found.texts:,} texts in {found.seconds:.0f} s")
    if task.note:
        print(task.note)


def _write(out: Path, content: dict[str, Any], found: Evaluation) -> None:
    from zoo.evaluate.plot import draw

    with files.publish(out, last="scores.json") as folder:
        with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("language", "metric", "value"))
            writer.writerows(
                (lang, name, f"{v:.6f}") for lang, held in found.rows.items() for name, v in held.items()
            )
        draw(folder / "scores.png", found)
        files.write_json(folder / "scores.json", content)

"""The answer to every row that a run was scored on: predictions.jsonl, for its report and for `zoo compare`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files, metrics
from zoo.errors import UsageError
from zoo.files import Fields, parse_json, quote
from zoo.finetune.judgement import Judgement, Split
from zoo.tasks import Task
from zoo.tasks.features import Ragged
from zoo.tasks.readable import softmax
from zoo.tasks.scores import ALL_ROW

FILE = "predictions.jsonl"
MOST_ROWS = 50_000  # of a split
MOST_TEXT = 32 << 20  # characters of all texts; the rows behind them are kept without
LONGEST_TEXT = 2_000  # characters of one text
LONGEST_FILE = 512 << 20  # bytes that are read
AROUND = 300  # characters of a context that are kept on either side of an answer
BEST = 5  # answers whose scores are kept
SMALLEST = 1e-12  # a probability whose logarithm is a number


@dataclass(frozen=True)
class Kept:
    """One row and what was answered.

    Attributes:
        split, id, language: of the row.
        gold, answer: a class, a number, a text, a list of tags; of questions the list of right answers, and a text.
        right: the answer is as good as can be.
        loss: -log of the probability of the gold answer, a mean over words for tags; None where nothing says it.
        values: metric -> percent, for metrics of a single row.
        scores: answer -> probability, the likeliest first; of tags the probability of each word's tag, by number.
        texts: name -> what was read.
        marks: of a context: "gold" and "answer" -> first and last character, the last not included.
        counts: of tags: entities that are right, predicted and gold.
    """

    split: str
    id: str
    language: str
    gold: Any
    answer: Any
    right: bool
    loss: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, list[int]] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells a row from the others of a data set."""
        return self.split, self.language, self.id


def rows_of(task: Task, found: Judgement, split: Split) -> Iterator[Kept]:
    """Gives the answered rows of a split, at most MOST_ROWS; none for heads that do not answer row by row.

    Args:
        task: whose threshold the scores were made with.
    """
    about = ABOUT.get(task.head)
    if about is None:
        return
    details = about(task, found, split)
    for example, answer, more in zip(split.examples[:MOST_ROWS], found.answers, details, strict=False):
        yield Kept(split=split.name, id=example.id, language=example.language, **{"answer": answer, **more})


def _classes(task: Any, found: Judgement, split: Split) -> Iterator[dict[str, Any]]:
    names = task.letters if task.head == "multiple-choice" else task.labels
    for n, example in enumerate(split.examples):
        row: Any = example
        texts = (
            {"article": row.article, "question": row.question, "options": list(row.options)}
            if task.head == "multiple-choice"
            else {"text": row.text, **({"pair": row.pair} if row.pair is not None else {})}
        )
        if not names:  # a number
            gap = float(found.answers[n]) - float(row.label)
            yield {"gold": float(row.label), "right": abs(gap) < 1e-6, "loss": _short(gap * gap), "texts": texts}
            continue
        shares = softmax(np.asarray(found.outputs["logits"][n]).reshape(-1))
        right = found.answers[n] == row.label
        yield {
            "gold": row.label,
            "right": right,
            "loss": _loss(shares[names.index(row.label)]),
            "values": {"accuracy": 100.0 * right},
            "scores": {names[k]: _short(shares[k]) for k in np.argsort(-shares, kind="stable")[:BEST]},
            "texts": texts,
        }


def _tags(task: Any, found: Judgement, split: Split) -> Iterator[dict[str, Any]]:
    held = split.features.notes["words"]
    assert isinstance(held, Ragged)
    index = {tag: n for n, tag in enumerate(task.labels)}
    rows: dict[int, list[int]] = {}
    for n, sample in enumerate(split.features.sample.tolist()):
        rows.setdefault(sample, []).append(n)
    for n, example in enumerate(split.examples):
        row: Any = example
        sure: dict[int, float] = {}
        losses = []
        for at in rows.get(n, ()):
            places = np.flatnonzero(held[at] >= 0)
            shares = softmax(np.asarray(found.outputs["logits"][at])[places])
            for word, share in zip(held[at][places].tolist(), shares, strict=True):
                sure[word] = _short(share[index[found.answers[n][word]]])
                losses.append(_loss(share[index[row.tags[word]]]))
        gold, answer = (set(metrics.spans(tags)) for tags in (row.tags, found.answers[n]))
        same = sum(a == b for a, b in zip(row.tags, found.answers[n], strict=True))
        yield {
            "gold": list(row.tags),
            "answer": list(found.answers[n]),
            "right": same == len(row.tags),
            "loss": _short(float(np.mean(losses))) if losses else None,
            "values": {"words right": 100.0 * same / len(row.tags)},
            "scores": {str(word): value for word, value in sorted(sure.items())},
            "texts": {"words": list(row.words)},
            "counts": [len(gold & answer), len(answer), len(gold)],
        }


def _questions(task: Any, found: Judgement, split: Split) -> Iterator[dict[str, Any]]:
    for example, answer in zip(split.examples, found.answers, strict=True):
        row: Any = example
        values = {name: float(task.measure([answer], [row])[ALL_ROW][name]) for name in task.metrics}
        said, golds = task.final(answer), [gold.text for gold in row.answers]
        top = answer.nbest[0][1] if answer.nbest else 0.0
        logits = {text: logit - top for text, logit in answer.nbest}
        if task.unanswerable and logits:
            logits[""] = answer.no_answer  # beside the best span, which stands at 0
        shares = dict(zip(logits, softmax(np.array(list(logits.values()) or [0.0])).tolist(), strict=False))
        likely = sorted(shares, key=lambda text: -shares[text])[:BEST]
        sure = sum(shares.get(text, 0.0) for text in dict.fromkeys(golds or [""]))
        context, marks = _excerpt(row, said, answer)
        yield {
            "gold": golds,
            "answer": said,
            "right": values[task.metrics[0]] >= 100,
            "loss": _loss(sure) if shares else None,
            "values": values,
            "scores": {text: _short(shares[text]) for text in likely},
            "texts": {"question": row.question, "context": context},
            "marks": marks,
        }


def _excerpt(row: Any, said: str, answer: Any) -> tuple[str, dict[str, list[int]]]:
    """Gives the part of a context that has the gold answer and what was said, and where they are in it."""
    found: dict[str, list[int]] = {}
    if row.answers and row.answers[0].start >= 0:
        found["gold"] = [row.answers[0].start, row.answers[0].start + len(row.answers[0].text)]
    if said and answer.starts:
        found["answer"] = [answer.starts[0], answer.starts[0] + len(said)]
    elif said and (at := row.context.find(said)) >= 0:
        found["answer"] = [at, at + len(said)]
    begin = max(0, min((a for a, _ in found.values()), default=0) - AROUND)
    end = min(max((b for _, b in found.values()), default=0) + AROUND, begin + LONGEST_TEXT)
    before, behind = "… " if begin else "", " …" if end < len(row.context) else ""
    shift = len(before) - begin
    marks = {name: [a + shift, b + shift] for name, (a, b) in found.items() if b <= end}
    return before + row.context[begin:end] + behind, marks


def _texts(task: Any, found: Judgement, split: Split) -> Iterator[dict[str, Any]]:
    for example, answer in zip(split.examples, found.answers, strict=True):
        row: Any = example
        measured = task.measure([answer], [row])[ALL_ROW]
        texts = {"text": row.source, **({"lead": row.lead} if row.lead else {})}
        yield {"gold": row.target, "right": answer == row.target, "values": measured, "texts": texts}


ABOUT: dict[str, Callable[[Task, Judgement, Split], Iterator[dict[str, Any]]]] = {
    "classification": _classes,
    "multiple-choice": _classes,
    "tagging": _tags,
    "qa": _questions,
    "generation": _texts,
}


def _loss(share: float) -> float:
    return _short(-math.log(max(float(share), SMALLEST)))


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")


def write(file: Path, rows: Sequence[Kept], counts: Sequence[int]) -> list[str]:
    """Writes rows, one object a line; gives a sentence for what was left out. Without rows there is no file.

    Args:
        counts: rows of each split.
    """
    if not rows:
        return []
    text, without = 0, 0
    with files.write_file(file, replace=True) as stream:
        for row in rows:
            held = asdict(row)
            held["texts"] = {name: _cut(value) for name, value in row.texts.items()}
            text += sum(len(str(value)) for value in held["texts"].values())
            if text > MOST_TEXT:
                without += 1
                held["texts"], held["marks"] = {}, {}
            line = json.dumps(held, ensure_ascii=False) + "\n"
            stream.write(line.encode("utf-8", "replace").decode())  # half characters cannot be written
    notes = []
    if any(count > MOST_ROWS for count in counts):
        notes.append(f"{FILE} has the first {MOST_ROWS:,} rows of each split")
    if without:
        notes.append(f"{FILE} has no texts for its last {without:,} rows")
    return notes


def _cut(value: Any) -> Any:
    return value[:LONGEST_TEXT] + "…" if isinstance(value, str) and len(value) > LONGEST_TEXT else value


def read(file: Path, split: str = "") -> list[Kept]:
    """Reads predictions.jsonl; [] where there is none.

    Args:
        split: only these rows.

    Raises:
        UsageError: a line is not what a run writes.
    """
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(files.read_text(file, LONGEST_FILE, UsageError).split("\n"), 1):
        if not line:
            continue
        where = f"{quote(str(file), 200)}, line {number},"
        content = parse_json(line, where, error=UsageError)
        if not isinstance(content, dict) or not {"split", "id", "gold", "answer"} <= content.keys():
            raise UsageError(
                f"{where} is not what a run writes.", "Remove the file; the run trains and scores without."
            )
        about = Fields(content, where, UsageError)
        if split and about.text("split", "") != split:
            continue
        numbers = {
            name: {key: float(about.below(name).number(key, 0.0) or 0.0) for key in about.below(name).content}
            for name in ("values", "scores")
        }
        marks = {
            name: [int(n) for n in about.below("marks").items(name, [], int, 2)]
            for name in about.below("marks").content
        }
        found.append(
            Kept(
                about.text("split", ""),
                about.text("id", ""),
                about.text("language", ""),
                content["gold"],
                content["answer"],
                about.flag("right", False),
                about.number("loss", None),
                **numbers,
                texts=dict(about.object("texts", {})),
                marks=marks,
                counts=[int(n) for n in about.items("counts", [], int, 3)],
            )
        )
    return found

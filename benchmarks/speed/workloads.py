"""Whole workloads from raw strings to answers: `python -m benchmarks.speed.workloads [NAME...]`

SST-2 dev, XNLI test in 15 languages, People's Daily test, SQuAD 2.0 and 10,872 sentences to embed, by zoo.pipeline
in several engines and precisions (int8: the first recipe of zoo.export, without its gate), by a careful torch loop
in bfloat16 (speed/torch_loop.py) and by transformers' pipeline at its defaults, whose time for all rows is
extrapolated from some of them. The loop's products with the weights alone say what is left to gain in bfloat16. The
network is all-MiniLM-L6-v2 with its published weights; the heads are fitted by least squares to training rows
(benchmarks/accuracy/fitted_heads.py), which makes answers worth comparing and no good scores.
Answers are compared with those of the zoo's eager float32 network. Each side is a process of its own, with
all cores; those in bfloat16 and int8 take turns. The first pass of a side is not counted, but of eager and
transformers' pipeline, which make nothing at first. A workload's rows are written when it is finished, and
`--missing` leaves out those that are there. Needs torch, transformers, openvino, paddle2onnx, nncf.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.accuracy import fitted_heads
from benchmarks.speed.inference_sides import CALIBRATION, MODULE, PIPELINES
from zoo import metrics, tasks
from zoo.bench.worker import Worker

COMMAND = "python -m benchmarks.speed.workloads"
NAME = "sentence-transformers/all-MiniLM-L6-v2"
DATA = common.SHARED / "data"
WORK = common.ROOT / "build" / "workloads"
CALIBRATED = 100  # training rows that int8 is calibrated on
SAMPLE = 200  # rows that transformers' pipeline answers
EAGER, LOOP, PIPELINE = "zoo eager fp32", "torch loop bf16", "transformers pipeline"
PRODUCTS = "products alone, torch bf16"  # no answers: the loop, if all else cost nothing
# name -> side, engine of the zoo, precision
SIDES = {
    EAGER: ("zoo", "eager", "fp32"),
    "zoo paddle fp32": ("zoo", "paddle", "fp32"),
    "zoo paddle bf16": ("zoo", "paddle", "bf16"),
    "zoo openvino fp32": ("zoo", "openvino", "fp32"),
    "zoo openvino bf16": ("zoo", "openvino", "bf16"),
    "zoo openvino int8": ("zoo", "openvino", "int8"),
    LOOP: ("torch", "", "bf16"),
    PRODUCTS: ("torch products", "", "bf16"),
    PIPELINE: ("transformers pipeline", "", "fp32"),
}
TIMED = tuple(
    name for name in SIDES if not name.endswith("fp32") and name != PIPELINE
)  # in turn; the others one after the other
SLOW = (EAGER, PIPELINE)  # whose first pass counts


@dataclass(frozen=True)
class Workload:
    """Rows to answer.

    Attributes:
        title: with the rows that were taken.
        task: a pipeline's name.
        data: the data set, by its name in `zoo.tasks`; "" for none.
        examples: the rows, and those that the head is fitted to.
        item: of a row: what a pipeline takes, as JSON.
        score: the metric in percent of answers, given the rows (and for vectors those of the eager network).
    """

    title: str
    task: str
    data: str
    examples: Callable[[], list[Any]]
    training: Callable[[], list[Any]]
    item: Callable[[Any], Any]
    metric: str
    score: Callable[[Any, list[Any], Any], float]


def read(task: str, source: Path, split: str, step: int = 1, limit: int | None = None) -> list[Any]:
    """Every so many-th row of a data set."""
    return list(tasks.find(task).read(source, split))[::step][:limit]


def accuracy(found: Sequence[str], examples: list[Any], eager: Any) -> float:
    return 100 * float(np.mean([a == e.label for a, e in zip(found, examples, strict=True)]))


def entities(found: Sequence[list], examples: list[Any], eager: Any) -> float:
    """F1 of entities by their characters; a row's text is its words without spaces."""
    gold, predicted = [], []
    for n, (example, answer) in enumerate(zip(examples, found, strict=True)):
        at = np.cumsum([0, *map(len, example.words)]).tolist()
        gold += [(n, at[a], at[b + 1], kind) for a, b, kind in metrics.spans(example.tags)]
        predicted += [(n, *entity) for entity in answer]
    return metrics.entities_score(gold, predicted)["f1"]


def answers(found: Sequence[str], examples: list[Any], eager: Any) -> float:
    """SQuAD 2.0's F1."""
    golds = [[gold.text for gold in example.answers] for example in examples]
    scores = (metrics.answer_score("english", "f1", True, g, a) for g, a in zip(golds, found, strict=True))
    return metrics.mean_percent(list(scores))


def cosine(found: np.ndarray, examples: list[Any], eager: np.ndarray) -> float:
    """Mean cosine to the eager network's vectors."""
    return 100 * float((found * eager).sum(1).mean())


def sentence(example: Any) -> str:
    return example.text


def sst2_train(limit: int) -> list[Any]:
    return read("sst2", DATA / "glue/SST-2", "train", limit=limit)


WORKLOADS = {
    "sst2": Workload(
        "SST-2 dev",
        "classification",
        "sst2",
        lambda: read("sst2", DATA / "glue/SST-2", "dev"),
        lambda: sst2_train(2000),
        sentence,
        "accuracy",
        accuracy,
    ),
    "xnli": Workload(
        "XNLI test, 15 languages, every 30th row",
        "classification",
        "xnli",
        lambda: read("xnli", DATA / "xnli/xnli.test.tsv.gz", "test", 30),
        lambda: read("xnli", DATA / "xnli/xnli.dev.tsv.gz", "dev", 15),
        lambda example: [example.text, example.pair],
        "accuracy",
        accuracy,
    ),
    "peoples-daily": Workload(
        "People's Daily test",
        "ner",
        "peoples-daily",
        lambda: read("peoples-daily", DATA / "peoples_daily_ner", "test"),
        lambda: read("peoples-daily", DATA / "peoples_daily_ner/example.train.head1000", "train"),
        lambda example: "".join(example.words),
        "F1 of entities",
        entities,
    ),
    "squad2": Workload(
        "SQuAD 2.0 dev, every 10th question of 16 articles",
        "qa",
        "squad2",
        lambda: read("squad2", DATA / "squad/dev-v2.0.cs224n.json", "dev", 10),
        lambda: read("squad2", DATA / "squad/train-v2.0.head10.json", "train", 12),
        lambda example: {"question": example.question, "context": example.context},
        "F1",
        answers,
    ),
    "embed": Workload(
        "SST-2 dev and 10,000 of train to embed",
        "embeddings",
        "",
        lambda: read("sst2", DATA / "glue/SST-2", "dev") + sst2_train(10000),
        lambda: sst2_train(12000)[10000:],
        sentence,
        "cosine to eager",
        cosine,
    ),
}


def prepare(name: str, work: Workload, examples: list[Any]) -> Path:
    """The folder of a workload: model and tokenizer as transformers has them, and the items; made once."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    items = [work.item(example) for example in examples]
    (folder / "items.json").write_text(json.dumps(items, ensure_ascii=False), "utf-8")
    calibration = [work.item(example) for example in work.training()[::7][:CALIBRATED]]
    (folder / CALIBRATION).write_text(json.dumps(calibration, ensure_ascii=False), "utf-8")
    step = max(1, len(items) // SAMPLE)
    (folder / "sample.json").write_text(json.dumps(items[::step][:SAMPLE], ensure_ascii=False), "utf-8")
    done, code = folder / "fitted_by", Path(fitted_heads.__file__).read_text("utf-8")
    if not done.is_file() or done.read_text("utf-8") != code:
        shutil.rmtree(folder / "model", ignore_errors=True)
        fitted_heads.fitted(folder / "model", work.task, work.data, work.training(), work.item)
        done.write_text(code, "utf-8")
    return folder


def measure(
    name: str, work: Workload, rounds: int, limit: int | None, sides: Sequence[str]
) -> list[dict[str, Any]]:
    """A row for each side."""
    examples = work.examples()[:limit]
    folder = prepare(name, work, examples)
    seconds: dict[str, list[float]] = {}
    for side in sides:
        if side not in TIMED and (side != PIPELINE or work.task in PIPELINES):
            with open_side(side, folder, work) as worker:
                passes = [ask(worker, side, folder) for _ in range(1 if side in SLOW else 2)]
                seconds[side] = passes[-1:]
    with ExitStack() as stack:
        workers = {side: stack.enter_context(open_side(side, folder, work)) for side in sides if side in TIMED}
        for side, worker in workers.items():
            ask(worker, side, folder)
            seconds[side] = []
        for n in range(rounds):
            for side in list(workers)[:: 1 if n % 2 == 0 else -1]:
                seconds[side].append(ask(workers[side], side, folder))
    found = {side: load(folder, side) for side in seconds if side not in (PIPELINE, PRODUCTS)}
    sample = len(json.loads((folder / "sample.json").read_text("utf-8")))
    spent = {side: float(np.median(values)) for side, values in seconds.items()}
    if PIPELINE in spent:
        spent[PIPELINE] *= len(examples) / sample
    scores = {side: work.score(answer, examples, found[EAGER]) for side, answer in found.items()}
    return [
        {
            "workload": name,
            "title": work.title,
            "rows": len(examples),
            "side": side,
            "seconds": round(taken, 3),
            "extrapolated from": sample if side == PIPELINE else None,
            "times pipeline": round(spent[PIPELINE] / taken, 2) if PIPELINE in spent else None,
            "times torch loop": round(spent[LOOP] / taken, 2) if LOOP in spent else None,
            "differ": differing(found[side], found[EAGER]) if side in found else None,
            "metric": work.metric,
            "value": round(scores[side], 3) if side in found else None,
            "metric difference": round(scores[side] - scores[EAGER], 3) if side in found else None,
            "rounds": rounds if side in TIMED else 1,
        }
        for side, taken in spent.items()
    ]


def open_side(name: str, folder: Path, work: Workload) -> Worker:
    side, engine, precision = SIDES[name]
    items = folder / ("sample.json" if name == PIPELINE else "items.json")
    job = {"side": side, "engine": engine, "precision": precision, "task": work.task, "items": str(items)}
    worker = Worker(MODULE, {**job, "folder": str(folder / "model")})
    summary = worker.about.get("summary")
    print(f"{folder.name}: {name}{f' ({summary})' if summary else ''}", flush=True)
    return worker


def ask(worker: Worker, side: str, folder: Path) -> float:
    """Seconds for all items of the side; its answers are in the folder."""
    seconds = float(worker.ask({"what": "answer", "out": str(folder / side)})["seconds"])
    print(f"  {side}: {seconds:.3f} s", flush=True)
    return seconds


def load(folder: Path, side: str) -> Any:
    vectors = folder / f"{side}.npy"
    return np.load(vectors) if vectors.is_file() else json.loads((folder / f"{side}.json").read_text("utf-8"))


def differing(found: Any, eager: Any) -> int:
    """Answers that are not the eager network's; of vectors, how many texts have another nearest text."""
    if isinstance(found, np.ndarray):
        return int((neighbours(found) != neighbours(eager)).sum())
    return sum(a != b for a, b in zip(found, eager, strict=True))


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """The nearest other row of each row [N, D]; -1 where a row is there twice, so that rounding decides."""
    found = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), 1024):
        scores = vectors[start : start + 1024] @ vectors.T
        rows = np.arange(len(scores))
        scores[rows, rows + start] = -np.inf
        found[start : start + 1024] = np.where(scores.max(1) > 1 - 1e-4, -1, scores.argmax(1))
    return found


def known() -> list[dict[str, Any]]:
    path = common.RESULTS / "workloads.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []


def main() -> None:
    """Measures, prints ours beside the references, writes results/workloads.*"""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)}; all without")
    parser.add_argument("--missing", action="store_true", help="leave out what results/ has")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="only so many, for a trial, which writes no results")
    given = parser.parse_args()
    if unknown := set(given.names) - set(WORKLOADS):
        parser.error(f"there is no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    done = {row["workload"] for row in known()} if given.missing else set()
    for name in given.names or WORKLOADS:
        if name in done:
            continue
        rows = measure(name, WORKLOADS[name], given.rounds, given.rows, list(SIDES))
        at = {row["side"]: row["seconds"] for row in rows}
        for row in rows:
            print(row, flush=True)
        for side in SIDES:
            for reference in (PIPELINE, LOOP):
                if side.startswith("zoo") and side != EAGER and reference in at:
                    common.compare(f"{name}, {side}, reference {reference}", at[side], at[reference], " s")
        if given.rows is None:
            kept = [row for row in known() if row["workload"] != name]
            order = list(WORKLOADS)
            common.write("workloads", COMMAND, sorted(kept + rows, key=lambda r: order.index(r["workload"])))


if __name__ == "__main__":
    main()

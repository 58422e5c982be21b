"""A tagger from training to deployment: `python -m examples.ner_chain --data FOLDER`. See docs/ner.md.

Finetunes a network on People's Daily's files, exports it in float32, bfloat16 and int8 with the score guarded on
the development set, runs each export over the test sentences, and prints what each scores, costs and how fast it
answers. Without --model the network is a small one that knows nothing yet, so that everything takes minutes. A
stopped chain goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

import zoo
from zoo import tasks, terminal
from zoo.errors import GuardError
from zoo.export.run import export
from zoo.export.score_check import Gate, ScoreCheck, read_gate
from zoo.finetune import FinetuneConfig, finetune
from zoo.inference.deployed import deploy, read_settings
from zoo.inference.engines.eager import Eager
from zoo.inference.pipelines.base import Pipeline
from zoo.models.common.base import Origin
from zoo.models.structbert.config import Config
from zoo.models.structbert.model import build

TASK = "peoples-daily"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SIZES = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "intermediate_size": 768,
    "max_position_embeddings": 256,
}
# What a network learns with from nothing; a pretrained one has a recipe of its own.
FROM_NOTHING = {
    "epochs": 8.0,
    "batch_size": 16,
    "lr": 5e-4,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "max_length": 256,
}
EXPORTS = (("paddle", "fp32"), ("paddle", "bf16"), ("openvino", "bf16"), ("openvino", "int8"))
SINGLE = 100  # sentences that are asked for one at a time
ROUNDS = 5


@dataclass(frozen=True)
class Line:
    """One export.

    Attributes:
        f1, accuracy: on the test split, percent.
        points: F1 less that of eager float32.
        ms, p95: of one sentence alone, median and 95th percentile.
        sentences: per second over the whole list, raw text to entities; the best of some rounds.
    """

    engine: str
    precision: str
    recipe: str
    f1: float
    accuracy: float
    points: float
    megabytes: float
    ms: float
    p95: float
    sentences: float


def small_network(data: Path, folder: Path) -> Path:
    """A converted folder of a BERT with random weights, whose vocabulary is the characters of train and dev."""
    source = folder.parent / "vocabulary"
    source.mkdir(parents=True, exist_ok=True)
    task = tasks.find(TASK)
    examples = [example for split in ("train", "dev") for example in task.read(data, split)]
    found = {character for example in examples for character in example.words}  # type: ignore[attr-defined]
    words = [*SPECIAL, *sorted(found)]
    (source / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    config = Config.from_dict({**SIZES, "vocab_size": len(words)})
    paddle.seed(1)
    model = build(config, None, pooler=True)
    model.origin = Origin("structbert", "BertModel", "zoo.models.structbert", source, None)
    model.save(folder)
    return folder


def learn(data: Path, model: str, run: Path) -> None:
    """Finetunes once."""
    record = run / "run.json"
    if record.is_file() and json.loads(record.read_text("utf-8")).get("status") == "finished":
        return
    given = {"task": TASK, "model": model, "data": str(data), "out": str(run)}
    if model:
        finetune(resume=run.exists(), **given)
        return
    given["model"] = str(small_network(data, run.parent / "small"))
    finetune(FinetuneConfig(**given, **FROM_NOTHING), resume=run.exists())  # type: ignore[arg-type]


def exports(data: Path, run: Path, work: Path) -> Iterator[Path]:
    """Every export that passed its gate: the development set is judged, the train split calibrates int8."""
    for to, precision in EXPORTS:
        out = work / f"{to}-{precision}"
        try:
            if not out.is_dir():
                export(run, out, to, precision, ScoreCheck(str(data)))
            yield out
        except GuardError as error:  # an export that loses too much is a result too
            print(f"{to} {precision} is refused. {error}")


def measure(pipes: Sequence[Pipeline], sentences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds for the whole list [rounds, pipes], and milliseconds of single sentences [texts, pipes].

    The pipes take turns, so that a busy machine slows all of them alike.
    """

    def seconds(pipe: Pipeline, given: Any) -> float:
        start = time.perf_counter()
        pipe(given)
        return time.perf_counter() - start

    whole = [[seconds(pipe, list(sentences)) for pipe in pipes] for _ in range(ROUNDS)]
    some = sentences[:: max(1, len(sentences) // SINGLE)]
    # Twice: a length that an engine has not seen costs it some milliseconds once.
    alone = [[[1000 * seconds(pipe, text) for pipe in pipes] for text in some] for _ in range(2)][-1]
    return np.array(whole), np.array(alone)


def lines_of(folders: Sequence[Path], gate: Gate, sentences: Sequence[str]) -> list[Line]:
    """Scores the exports and runs each over the sentences; the answers go to a file beside it."""
    opened = [deploy(folder) for folder in folders]
    pipes = [zoo.pipeline("ner", deployed, split="characters") for deployed in opened]
    found = []
    for folder, deployed, pipe in zip(folders, opened, pipes, strict=True):
        trade = gate.judge(deployed.engine, deployed.choice.precision, deployed.choice.engine, size_of(folder))
        with open(folder.with_suffix(".jsonl"), "w", encoding="utf-8") as file:
            for text, entities in zip(sentences, pipe(list(sentences)), strict=True):
                file.write(json.dumps({"text": text, "entities": entities}, ensure_ascii=False) + "\n")
        found.append(trade)
    whole, alone = measure(pipes, sentences)
    return [
        Line(
            trade.engine,
            trade.precision,
            json.loads((folder / "export.json").read_text("utf-8"))["guard"]["recipe"],
            round(trade.value, 2),
            round(trade.metrics["accuracy"], 2),
            round(trade.difference, 2),
            round(trade.bytes / 1e6, 2),
            round(float(np.median(alone[:, n])), 2),
            round(float(np.percentile(alone[:, n], 95)), 2),
            round(len(sentences) / float(whole[:, n].min()), 1),
        )
        for n, (folder, trade) in enumerate(zip(folders, found, strict=True))
    ]


def size_of(folder: Path) -> int:
    """Bytes of a folder's files."""
    return sum(file.stat().st_size for file in folder.iterdir())


def chain(data: Path, work: Path, model: str = "") -> list[Line]:
    """The whole chain, one line for each export."""
    run = work / "run"
    learn(data, model, run)
    network, settings = zoo.load(run / "best"), read_settings(run / "best")
    gate = read_gate(network, settings, str(data), split="test")
    gate.judge(Eager(network), "fp32", "eager", size_of(run / "best"))
    sentences = ["".join(example.words) for example in gate.examples]  # type: ignore[attr-defined]
    return lines_of(list(exports(data, run, work)), gate, sentences)


def plot(lines: Sequence[Line], file: Path) -> None:
    """F1 over sentences per second, one point an export."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for one in lines:
        axes.plot(one.sentences, one.f1, "o", label=f"{one.engine} {one.precision}")
    axes.legend(loc="lower left")
    best = max(one.f1 for one in lines)
    axes.set(xlabel="sentences per second", ylabel="F1, test", ylim=(best - 2, best + 1))
    axes.set_xlim(0, 1.25 * max(one.sentences for one in lines))
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def show(lines: Sequence[Line]) -> None:
    """The table."""
    header = ("engine", "precision", "recipe", "F1", "accuracy", "points", "MB", "ms", "p95 ms", "sentences/s")
    rows: list[list[Any]] = [[str(value) for value in asdict(one).values()] for one in lines]
    terminal.table(rows, header, right=range(3, len(header)))


def main() -> int:
    """Runs the chain; writes the answers and ner.png into --work."""
    parser = argparse.ArgumentParser(prog="python -m examples.ner_chain", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with example.train, .dev and .test")
    parser.add_argument("--model", default="", help="a name or folder; without it a small network from nothing")
    parser.add_argument("--work", type=Path, default=Path("build/ner"), help="where everything goes")
    given = parser.parse_args()
    return terminal.run(lambda: _main(given.data, given.work, given.model))


def _main(data: Path, work: Path, model: str) -> int:
    lines = chain(data, work, model)
    show(lines)
    plot(lines, work / "ner.png")
    print(f"answers and plot: {work}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

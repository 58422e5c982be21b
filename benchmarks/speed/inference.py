"""A batch of 8 x 128 at BERT-base's size, by engine: `python -m benchmarks.speed.inference`

The same random weights on every side; the texts are paragraphs of SQuAD cut at 128 tokens. "forward" is a batch of
ids, "texts" is from raw strings to labels. Each side is a process of its own with all cores; the parent asks them
in turn (`common.interleave`), so one computes while the others sleep. OpenVINO by hand is the graph that OpenVINO
makes of torch's network; its int8 is NNCF's post-training quantisation of that, whose accuracy says nothing with
random weights. Needs torch, transformers, openvino, nncf.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import common
from benchmarks.speed.inference_sides import MODULE
from zoo import env
from zoo.bench.worker import Worker

COMMAND = "python -m benchmarks.speed.inference"
BATCH, LENGTH, CALIBRATION = 8, 128, 32
VOCABULARY = common.SHARED / "assets/bert-base-uncased"
TEXTS = common.SHARED / "data/squad/train-v2.0.head10.json"
# name -> side, engine of the zoo, precision
SIDES = {
    "torch fp32": ("torch", "", "fp32"),
    "torch bf16": ("torch", "", "bf16"),
    "zoo paddle fp32": ("zoo", "paddle", "fp32"),
    "zoo paddle bf16": ("zoo", "paddle", "bf16"),
    "zoo openvino fp32": ("zoo", "openvino", "fp32"),
    "zoo openvino bf16": ("zoo", "openvino", "bf16"),
    "OpenVINO by hand fp32": ("OpenVINO by hand", "", "fp32"),
    "OpenVINO by hand bf16": ("OpenVINO by hand", "", "bf16"),
    "OpenVINO by hand int8": ("OpenVINO by hand", "", "int8"),
}
# what, ours, reference, the ratio that is the goal
GOALS = (
    ("zoo paddle fp32", "torch fp32", 1.15),
    ("zoo paddle bf16", "torch bf16", 1.5),
    ("zoo openvino fp32", "OpenVINO by hand fp32", 0.95),
    ("zoo openvino bf16", "OpenVINO by hand bf16", 0.95),
    ("OpenVINO by hand int8", "OpenVINO by hand bf16", 1.4),
)
WAYS = ("forward", "texts")


def make(folder: Path, layers: int, quantised: bool) -> None:
    """Writes what the sides read: the network, its tokenizer, OpenVINO's graphs, the texts and their ids."""
    import openvino
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(transformers.BertConfig(num_hidden_layers=layers)).eval()
    tokenizer = transformers.BertTokenizer.from_pretrained(VOCABULARY)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").write_bytes((VOCABULARY / "vocab.txt").read_bytes())
    articles = json.loads(TEXTS.read_text("utf-8"))["data"]
    texts = [p["context"] for article in articles for p in article["paragraphs"] if len(p["context"]) > 900]
    (folder / "items.json").write_text(json.dumps(texts[:BATCH]), "utf-8")
    rows = [_ids(tokenizer, [text]) for text in texts[: BATCH + CALIBRATION]]
    np.savez(folder / "batch.npz", **{n: np.concatenate([row[n] for row in rows[:BATCH]]) for n in rows[0]})
    (folder / "openvino").mkdir()
    example = {name: torch.from_numpy(array) for name, array in rows[0].items()}
    graph = openvino.convert_model(model, example_input=example)
    openvino.save_model(graph, folder / "openvino/model.xml", compress_to_fp16=False)
    if quantised:
        import nncf

        made = nncf.quantize(graph, nncf.Dataset(rows[BATCH:]), model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(made, folder / "openvino/int8.xml", compress_to_fp16=False)


def _ids(tokenizer, texts: Sequence[str]) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """[B, 128]; every text is longer than that."""
    made = tokenizer(list(texts), truncation=True, max_length=LENGTH, return_tensors="np")
    assert made["input_ids"].shape == (len(texts), LENGTH)
    return {name: array.astype(np.int64) for name, array in made.items()}


def measure(folder: Path, names: Sequence[str], rounds: int) -> list[dict[str, object]]:
    """A row for each side and way."""
    with ExitStack() as stack:
        workers = {}
        for name in names:
            side, engine, precision = SIDES[name]
            job = {"side": side, "engine": engine, "precision": precision, "task": "classification"}
            job |= {"folder": str(folder), "items": str(folder / "items.json"), "max_length": LENGTH}
            workers[name] = stack.enter_context(Worker(MODULE, job))
            _ = workers[name].about  # one after the other: compiling takes all cores
        logits = {name: np.array(worker.ask({"what": "forward"})["logits"]) for name, worker in workers.items()}
        message = {"forward": {"what": "forward"}, "texts": {"what": "answer"}}
        timings = {
            way: common.interleave({n: partial(w.ask, message[way]) for n, w in workers.items()}, rounds, 2)
            for way in WAYS
        }
    exact = logits.get("torch fp32", next(iter(logits.values())))
    return [
        {
            "what": way,
            "side": name,
            "ms": round(1000 * timings[way][name].median, 1),
            "least ms": round(1000 * timings[way][name].least, 1),
            "reference": (goal := next((g for g in GOALS if g[0] == name), (name, "", 0)))[1],
            "times reference": ratio(timings[way], name, goal[1]),
            "goal": goal[2] or None,
            "largest difference": float(f"{np.abs(logits[name] - exact).max():.2e}"),
            "threads": env.threads(),
            "rounds": rounds,
        }
        for way in WAYS
        for name in names
    ]


def ratio(timings: dict[str, common.Timing], name: str, reference: str) -> float | None:
    """How many times as fast as the reference; the median over rounds of the ratio within a round."""
    if reference not in timings:
        return None
    pairs = zip(timings[reference].seconds, timings[name].seconds, strict=True)
    return round(float(np.median([theirs / ours for theirs, ours in pairs])), 3)


def main() -> None:
    """Measures, prints ours beside the references, writes results/inference_speed.*"""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--layers", type=int, default=12, help="fewer for a trial, which writes no results")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        make(Path(folder), given.layers, "OpenVINO by hand int8" in given.sides)
        rows = measure(Path(folder), given.sides, given.rounds)
    at = {(row["what"], row["side"]): float(str(row["ms"])) for row in rows}
    for row in rows:
        print(row, flush=True)
        if row["times reference"] is not None:
            label = f"{row['what']}, {row['side']}, reference {row['reference']}"
            common.compare(label, at[row["what"], row["side"]], at[row["what"], row["reference"]], " ms")
    if given.layers == 12:
        print(f"wrote {common.write('inference_speed', COMMAND, rows).relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()

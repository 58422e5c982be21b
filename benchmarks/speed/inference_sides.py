"""The sides of inference_speed and workloads, each in a process of its own, which the parent asks in turn.

A job names a side, a precision, a task (a pipeline's name) and a folder: model and tokenizer as transformers has
them, items.json with what is to be answered, and for OpenVINO by hand openvino/ with its graph.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.bench.worker import Message, Run, serve
from zoo.env import peak_memory

if TYPE_CHECKING:
    from benchmarks.speed.torch_loop import TorchLoop

MODULE = "benchmarks.speed.inference_sides"
CALIBRATION = "calibration.json"  # items of the training rows


class Side(Protocol):
    """Answers items, and runs batches of arrays."""

    def forward(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def answer(self, items: Sequence[Any], max_length: int | None = None) -> Any: ...


class Zoo:
    """zoo.pipeline; what it answers in the form that all sides have."""

    def __init__(self, job: Message) -> None:
        import zoo
        from zoo.inference.deployed import deploy

        self.task = job["task"]
        head = "embedding" if self.task == "embeddings" else None
        if job["precision"] == "int8":
            made = deploy(job["folder"], head, "eager", "fp32")
            made.engine = quantised(made.engine.model, zoo.pipeline(self.task, made), Path(job["folder"]).parent)
            made.summary = "NNCF's plain recipe"
        else:
            made = deploy(job["folder"], head, job["engine"], job["precision"])
        self.forward = made.engine
        self.pipe = zoo.pipeline(self.task, made)
        self.summary = made.summary

    def answer(self, items: Sequence[Any], max_length: int | None = None) -> Any:
        given = [tuple(item) if isinstance(item, list) else item for item in items]
        found = self.pipe(given, max_length=max_length)
        if self.task == "embeddings":
            return np.stack(found)
        if self.task == "ner":
            return [[[e["start"], e["end"], e["entity_group"]] for e in entities] for entities in found]
        return [answer["answer" if self.task == "qa" else "label"] for answer in found]


def quantised(model: Any, pipe: Any, folder: Path) -> Any:
    """int8 by the first recipe of `zoo export`, without its gate: the workload measures what that costs.

    Args:
        model: the eager network.
        pipe: its pipeline, which encodes calibration.json.
        folder: holds that file; work is done below.
    """
    from zoo.export import quantise
    from zoo.inference.engines import Choice, module_of, open_graph

    work = folder / "int8"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    graph = module_of("openvino").write(model, work)
    given = [tuple(i) if isinstance(i, list) else i for i in json.loads((folder / CALIBRATION).read_text("utf-8"))]
    features = pipe.features([pipe.preprocess(item, **pipe.options) for item in given], pipe.options)
    rows = [{name: features.batch([n])[name] for name in graph.inputs} for n in range(len(given))]
    found = quantise.climb(work / "model.xml", work, rows, lambda rung, place: 0.0, lambda value: True)
    assert found is not None
    return open_graph(replace(graph, folder=found), Choice("openvino", "int8", ""), model)


class ByHand:
    """OpenVINO without the zoo: the graph of torch's network, the settings that its manual has for latency."""

    def __init__(self, job: Message) -> None:
        import openvino
        import transformers

        from zoo import env

        name = "int8.xml" if job["precision"] == "int8" else "model.xml"
        hint = "f32" if job["precision"] == "fp32" else "bf16"
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        options["INFERENCE_NUM_THREADS"] = str(env.threads())
        self.model = openvino.Core().compile_model(Path(job["folder"], "openvino", name), "CPU", options)
        self.request = self.model.create_infer_request()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])
        self.labels = transformers.AutoConfig.from_pretrained(job["folder"]).id2label

    def forward(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"logits": self.request.infer(batch, share_inputs=True)[0]}

    def answer(self, items: Sequence[Any], max_length: int | None = None) -> Any:
        batch = self.tokenizer(
            list(items), padding=True, truncation=True, max_length=max_length, return_tensors="np"
        )
        logits = self.forward({name: array.astype(np.int64) for name, array in batch.items()})["logits"]
        return [self.labels[int(n)] for n in logits.argmax(-1)]


# What transformers calls the tasks; it has no pipeline for extracted answers any more.
PIPELINES = {
    "classification": "text-classification",
    "ner": "token-classification",
    "embeddings": "feature-extraction",
}


class TransformersPipeline:
    """transformers.pipeline at its defaults: float32, one item at a time."""

    def __init__(self, job: Message) -> None:
        import torch
        import transformers

        from zoo import env

        torch.set_num_threads(env.threads())
        self.pipe = transformers.pipeline(PIPELINES[job["task"]], model=job["folder"], device="cpu")

    def answer(self, items: Sequence[Any], max_length: int | None = None) -> Any:
        pairs = items and isinstance(items[0], list)
        given = [{"text": a, "text_pair": b} for a, b in items] if pairs else list(items)
        self.pipe(given, truncation=True) if self.pipe.task == "text-classification" else self.pipe(given)
        return None


def torch_loop(job: Message) -> TorchLoop:
    from benchmarks.speed.torch_loop import TorchLoop  # not before a side needs torch

    return TorchLoop(Path(job["folder"]), job["task"], job["precision"])


class Products:
    """The torch loop's products with weights alone: what is left of it when all else costs nothing."""

    def __init__(self, job: Message) -> None:
        loop = torch_loop(job)
        self.forward, self.answer = loop.forward, loop.products


SIDES: dict[str, Any] = {
    "zoo": Zoo,
    "torch": torch_loop,
    "torch products": Products,
    "OpenVINO by hand": ByHand,
    "transformers pipeline": TransformersPipeline,
}


def start(job: Message) -> tuple[Message, Run]:
    """Opens a side; a message's "what" is forward (a batch of arrays) or answer (the items)."""
    begin = time.perf_counter()
    side: Side = SIDES[job["side"]](job)
    folder = Path(job["folder"])
    items = json.loads(Path(job["items"]).read_text("utf-8"))
    arrays = dict(np.load(folder / "batch.npz")) if (folder / "batch.npz").is_file() else {}
    about = {"seconds": time.perf_counter() - begin, "summary": getattr(side, "summary", "")}

    def run(message: Message) -> Message:
        begin = time.perf_counter()
        if message["what"] == "forward":
            return {"logits": side.forward(arrays)["logits"].tolist()}
        found = side.answer(items, job.get("max_length"))
        spent = time.perf_counter() - begin
        if message.get("out"):
            _write(Path(message["out"]), found)
        return {"seconds": spent, "peak": peak_memory()}

    return about, run


def _write(path: Path, found: Any) -> None:
    if isinstance(found, np.ndarray):
        np.save(path.with_suffix(".npy"), found)
    else:
        path.with_suffix(".json").write_text(json.dumps(found, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    serve(start)

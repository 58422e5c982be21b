"""all-MiniLM-L6-v2 with a head that knows something, in seconds: its last layer is fitted by least squares.

Ridge regression from what goes into the layer to the classes as 0 and 1. All below has the published weights, but
for Chinese, whose characters MiniLM does not know: they get random embeddings of the size of its own.
Written as transformers writes models, so that every side of a benchmark reads the same files.

Legend of shapes: N rows or tokens, D hidden, C classes, T tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks import common
from benchmarks.speed.torch_loop import CLASSES, SETTINGS, TorchLoop
from zoo import hub, tasks

NAME = "sentence-transformers/all-MiniLM-L6-v2"
RIDGE = 1.0
SCALE = 8.0  # of the logits, so that the probabilities are no even split
LAST = {"classification": "classifier", "ner": "classifier", "qa": "qa_outputs"}
CHINESE = common.SHARED / "assets/bert-base-chinese"  # a vocabulary


def fitted(folder: Path, task: str, data: str, examples: Sequence[Any], item: Callable[[Any], Any]) -> None:
    """Writes the model to a folder.

    Args:
        task: a pipeline's name; "embeddings" has no head, and the folder is the published one.
        data: the data set of the labels.
        examples: rows with gold answers.
        item: of a row: what a pipeline takes.
    """
    source = Path(hub.resolve(NAME).path)
    if task == "embeddings":
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return
    about = tasks.find(data)
    labels = getattr(about, "labels", ("start", "end"))
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    torch.manual_seed(0)
    made = getattr(transformers, CLASSES[task]).from_pretrained(source, **({} if task == "qa" else names))
    tokenizer = transformers.BertTokenizer.from_pretrained(CHINESE if task == "ner" else source)
    if task == "ner":
        _renew_words(made, len(tokenizer))
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    shutil.copyfile((CHINESE if task == "ner" else source) / "vocab.txt", folder / "vocab.txt")
    loop = TorchLoop(folder, task, "fp32")
    layer = getattr(loop.model, LAST[task])
    given, wanted = _pairs(loop, layer, task, labels, examples, [item(example) for example in examples])
    x = np.concatenate([given, np.ones((len(given), 1))], axis=1).astype(np.float64)  # [N, D + 1]
    # Most words are no entities: rare tags count for more, or nothing else would be answered.
    counted = x * (wanted @ wanted.mean(0) ** -0.5)[:, None] if task == "ner" else x
    weights = np.linalg.solve(counted.T @ x + RIDGE * np.eye(x.shape[1]), counted.T @ wanted)  # [D + 1, C]
    weights *= SCALE
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:-1].T.copy()))
        layer.bias.copy_(torch.from_numpy(weights[-1]))
    loop.model.save_pretrained(folder)
    if task == "qa":
        _tune(folder, about, [item(example) for example in examples])


def _tune(folder: Path, about: Any, items: Sequence[Any]) -> None:
    """Writes task.json with the threshold at which half of the questions are answered."""
    loop = TorchLoop(folder, "qa", "fp32")
    encoded = loop.encode(items, about.max_length)
    margins = [margin for _, margin in loop.spans(items, encoded, loop.rows(encoded))]
    task = replace(about, threshold=float(np.median(margins)))
    settings = {"format": 1, "task": task.to_dict(), "max_length": task.max_length}
    (folder / SETTINGS).write_text(json.dumps(settings), "utf-8")


def _renew_words(model: Any, count: int) -> None:
    """Random embeddings for a vocabulary of that many words, with the mean and deviation of those there were."""
    old = model.get_input_embeddings().weight.detach()
    model.resize_token_embeddings(count)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.randn(count, old.shape[1]) * old.std(0) + old.mean(0))


def _pairs(
    loop: TorchLoop, layer: Any, task: str, labels: Sequence[str], examples: Sequence[Any], items: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """What goes into the layer [N, D], and what should come out [N, C]."""
    encoded = loop.encode(items, 384 if task == "qa" else 256)
    seen: list[np.ndarray] = []
    hook = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].float().numpy()))
    forward, inner = loop.forward, "inner"
    loop.forward = lambda batch: forward(batch) | {inner: seen.pop()}  # type: ignore[method-assign]
    rows = loop.rows(encoded)
    hook.remove()
    if task == "classification":
        wanted = [labels.index(example.label) for example in examples]
        return np.stack([row[inner] for row in rows]), np.eye(len(labels))[wanted]
    x, y = [], []
    for n, row in enumerate(rows):
        size = len(encoded["input_ids"][n])
        if task == "ner":
            target, used = _tags(encoded, n, labels, examples[n])
        else:
            target, used = _places(encoded, n, examples[encoded["overflow_to_sample_mapping"][n]]), slice(0, size)
        x.append(row[inner][:size][used])
        y.append(target[used])
    return np.concatenate(x), np.concatenate(y)


def _tags(encoded: Any, n: int, labels: Sequence[str], example: Any) -> tuple[np.ndarray, np.ndarray]:
    """Tags of the tokens [T, C], and which tokens stand for a word; every word is one character or a run."""
    at = np.cumsum([0, *map(len, example.words)])
    owner = np.searchsorted(at, [a for a, _ in encoded["offset_mapping"][n]], side="right") - 1
    real = np.array([word is not None for word in encoded.word_ids(n)])
    tags = np.array([labels.index(tag) for tag in example.tags])
    return np.eye(len(labels))[tags[np.minimum(owner, len(tags) - 1)]], real


def _places(encoded: Any, n: int, example: Any) -> np.ndarray:
    """1 at the first and the last token of the answer [T, 2]; at the first token of all without one."""
    offsets, parts = encoded["offset_mapping"][n], encoded.sequence_ids(n)
    target, start, end = np.zeros((len(offsets), 2)), 0, 0
    if example.answers:
        text, begin = example.answers[0]
        inside = [k for k, part in enumerate(parts) if part == 1]
        touched = [k for k in inside if offsets[k][0] < begin + len(text) and offsets[k][1] > begin]
        whole = touched and offsets[inside[0]][0] <= begin and offsets[inside[-1]][1] >= begin + len(text)
        start, end = (touched[0], touched[-1]) if whole else (0, 0)
    target[start, 0] = target[end, 1] = 1
    return target

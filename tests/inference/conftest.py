"""Small finetuned folders with random weights, and what answers with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import pytest

import zoo
from tests.tiny_models import network
from zoo import tasks
from zoo.finetune.run_folder import save_model
from zoo.inference.pipelines.base import Pipeline
from zoo.tasks import Task
from zoo.tasks.classification import Classification
from zoo.tasks.qa import QA
from zoo.tasks.tagging import Tagging

NLI = Classification(
    name="nli", labels=("contradiction", "entailment", "neutral"), pair="sentence2", metrics=("accuracy",)
)
KINDS: dict[str, Task | None] = {
    "classification": tasks.find("sst2"),
    "pairs": tasks.find("mrpc"),
    "regression": tasks.find("stsb"),
    "zero-shot": NLI,
    "ner": Tagging(name="places", labels=("O", "B-X", "I-X", "B-Y", "I-Y"), max_length=40, stride=8),
    "qa": QA(name="answers", unanswerable=True, threshold=-0.01, max_length=48, stride=8),
    "fill-mask": None,
    "embeddings": None,
}
HEADS = {"fill-mask": "mlm", "embeddings": "embedding"}
Answer = Callable[..., Pipeline]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind of KINDS, made once."""
    root = tmp_path_factory.mktemp("pipelines")
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if "base" not in made:
            made["base"] = network(root / "base", "english")
        if kind not in made:
            made[kind] = root / kind
            task = KINDS[kind]
            if task is None:
                zoo.load(made["base"], task=HEADS[kind]).save(made[kind])
            else:
                labels = getattr(task, "labels", ()) or (1 if kind == "regression" else None)
                model = zoo.load(made["base"], task=task.head, labels=labels)
                _louder(model)
                save_model(made[kind], model, task, {"max_length": task.max_length})
        return made[kind]

    return folder


def _louder(model: Any) -> None:
    """Makes a new head say different things of different texts, by more than rounding."""
    for tensor in model.head.parameters():
        if tensor.ndim == 2:
            tensor.set_value(tensor * 20)
    if model.task != "qa":
        texts = [f"{word} film from {word}" for word in ["a", "good", "the", "worst", "another", "Paris"]]
        logits = model(**model.tokenizer(texts)).logits
        bias = model.head.output.bias
        bias.set_value(bias - logits.reshape([-1, logits.shape[-1]]).mean(axis=0))


@pytest.fixture(scope="session")
def answering(folders: Callable[[str], Path]) -> Answer:
    """The pipeline of a kind by the reference engine: `answering("qa", top_k=3)`."""
    made: dict[str, Any] = {}

    def pipe(kind: str, **options: Any) -> Pipeline:
        name = {"pairs": "classification", "regression": "classification"}.get(kind, kind)
        if kind == "zero-shot":
            options = {"candidate_labels": ["sport", "politics"], **options}
        if kind not in made:
            made[kind] = zoo.pipeline(name, folders(kind), engine="eager", precision="fp32", **options).deployed
        return zoo.pipeline(name, made[kind], **options)

    return pipe


@pytest.fixture
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever traces a network fails."""

    def traced(*arguments: object, **options: object) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(paddle.jit, "save", traced)

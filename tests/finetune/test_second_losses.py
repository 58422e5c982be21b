"""R-Drop and FGM against their formulas, and as an option of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest

import zoo
from zoo.errors import UsageError
from zoo.finetune.second_losses import FGM, RDrop
from zoo.finetune.setup import smoothed
from zoo.models.common.base import Model

Command = Callable[..., tuple[int, str, str]]


def prepared(folder: Path, dropout: float, task: str = "classification") -> tuple[Model, dict[str, paddle.Tensor]]:
    paddle.seed(3)
    model = zoo.load(folder, task=task, labels=3)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = dropout
    batch = model.tokenizer(["a good film", "bad"])
    shape = [2] if task == "classification" else batch["input_ids"].shape
    batch["labels"] = paddle.randint(0, 3, shape)
    model.train()
    return model, batch


def test_r_drop(english: Path) -> None:
    model, batch = prepared(english, 0.0)
    assert float(RDrop()(model, batch)) == pytest.approx(float(model(**batch).loss), rel=1e-6)
    model, batch = prepared(english, 0.3)
    paddle.seed(5)
    outputs = [model(**batch) for _ in range(2)]
    first, second = (paddle.nn.functional.softmax(o.logits).numpy().astype(np.float64) for o in outputs)
    both = (first - second) * (np.log(first) - np.log(second))
    wanted = sum(float(o.loss) for o in outputs) / 2 + 2.0 * both.sum(axis=1).mean() / 2
    paddle.seed(5)
    assert float(RDrop(2.0)(model, batch)) == pytest.approx(wanted, rel=1e-5)
    model.eval()
    assert float(RDrop(2.0)(model, batch)) == float(model(**batch).loss)


def test_fgm(english: Path) -> None:
    model, batch = prepared(english, 0.0)
    plain = float(model(**batch).loss)
    assert float(FGM(0.0)(model, batch)) == pytest.approx(2 * plain, rel=1e-6)
    assert float(FGM(0.01)(model, batch)) > 2 * plain  # uphill
    FGM()(model, batch).backward()
    assert model.encoder.embeddings.word.weight.grad is not None


def test_other_heads(english: Path) -> None:
    model = zoo.load(english, task="qa")
    for loss in (RDrop(), FGM()):
        with pytest.raises(UsageError, match="no meaning for the head 'qa'"):
            loss(model, {})


def test_label_smoothing_is_torchs(english: Path) -> None:
    torch = pytest.importorskip("torch")
    model, batch = prepared(english, 0.0, "tagging")
    batch["labels"][0, 1] = -100
    logits, labels = (torch.tensor(t.numpy()) for t in (model(**batch).logits, batch["labels"]))
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=0.2)
    assert float(smoothed(0.2)(model, batch)) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("name", ["smart", "r-drop", "fgm"])
def test_as_an_option(finetune: Command, english: Path, sst2: Path, tmp_path: Path, name: str) -> None:
    words = ("--task", "sst2", "--model", english, "--data", sst2, "--out", tmp_path / "run", "--max-steps", "2")
    code, _, err = finetune(*words, "--batch-size", "4", "--loss", name)
    assert code == 0, err

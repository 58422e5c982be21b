"""Losses of vectors and rankings: against plain formulas, and in mini-batches with the gradients of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from tests.tiny_models import learner
from zoo.errors import UsageError
from zoo.finetune import mini_batches, text_losses
from zoo.finetune.batches import TrainBatches
from zoo.finetune.cpu_speedups import speed_up
from zoo.finetune.groups import Groups, by_sample, numbered
from zoo.finetune.seeding import seed_update
from zoo.finetune.text_losses import TextLoss, objective, text_loss
from zoo.tasks.features import Features, Ragged

ROWS, NEGATIVES = 6, 1


def groups(labels: np.ndarray | None = None, negatives: int = NEGATIVES) -> Groups:
    """ROWS anchors with their positives and negatives, of random ids."""
    random = np.random.default_rng(0)
    texts = [random.integers(1, 64, random.integers(3, 12)) for _ in range(ROWS * (2 + negatives))]
    sample = np.repeat(np.arange(ROWS), 2 + negatives)
    features = Features({"input_ids": Ragged.of(texts)}, sample)
    return Groups(features, by_sample(features), labels)


def batch_of(rows: Groups) -> dict[str, Any]:
    return {name: paddle.to_tensor(array) for name, array in rows.batch(np.arange(ROWS)).items()}


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vectors(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 8)).astype(np.float32)


def test_texts_of_a_batch_stand_by_place() -> None:
    rows = groups()
    batch = rows.batch(np.array([4, 1]))
    flat = [rows.features.columns["input_ids"][n] for n in (12, 3, 13, 4, 14, 5)]
    assert batch["row"].tolist() == [0, 1, 0, 1, 0, 1]
    assert all((ids[: len(own)] == own).all() for ids, own in zip(batch["input_ids"], flat, strict=True))
    assert rows.lengths[4] == max(len(rows.features.columns["input_ids"][n]) for n in (12, 13, 14))


def test_multiple_negatives() -> None:
    x = vectors(3 * ROWS)
    scores = 20 * unit(x[:ROWS]) @ unit(x[ROWS:]).T
    wanted = np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
    found = text_losses.multiple_negatives(
        paddle.to_tensor(x), {"labels": paddle.zeros([ROWS])}, TextLoss("multiple-negatives")
    )
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_cosent() -> None:
    x, labels = vectors(2 * ROWS), np.array([0.1, 0.9, 0.5, 0.5, 0.2, 1.0], np.float32)
    cosines = 20 * (unit(x[:ROWS]) * unit(x[ROWS:])).sum(axis=1)
    terms = [np.exp(cosines[i] - cosines[j]) for i in range(ROWS) for j in range(ROWS) if labels[i] < labels[j]]
    found = text_losses.cosent(paddle.to_tensor(x), {"labels": paddle.to_tensor(labels)}, TextLoss("cosent"))
    assert float(found) == pytest.approx(np.log(1 + sum(terms)), rel=1e-5)


def test_margins_of_a_teacher() -> None:
    x, scores = vectors(3 * ROWS), np.arange(3 * ROWS, dtype=np.float32) ** 2
    a, p, n = x[:ROWS], x[ROWS : 2 * ROWS], x[2 * ROWS :]
    ours = (a * p).sum(axis=1) - (a * n).sum(axis=1)
    wanted = np.mean((ours - (scores[ROWS : 2 * ROWS] - scores[2 * ROWS :])) ** 2)
    batch = {"row": paddle.to_tensor(np.tile(np.arange(ROWS), 3)), "labels": paddle.to_tensor(scores)}
    found = text_losses.margins_of_teacher(paddle.to_tensor(x), batch, TextLoss("margin-mse"))
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_softmax_of_rankings() -> None:
    """Two queries, the first with two right passages of three; a third one without any does not count."""
    row, labels = np.array([0, 1, 2, 0, 1, 0]), np.array([1, 0, 0, 1, 1, 0], np.float32)
    s = np.array([0.3, 1.0, 5.0, -1.0, 2.0, 0.5], np.float32)
    of_first, of_second = np.log(np.exp(s[[0, 3, 5]]).sum()), np.log(np.exp(s[[1, 4]]).sum())
    wanted = ((of_first - s[0]) / 2 + (of_first - s[3]) / 2 + of_second - s[4]) / 2
    batch = {"row": paddle.to_tensor(row), "labels": paddle.to_tensor(labels)}
    found = text_losses.softmax(paddle.to_tensor(s[:, None]), batch, TextLoss("softmax"))
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    assert text_losses.LOSSES["softmax"][1]({"row": row, "labels": labels}) == 2


def test_matryoshka_is_the_sum_over_dims() -> None:
    model, batch = learner("embedding", dropout=0.0), batch_of(groups())
    parts = [
        float(text_losses.multiple_negatives(model(**inputs(batch)).embeddings[:, :d], batch, TextLoss("x")))
        for d in (32, 8)
    ]
    loss = objective(text_loss("dims=32+8", "pairs"), "embeddings", 32).loss
    assert float(loss(model, batch)) == pytest.approx(sum(parts), rel=1e-5)
    with pytest.raises(UsageError, match="dims=64, and a vector has 32"):
        objective(text_loss("dims=64+8", "pairs"), "embeddings", 32)


def inputs(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: batch[name] for name in mini_batches.INPUTS if name in batch}


def gradients(model: Any, batch: Any, loss: TextLoss, fast: bool = False) -> Any:
    """Loss and gradients of an update."""
    model.train()
    model.clear_gradients()
    seed_update(1, 0)
    compute = objective(loss, "embeddings", 32).loss
    if fast:
        with speed_up(model):
            value = compute(model, batch)
            value.backward()
    else:
        value = compute(model, batch)
        value.backward()
    return float(value), {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("text", ["multiple-negatives", "multiple-negatives,dims=32+8"])
def test_mini_batches_have_the_gradients_of_the_whole(text: str) -> None:
    model, batch = learner("embedding", dropout=0.0), batch_of(groups())
    whole, wanted = gradients(model, batch, text_loss(text, "pairs"))
    part, found = gradients(model, batch, text_loss(f"{text},mini_batch=4", "pairs"))
    assert part == pytest.approx(whole, rel=1e-6) and found.keys() == wanted.keys()
    largest = max(np.abs(each).max() for each in wanted.values())  # other sums, so by rounding of the largest
    assert max(np.abs(found[name] - wanted[name]).max() for name in wanted) < 1e-6 * largest


@pytest.mark.parametrize("fast", [False, True])
def test_mini_batches_drop_out_the_same_again(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    """Against the same mini-batches kept in memory: each draws its dropout once."""
    model, batch = learner("embedding", dropout=0.3), batch_of(groups())
    loss = text_loss("mini_batch=4", "pairs")
    part, found = gradients(model, batch, loss, fast=fast)
    monkeypatch.setattr(mini_batches, "_again", lambda model, given, field: getattr(model(**given), field))
    whole, wanted = gradients(model, batch, loss, fast=fast)
    assert part == pytest.approx(whole, abs=1e-6)
    assert max(np.abs(found[name] - wanted[name]).max() for name in wanted) < 1e-6


def test_batches_have_no_text_twice() -> None:
    random = np.random.default_rng(0)
    texts = [(f"q{n}", f"d{random.integers(12)}") for n in range(60)]
    batches = TrainBatches(np.full(60, 5), 8, seed=1, apart=numbered(texts))
    for epoch in range(2):
        chosen = [batches[epoch * len(batches) + n] for n in range(len(batches))]
        for batch in chosen:
            held = [text for n in batch for text in texts[n]]
            assert len(set(held)) == len(held) and 0 < len(batch) <= 8
        seen = np.concatenate(chosen)
        assert len(set(seen.tolist())) == len(seen) > 50


def test_a_text_in_every_row_makes_batches_of_one() -> None:
    batches = TrainBatches(np.full(5, 3), 4, seed=1, apart=numbered([("q", f"d{n}") for n in range(5)]))
    assert len(batches) == 5 and sorted(int(batches[n][0]) for n in range(5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "learned", "message"),
    [
        ("cosent", "pairs", "no loss 'cosent' for pairs"),
        ("multiple-negative", "pairs", "Did you mean"),
        ("multiple-negatives,size=3", "pairs", "no option 'size'"),
        ("mini_batch=0", "pairs", "mini_batch=0 does not work"),
        ("mini_batch=some", "pairs", "does not work"),
        ("scale=-1", "pairs", "scale=-1 does not work"),
        ("dims=a", "pairs", "dims='a' does not work"),
        ("bce,mini_batch=3", "rerank", "no option 'mini_batch'"),
    ],
)
def test_wrong_losses(text: str, learned: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        text_loss(text, learned)
    assert message in str(caught.value) + caught.value.hint


def test_losses_have_names() -> None:
    assert text_loss("", "pairs") == TextLoss("multiple-negatives")
    assert text_loss("scale=50,dims=32+8", "pairs") == TextLoss("multiple-negatives", 50, dims=(32, 8))
    assert text_loss("softmax", "rerank") == TextLoss("softmax")
    named = {name for names in text_losses.OF_TASK.values() for name in names}
    assert named == text_losses.OPTIONS.keys() and named - {"bce"} == text_losses.LOSSES.keys()

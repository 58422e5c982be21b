"""The loop: what it minimises, what it tells, when it stops, and that a killed run ends in the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.finetune.small import SomeRows, bytes_of, run
from tests.tiny_models import learner
from zoo.batching import Padding
from zoo.errors import TrainingError, UsageError
from zoo.finetune.events import Evaluated, Finished, Started, Updated
from zoo.finetune.freezing import freeze_body
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings, updates_of
from zoo.finetune.losses import Objective, objective_of
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

SETTINGS = {"updates": 12, "batch_size": 8, "lr": 1e-3, "warmup": 2, "save_every": 3}


def test_it_learns_and_tells() -> None:
    _, events = run({"settings": {**SETTINGS, "updates": 60, "lr": 3e-3}}, None)
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    losses = [e.loss for e in events if isinstance(e, Updated)]
    assert len(losses) == 60 and np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert events[1].lr == 0.0 and events[2].lr == pytest.approx(1.5e-3)
    assert events[1].rows == 8 and events[1].tokens > 30 and events[1].norm > 0


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (run({"settings": {**SETTINGS, "seed": s}}, None)[0] for s in (1, 1, 2))
    assert bytes_of(first) == bytes_of(second) != bytes_of(other)


@pytest.mark.parametrize("task", ["classification", "tagging", "qa"])
def test_accumulation_is_one_large_batch(task: str) -> None:
    ends = []
    for size, accumulate in ((12, 1), (4, 3)):
        model = learner(task, dropout=0.0)
        optimiser = make_optimiser(model, OptimiserSettings(lr=1e-3))
        rows = SomeRows(12, task=task)
        events: list[Any] = []
        settings = LoopSettings(3, size, accumulate, lr=1e-3, grouped=False)
        # the qa head, like the original, takes its softmax over padding too: only equal widths are comparable
        train(model, rows, optimiser, settings, padding=Padding(least=20), on_event=events.append)
        ends.append((model, [e.loss for e in events if isinstance(e, Updated)]))
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-5)
    # What adds the same number to every score of a softmax has a gradient of rounding alone, which Adam blows up.
    no_gradient = ("key.bias", "qa.output.bias", "layers.1.feed_forward_norm.bias" if task == "qa" else "key.bias")
    for (name, one), two in zip(ends[0][0].named_parameters(), ends[1][0].parameters(), strict=True):
        if not name.endswith(no_gradient):
            np.testing.assert_allclose(one.numpy(), two.numpy(), atol=2e-5, err_msg=name)


def test_a_frozen_body_stays_and_has_no_dropout() -> None:
    model = learner()
    freeze_body(model)
    before = bytes_of(model)
    optimiser = make_optimiser(model, OptimiserSettings(lr=1e-2))
    events: list[Any] = []
    seen: list[bool] = []
    objective = objective_of(model)

    def loss(m: Any, batch: Any) -> Any:
        seen.append(m.encoder.layers[0].dropout.training or not m.classification.dropout.training)
        return objective.loss(m, batch)

    train(
        model,
        SomeRows(),
        optimiser,
        LoopSettings(3),
        objective=Objective(loss, objective.count),
        on_event=events.append,
    )
    changed = {name for name, value in bytes_of(model).items() if value != before[name]}
    assert changed and all(name.startswith(("classification.", "encoder.pooler.")) for name in changed)
    assert seen == [False] * 3
    assert events[0].trained < events[0].frozen
    with pytest.raises(UsageError, match="no head"):
        freeze_body(learner(None))


def test_best_patience_and_the_end_of_epochs() -> None:
    scores = iter([0.5, 0.8, 0.8, 0.7, 0.9])
    kept: list[int] = []
    _, events = run(
        {"settings": {**SETTINGS, "updates": 80, "patience": 2}},
        None,
        evaluate=lambda model: {"accuracy": next(scores)},
        on_best=lambda model, update, scores: kept.append(update),
    )
    found = [e for e in events if isinstance(e, Evaluated)]
    assert [e.update for e in found] == [8, 16, 24, 32]  # 60 rows in batches of 8
    assert [e.is_best for e in found] == [True, True, False, False]
    assert kept == [8, 16] and events[-1] == Finished(32, "patience")


def test_lower_can_be_better_and_a_wrong_score_is_named() -> None:
    scores = iter([0.5, 0.4, 0.6])
    settings = {**SETTINGS, "eval_every": 4, "best": "-loss"}
    _, events = run({"settings": settings}, None, evaluate=lambda model: {"loss": next(scores)})
    assert [e.is_best for e in events if isinstance(e, Evaluated)] == [True, True, False]
    with pytest.raises(UsageError, match=r"'f1'.*no score"):
        run({"settings": {**SETTINGS, "best": "f1"}}, None, evaluate=lambda model: {"loss": 1.0})


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(UsageError, match="bfloat16 needs a GPU"):
        run({"settings": {**SETTINGS, "precision": "bfloat16"}}, None)


def test_what_is_no_number_is_found() -> None:
    model = learner()
    rows = SomeRows()
    layer = model.encoder.layers[1].feed_forward
    original = layer.forward

    def broken(x: Any) -> Any:
        return original(x) * (float("nan") if calls.append(1) or len(calls) > 2 else 1.0)

    calls: list[int] = []
    layer.forward = broken
    with pytest.raises(TrainingError, match=r"Update 3 .*loss nan.*'encoder.layers.1.dropout'.*rows \d+") as e:
        train(model, rows, make_optimiser(model, OptimiserSettings()), LoopSettings(5, fast=False))
    assert "lower --lr" in str(e.value)


def test_updates_of() -> None:
    assert updates_of(100, 32, 1, 3) == 12
    assert updates_of(100, 32, 4, 1) == 1
    assert updates_of(100, 10, 3, 1) == 4
    assert updates_of(1000, 10, 1, 0.1) == 10

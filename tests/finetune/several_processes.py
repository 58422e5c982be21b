"""What each of the processes of test_parallel.py runs: trainings, and an evaluation in shares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from tests.finetune.small import SomeRows
from tests.tiny_models import learner
from zoo.batching import eval_batches, padding_of
from zoo.finetune import parallel
from zoo.finetune.loop import train
from zoo.finetune.loop_settings import LoopSettings
from zoo.finetune.optimisation import OptimiserSettings, make_optimiser

Numbers = dict[str, np.ndarray]


def outcome(folder: Path) -> Numbers:
    """Trains on 61 rows in batches of 8 (the last of an epoch has 5), evaluates 61 rows after every epoch."""
    rank, world = parallel.start()
    model, rows = learner("tagging", seed=1 + rank, dropout=0.0), SomeRows(61, task="tagging")
    if rank == 0:
        assert parallel.world() == world
    padding = padding_of(model)

    def evaluate(m: Any) -> dict[str, float]:
        done, results = [], []
        for batch in eval_batches(rows.lengths, padding, 60, 4, rank, world):
            tensors = {k: paddle.to_tensor(v) for k, v in rows.batch(batch).items() if k != "labels"}
            best = m(**tensors).logits.argmax(-1).numpy()
            done += batch.tolist()
            results += [best[n, : len(rows.ids[row])] for n, row in enumerate(batch)]
        whole = parallel.gather(done, results, 61)
        right = [np.mean(answer == rows.ids[n] % 3) for n, answer in enumerate(whole)]
        return {"accuracy": float(np.mean(right))}

    events: list[Any] = []
    train(
        model,
        rows,
        make_optimiser(model, OptimiserSettings("child-tuning-F", lr=1e-3)),
        LoopSettings(17, 8, 2, lr=1e-3),
        evaluate=evaluate,
        on_event=events.append,
        folder=folder / "checkpoints",
    )
    made = {name: t.numpy() for name, t in model.state_dict().items()}
    made["losses"] = np.array([e.loss for e in events if hasattr(e, "loss")])
    made["scores"] = np.array([e.scores["accuracy"] for e in events if hasattr(e, "scores")])
    return made


SETTINGS: dict[str, Any] = {
    "updates": 8,
    "batch_size": 8,
    "accumulate": 2,
    "lr": 1e-3,
    "clip": 0.05,
    "save_every": 2,
}
STOPPED = 5  # updates of a run that is stopped


class Stopped(Exception):
    """What a run ends with that is to be gone on with."""


def trained(
    folder: Path | None, stop: bool = False, resume: bool = False, dropout: float = 0.0, **more: Any
) -> Numbers:
    """Losses of the updates and the weights after eight of them; with layer-wise rates and decay.

    Args:
        stop: in the evaluation behind the fifth update; gives nothing then.
        more: settings.
    """
    model = learner("tagging", dropout=dropout)
    optimiser = make_optimiser(model, OptimiserSettings(lr=1e-3, layer_decay=0.9, weight_decay=0.1))
    losses: dict[int, float] = {}

    def evaluate(m: Any) -> dict[str, float]:
        if stop:
            raise Stopped
        return {"accuracy": 1.0}

    def tell(event: Any) -> None:
        losses.update({event.update: event.loss} if hasattr(event, "loss") else {})

    settings = LoopSettings(**SETTINGS, **more, eval_every=STOPPED)
    rows = SomeRows(61, task="tagging")
    try:
        train(model, rows, optimiser, settings, evaluate=evaluate, on_event=tell, folder=folder, resume=resume)
    except Stopped:
        return {}
    made = {name: t.numpy() for name, t in model.state_dict().items()}
    kept = sum(t.size for kind in ("moment1", "moment2") for t in optimiser._accumulators[kind].values())
    return {**made, "losses": np.array([[n, losses[n]] for n in sorted(losses)]), "kept": np.array(kept)}


def stopped_alone(folder: Path) -> None:
    """What `sharded` goes on with."""
    trained(folder / "stopped-alone", stop=True)


def sharded(folder: Path) -> dict[str, Numbers]:
    """Runs with `stopped_alone` done: plain, in shares, with dropout, stopped, and gone on with."""
    trained(folder / "stopped", stop=True, sharded=True)
    return {
        "plain": trained(None),
        "sharded": trained(folder / "sharded", sharded=True, recompute=True),
        "dropout": trained(None, dropout=0.1, shares=2),
        "resumed": trained(folder / "stopped-alone", resume=True, sharded=True),
    }


if __name__ == "__main__":
    where = Path(sys.argv[1])
    first = parallel.start()[0]
    np.savez(where / f"rank{first}.npz", **outcome(where))
    for name, found in sharded(where).items():
        np.savez(where / f"{name}{first}.npz", **found)

"""What each of the processes of test_parallel.py runs: training, and an evaluation in shares."""

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


def outcome(folder: Path) -> dict[str, np.ndarray]:
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


if __name__ == "__main__":
    where = Path(sys.argv[1])
    np.savez(where / f"rank{parallel.start()[0]}.npz", **outcome(where))

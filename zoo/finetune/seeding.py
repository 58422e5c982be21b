"""Random numbers of a run: seeded anew for every update, so that nothing has to be saved to go on exactly."""

from __future__ import annotations

import random

import numpy as np
import paddle

from zoo.finetune import cpu_speedups

OPTIMISER_STREAM = 1 << 20  # a stream of its own, the same on every process


def seed_update(seed: int, update: int, stream: int = 0) -> None:
    """Seeds python's, numpy's and paddle's random numbers, and the dropout of `fast`.

    Args:
        seed: of the run.
        update: the update that comes.
        stream: another number gives other random numbers: the process, or OPTIMISER_STREAM.
    """
    words = np.random.SeedSequence([seed, update, stream]).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    paddle.seed(int(words[2]))
    cpu_speedups.seed(int(words[3]))

"""Turns batches into Paddle tensors. Imported late: tokenization alone needs no Paddle."""

from __future__ import annotations

import numpy as np
import paddle

from zoo.tokenization.options import Batch


def to_paddle(batch: Batch) -> Batch:
    """Gives the arrays of a batch as tensors; what is no array stays as it is."""
    return {
        name: paddle.to_tensor(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()
    }

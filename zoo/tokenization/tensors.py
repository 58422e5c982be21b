"""Batches as Paddle tensors. Imported late: tokenization alone needs no Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle


def to_paddle(batch: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a batch as tensors; what is no array stays as it is."""
    return {
        name: paddle.to_tensor(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()
    }

"""What a head gives for many texts, in the memory of a few: gradients through vectors that are computed again.

The gradient cache of Gao et al. 2021 (arXiv 2101.06983): every mini-batch is computed without keeping anything but
its vectors; the loss sees all of them; then each is computed again, with the same dropout, and its gradients are
added before the next one comes. It costs a second forward pass; losses and gradients are those of one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.distributed.fleet.utils import recompute

from zoo.batching import padding_of
from zoo.finetune import cpu_speedups
from zoo.models.common.base import Model

INPUTS = ("input_ids", "token_type_ids", "attention_mask")


def computed(model: Model, batch: dict[str, Tensor], field: str, mini_batch: int = 0) -> Tensor:
    """What a head gives for texts.

    Args:
        model: with a head.
        batch: `input_ids` [S, T], `attention_mask`, perhaps `token_type_ids`, and `row` [S] as `Groups` has it.
        field: of the output, "embeddings" or "logits".
        mini_batch: texts that are in memory together; 0 for all, where the first texts of all rows (anchors, which
            are short) are computed apart from the others.

    Returns:
        [S, ...], in the order of the batch.
    """
    inputs = {name: batch[name] for name in INPUTS if name in batch}
    lengths = batch["attention_mask"].sum(axis=1).numpy()
    made, order = [], []
    for part in _parts(lengths, batch, mini_batch):
        width = padding_of(model).width(int(lengths[part].max()))
        chosen = {name: paddle.gather(x, paddle.to_tensor(part))[:, :width] for name, x in inputs.items()}
        made.append(_again(model, chosen, field) if mini_batch else getattr(model(**chosen), field))
        order.append(part)
    back = np.argsort(np.concatenate(order))
    return paddle.gather(paddle.concat(made), paddle.to_tensor(back))


def _parts(lengths: np.ndarray, batch: dict[str, Tensor], mini_batch: int) -> Iterator[np.ndarray]:
    """Texts that are computed together: of like lengths, or first ones and others."""
    if mini_batch:
        order = np.argsort(-lengths, kind="stable")
        yield from (order[at : at + mini_batch] for at in range(0, len(order), mini_batch))
        return
    rows = int(batch["row"].max()) + 1
    yield from filter(len, (np.arange(rows), np.arange(rows, len(lengths))))


def _again(model: Model, inputs: dict[str, Tensor], field: str) -> Tensor:
    """Computes a mini-batch now, and again when its gradient is there."""
    names = list(inputs)

    def run(zero: Tensor, *tensors: Any) -> Tensor:
        return getattr(model(**dict(zip(names, tensors, strict=True))), field) + zero

    zero = paddle.zeros([1])
    zero.stop_gradient = False  # ids have no gradient, and without one nothing would go back
    return recompute(cpu_speedups.repeatable(run), zero, *inputs.values())
